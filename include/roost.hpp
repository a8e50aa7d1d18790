/* roost.hpp - roost for C++17: tasks are lambdas, nurseries and scopes objects.
 *
 *     roost::nursery n;
 *     n.spawn([&] { return fetch(u, &nu); });
 *     n.spawn([&] { return fetch(v, &nv); });
 *     int r = n.close();          (both are home, or both cancelled)
 *
 *     r = roost::within(2s, [&] { return read_reply(c, &reply); });
 *
 * Header only, over the C functions, which may all be used beside it. What a task
 * or a body returns is an int as in C, or void for 0.
 *
 * Cancellation is a code here too, never an exception. An exception that leaves a
 * child is a failure of that child: its siblings are cancelled, and close()
 * throws it again if it was the first failure. One that leaves the block of a
 * nursery cancels the children, waits for them and goes on. With -fno-exceptions
 * all of that is left out.
 *
 * Callbacks that roost calls outside a task or inside a call of its own (on_error,
 * done, abort functions, the body of roost_nursery_run) must not throw.
 */
#ifndef ROOST_HPP
#define ROOST_HPP

#if __cplusplus < 201703L
#error "roost.hpp wants C++17"
#endif

#include <roost.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <new>
#include <type_traits>
#include <utility>

#ifdef __cpp_exceptions
#include <exception>
#include <system_error>
#define ROOST__FLAVOUR throwing
#else
#define ROOST__FLAVOUR silent
#endif

namespace roost {
inline namespace ROOST__FLAVOUR { /* files built either way may be linked */

/* ---- time ---- */

/* Nanoseconds of a roost_time, or of any duration of std::chrono. 36 years and
 * more are ROOST_NEVER. */
constexpr roost_time ns(roost_time duration) noexcept
{
    return duration;
}

template <class Rep, class Period>
constexpr roost_time ns(std::chrono::duration<Rep, Period> d) noexcept
{
    using wide = std::chrono::duration<double, std::nano>;

    if (!(wide(d).count() < 1152921504606846976.0)) /* 2^60 */
        return ROOST_NEVER;
    if (wide(d).count() < -1152921504606846976.0)
        return -1;
    return std::chrono::duration_cast<std::chrono::nanoseconds>(d).count();
}

/* ---- places ---- */

/* Where a call stands, "file.cpp:17". Every call below takes one as its last
 * argument and finds it by itself; ROOST_SITE may be given as well. */
class place {
public:
    place(const char *literal) noexcept : text(literal) {}
    static place here(const char *file = __builtin_FILE(),
                      int line = __builtin_LINE()) noexcept
    {
        return place(known(file, line));
    }
    const char *text;

private:
    struct node {
        node *next;
        const char *file;
        int line;
        char text[128];
    };

    /* Reports keep the text for ever, so it is made once for each place. */
    static const char *known(const char *file, int line) noexcept
    {
        static std::atomic<node *> table[64];
        std::atomic<node *> &head = table[static_cast<unsigned>(line) % 64];
        node *n;

        for (n = head.load(std::memory_order_acquire); n; n = n->next)
            if (n->line == line && n->file == file)
                return n->text;
        n = new (std::nothrow) node;
        if (!n)
            return file;
        std::size_t len = std::strlen(file), cut = len > 112 ? len - 112 : 0;
        std::snprintf(n->text, sizeof n->text, "%s:%d", file + cut, line);
        n->file = file;
        n->line = line;
        n->next = head.load(std::memory_order_relaxed);
        while (!head.compare_exchange_weak(n->next, n, std::memory_order_release,
                                           std::memory_order_relaxed))
            ;
        return n->text;
    }
};

/* ---- calling what the user gave ---- */

namespace detail {

inline int exceptions_in_flight() noexcept
{
#ifdef __cpp_exceptions
    return std::uncaught_exceptions();
#else
    return 0;
#endif
}

template <class F> int call(F &f)
{
    using result = std::invoke_result_t<F &>;
    static_assert(std::is_void_v<result> || std::is_same_v<result, int>,
                  "the function returns int (>= 0 or a negative errno) or void");

    if constexpr (std::is_void_v<result>) {
        f();
        return 0;
    } else {
        return f();
    }
}

/* The first failure of those that came through here, with its exception. */
class failure {
public:
    void note(int result) noexcept
    {
        if (!code_ && result < 0 && result != -ECANCELED && result != -ESHUTDOWN)
            code_ = result;
    }

#ifndef __cpp_exceptions
    template <class F> int guard(F &f, const char *)
    {
        return call(f);
    }
    void rethrow_if(int) {}
#else
    /* Calls f; an exception becomes a code, with its words on record. */
    template <class F> int guard(F &f, const char *site)
    {
        try {
            int result = call(f);

            note(result);
            return result;
        } catch (const std::system_error &e) {
            return threw(code_of(e.code()), site, e.what());
        } catch (const std::bad_alloc &e) {
            return threw(-ENOMEM, site, e.what());
        } catch (const std::exception &e) {
            return threw(-EPROTO, site, e.what());
        } catch (...) {
            if (!std::current_exception()) /* no exception but pthread_exit */
                throw;
            return threw(-EPROTO, site, "something that is no std::exception");
        }
    }

    void rethrow_if(int result)
    {
        if (exception_ && result == code_)
            std::rethrow_exception(std::exchange(exception_, nullptr));
    }

private:
    static int code_of(const std::error_code &e) noexcept
    {
        bool is_errno = (e.category() == std::generic_category() ||
                         e.category() == std::system_category()) &&
                        e.value() > 0 && e.value() < 4096;

        if (e.value() == ECANCELED && roost_cancelled() == 0)
            return -EPROTO; /* not of our making */
        return is_errno ? -e.value() : -EPROTO;
    }

    int threw(int code, const char *site, const char *words) noexcept
    {
        if (code == -ECANCELED)
            return code; /* a task that was cut, in whatever words */
        if (!code_) {
            code_ = code;
            exception_ = std::current_exception();
        }
        return roost_fail_at(site, code, "threw %s", words);
    }

    std::exception_ptr exception_;
#endif
private:
    int code_ = 0;
};

} /* namespace detail */

/* ---- nurseries ---- */

/* Opened where it is declared. Close it; left open, its children are cancelled
 * and joined: with a sentence, as for ROOST_NURSERY, unless an exception is
 * passing. Then what the children failed with stands beside that in the record. */
class nursery {
public:
    explicit nursery(place at = place::here()) noexcept : site_(at.text)
    {
        roost_nursery_open_with_at(&n_, nullptr, site_);
    }

    explicit nursery(const roost_nursery_options &o, place at = place::here())
        noexcept : site_(at.text), isolates_(o.policy == ROOST_ISOLATE),
                   sheds_(o.shed)
    {
        roost_nursery_open_with_at(&n_, &o, site_);
    }

    ~nursery()
    {
        if (open_ && detail::exceptions_in_flight() > in_flight_)
            roost_ignore(roost_nursery_close_at(&n_, -EPROTO, site_));
        else if (open_)
            roost_nursery_guard(&n_);
    }

    nursery(const nursery &) = delete;
    nursery &operator=(const nursery &) = delete;

    /* A child that runs f(), moved or copied to its own memory, once the spawner
     * suspends; f is destroyed before the child has ended. 0, or what roost_spawn
     * returns, which is the nursery's failure too. Throws what copying f throws;
     * then nothing was spawned. `o`: .service, .child, .name, .stack_bytes. */
    template <class F> int spawn(F &&f, place at = place::here())
    {
        return spawn(std::forward<F>(f), roost_spawn_options{}, at);
    }

    template <class F>
    int spawn(F &&f, roost_spawn_options o, place at = place::here())
    {
        using child = child_of<std::decay_t<F>>;

        if constexpr (child::is_plain) {
            child c{ this, at.text, std::forward<F>(f) };
            o.copy_bytes = sizeof c;
            return spawned(
                roost_spawn_with_at(&n_, child::run, &c, &o, at.text));
        } else {
            child *c = new (std::nothrow)
                child{ this, at.text, std::forward<F>(f) };
            o.copy_bytes = 0;
            int r = spawned(roost_spawn_with_at(
                &n_, c ? child::run : no_memory, c, &o, at.text));
            if (r < 0)
                delete c;
            return c ? r : -ENOMEM;
        }
    }

    /* roost_nursery_close: waits for all children, whatever is cancelled. Throws
     * the exception of the child that failed first. */
    [[nodiscard]] int close(int result = 0, place at = place::here())
    {
        first_.note(result);
        open_ = false;
        result = roost_nursery_close_at(&n_, result, at.text);
        if (!isolates_)
            first_.rethrow_if(result);
        return result;
    }

    template <std::size_t size>
    void cancel(const char (&reason)[size], place at = place::here()) noexcept
    {
        roost_nursery_cancel_at(&n_, reason, at.text);
    }

    std::size_t count() const noexcept { return roost_nursery_count(&n_); }
    roost_scope *scope() noexcept { return roost_nursery_scope(&n_); }
    roost_nursery *get() noexcept { return &n_; } /* for the C functions */

private:
    /* The child's memory: on its own stack, or on the heap until it has run. */
    template <class F> struct child_of {
        nursery *owner;
        const char *site;
        F f;

        static constexpr bool is_plain =
            std::is_trivially_copyable_v<F> && alignof(F) <= 16 &&
            sizeof(F) <= 4096 - 32;

        static int run(void *arg)
        {
            child_of *c = static_cast<child_of *>(arg);
            int result = c->owner->first_.guard(c->f, c->site);

            if constexpr (!is_plain)
                delete c;
            return result;
        }
    };

    static int no_memory(void *) { return -ENOMEM; }

    /* A refused spawn may be the first failure: no later exception is thrown. */
    int spawned(int r) noexcept
    {
        if (r != -EAGAIN || !sheds_)
            first_.note(r);
        return r;
    }

    roost_nursery n_;
    const char *site_;
    bool open_ = true, isolates_ = false, sheds_ = false;
    detail::failure first_;
    int in_flight_ = detail::exceptions_in_flight();
};

/* ---- scopes ---- */

namespace detail {

/* Calls f in a scope that was entered. The destructor leaves it only if an
 * exception passes. */
struct scope {
    explicit scope(place at) noexcept : site(at.text) {}
    template <class F> int run(F &f)
    {
        int result = call(f);

        open = false;
        return roost_scope_leave_at(&s, result, site);
    }
    ~scope()
    {
        if (open)
            roost_ignore(roost_scope_leave_at(&s, -EPROTO, site));
    }

    const char *site;
    bool open = true;
    roost_scope s; /* as entering leaves it */
};

} /* namespace detail */

/* Calls f() in a cancel scope with a deadline: what f returned, or -ETIMEDOUT if
 * the deadline cut it (ROOST_WITHIN, ROOST_UNTIL). */
template <class F>
[[nodiscard]] int until(roost_time instant, F &&f, place at = place::here())
{
    detail::scope s(at);

    roost_scope_enter_at(&s.s, instant, at.text);
    return s.run(f);
}

template <class D, class F>
[[nodiscard]] int within(D duration, F &&f, place at = place::here())
{
    return until(roost_after(ns(duration)), f, at);
}

/* Calls f() in a shield: cancellation from outside reaches it only when `budget`
 * has passed since it came (ROOST_SHIELDED). */
template <class D, class F>
[[nodiscard]] int shield(D budget, F &&f, place at = place::here())
{
    detail::scope s(at);

    roost_shield_enter_at(&s.s, ns(budget), at.text);
    return s.run(f);
}

template <class D> [[nodiscard]] int sleep(D duration)
{
    return roost_sleep(ns(duration));
}

/* ---- running ---- */

/* roost_run_with: runs f() as the main task, and all it spawns. Throws what left
 * the main task, when every task is home. */
template <class F>
int run(const roost_options &o, F &&f, place at = place::here())
{
    struct main_task {
        std::remove_reference_t<F> &f;
        const char *site;
        detail::failure failure;

        static int run(void *arg)
        {
            main_task *t = static_cast<main_task *>(arg);

            return t->failure.guard(t->f, t->site);
        }
    } t{ f, at.text, {} };
    int r = roost_run_with_at(&o, main_task::run, &t, at.text);

    t.failure.rethrow_if(r);
    return r;
}

template <class F> int run(F &&f, place at = place::here())
{
    return run(roost_options{}, f, at);
}

} /* inline namespace */
} /* namespace roost */

#endif
