/* verbs.cpp - claims about roost.hpp: each verb with each verdict.
 *
 * Time is virtual. What silent.cpp claims without exceptions is linked in, so
 * that the two kinds of files live in one program.
 */
#include "silent.hpp"
#include "virtually.hpp"

#include <memory>
#include <stdexcept>

/* An object that counts how many of it are alive. */
struct counted {
    static inline int alive, copies;

    counted() { alive++; }
    counted(const counted &) { alive++, copies++; }
    counted(counted &&) noexcept { alive++; }
    ~counted() { alive--; }
};

#ifndef TSAN /* it has its own */
/* Counted, and without memory on demand. */
static bool memory_is_short;
static int allocations;

void *operator new(std::size_t bytes, const std::nothrow_t &) noexcept
{
    allocations++;
    if (memory_is_short)
        return nullptr;
    try {
        return ::operator new(bytes);
    } catch (...) {
        return nullptr;
    }
}
#endif

/* ---- run ---- */

static void run_returns_what_the_main_task_returns()
{
    CHECK(virtually([] { return 5; }) == 5);
    CHECK(virtually([] { return -EIO; }) == -EIO);
    CHECK(virtually([] {}) == 0);
    CHECK(roost::run([] { return 3; }) == 3);
}

/* ---- spawn and close ---- */

static void close_waits_and_returns_the_verdict()
{
    CHECK(virtually([] {
        int done = 0;
        roost::nursery n;

        n.spawn([&] { done += roost::sleep(1s) == 0; });
        CHECK(n.spawn([&] { return done += roost::sleep(2s) == 0, 9; }) == 0);
        CHECK(n.count() == 2 && done == 0);
        CHECK(n.close(4) == 4);
        CHECK(done == 2 && n.count() == 0);
    }) == 0);
}

static void a_code_fails_the_nursery()
{
    CHECK(virtually([] {
        int cut = 0;
        roost::nursery n;

        n.spawn([&] { cut = roost::sleep(10s); });
        n.spawn([] { return -EIO; });
        CHECK(roost::sleep(1s) == -ECANCELED);
        CHECK(n.close() == -EIO);
        CHECK(cut == -ECANCELED);

        roost::nursery body;
        body.spawn([&] { return cut = roost::sleep(10s); });
        CHECK(body.close(-ENOENT) == -ENOENT && cut == -ECANCELED);
    }) == 0);
}

static void cancel_by_hand_makes_close_return_0()
{
    CHECK(virtually([] {
        roost::nursery n;

        n.spawn([] { return roost::sleep(10s); });
        CHECK(roost::sleep(1s) == 0);
        n.cancel("enough");
        CHECK(roost::sleep(1s) == -ECANCELED);
        CHECK(n.close(-ECANCELED) == 0 && roost_scope_caught(n.scope()));
    }) == 0);
}

static void a_deadline_of_the_nursery_times_out()
{
    CHECK(virtually([] {
        roost_nursery_options o{};
        o.deadline = roost_after(ROOST_SEC(1));
        roost::nursery n(o);

        n.spawn([] { return roost::sleep(10s); });
        CHECK(n.close() == -ETIMEDOUT);
    }) == 0);
}

static void options_make_a_service()
{
    CHECK(virtually([] {
        int served = 0;
        roost_spawn_options o{};
        o.service = true;
        o.name = "server";
        roost::nursery n;

        n.spawn([&] {
            while (roost::sleep(1s) == 0)
                served++;
            return -ECANCELED;
        }, o);
        n.spawn([] { return roost::sleep(3500ms); });
        CHECK(n.close() == 0 && served == 3);
    }) == 0);
}

static void a_spawn_that_fails_keeps_nothing()
{
    counted::alive = 0;
    CHECK(virtually([] {
        counted c;
        roost_nursery_options o{};
        o.children_max = 1;
        roost::nursery n(o);

        CHECK(n.spawn([c] { roost_ignore(roost::sleep(1s)); }) == 0);
        CHECK(counted::alive == 2);
        CHECK(n.spawn([c] { check_failed(ROOST_SITE, "it ran"); }) == -EAGAIN);
        CHECK(counted::alive == 2);
        CHECK(n.close() == -EAGAIN);
        CHECK(counted::alive == 1);
    }) == 0);
    CHECK(counted::alive == 0);
}

#ifndef TSAN
static void a_spawn_without_memory_fails_the_nursery()
{
    CHECK(virtually([] {
        auto mine = std::make_unique<int>(1);
        int cut = 0;
        auto f = [mine = std::move(mine)] { return *mine; };
        roost::nursery n;

        n.spawn([&] { return cut = roost::sleep(9s); });
        memory_is_short = true;
        CHECK(n.spawn(std::move(f)) == -ENOMEM);
        memory_is_short = false;
        CHECK(f() == 1); /* it was not taken */
        CHECK(n.close() == -ENOMEM && cut == -ECANCELED);
    }) == 0);
}

static void what_can_be_copied_is_not_allocated()
{
    CHECK(virtually([] {
        int sum = 0, before = 0;
        roost::nursery n;

        for (int i = 0; i < 3; i++) {
            n.spawn([i, &sum] { sum += i; });
            before = i == 0 ? allocations : before; /* the text of the place */
        }
        CHECK(allocations == before);
        CHECK(n.close() == 0 && sum == 3);
    }) == 0);
}
#endif

static std::string where(roost::place at = roost::place::here())
{
    return at.text;
}

static void places_are_those_of_the_call()
{
    const char *last = nullptr;

    CHECK(where() == ROOST_SITE);
    CHECK(where("by hand") == "by hand");
    for (int i = 0; i < 2; i++) {
        const char *text = roost::place::here().text;

        CHECK(!last || last == text); /* made once */
        last = text;
    }
    CHECK(says(roost::place::here("a.cpp", 64).text, "a.cpp:64"));
    CHECK(says(roost::place::here("a.cpp", 128).text, "a.cpp:128"));
    CHECK(says(roost::place::here("b.cpp", 128).text, "b.cpp:128"));
    CHECK(says(roost::place::here(std::string(200, 'x').c_str(), 7).text, "xx:7"));
}

/* ---- what is spawned ---- */

static void move_only_functions_are_moved()
{
    CHECK(virtually([] {
        auto number = std::make_unique<int>(42);
        int seen = 0;
        roost::nursery n;

        n.spawn([&seen, number = std::move(number)] { seen = *number; });
        CHECK(!number);
        CHECK(n.close() == 0 && seen == 42);
    }) == 0);
}

/* Cancelled before it first ran; its function is destroyed before close. */
static void a_cancelled_child_runs_and_gives_back_what_it_owns()
{
    counted::alive = counted::copies = 0;
    CHECK(virtually([] {
        bool ran = false;
        counted c;
        roost::nursery n;

        n.spawn([&ran, c = std::move(c)] {
            ran = true;
            CHECK(roost_checkpoint() == -ECANCELED);
        });
        n.cancel("at once");
        CHECK(n.close() == 0);
        CHECK(ran && counted::alive == 1 && counted::copies == 0);
    }) == 0);
}

struct throws_at_copy {
    counted c;

    throws_at_copy() = default;
    throws_at_copy(const throws_at_copy &) { throw std::runtime_error("copy"); }
    void operator()() const {}
};

static void a_function_that_throws_at_copy_is_not_spawned()
{
    counted::alive = 0;
    CHECK(virtually([] {
        throws_at_copy f;
        roost::nursery n;

        CHECK(throws<std::runtime_error>([&] { n.spawn(f); }, "copy"));
        CHECK(n.count() == 0);
        CHECK(counted::alive == 1);
        CHECK(n.close() == 0);
    }) == 0);
}

static int plain_function()
{
    return -EDOM;
}

struct big {
    unsigned char bytes[8192];
};

struct alignas(1024) aligned {
    int value;
};

static void any_callable_will_do()
{
    CHECK(virtually([] {
        big b;
        aligned a{ 1 };
        int sum = 0;
        std::memset(&b, 1, sizeof b);
        roost::nursery n;

        n.spawn([a, &sum] {
            volatile std::uintptr_t at = reinterpret_cast<std::uintptr_t>(&a);

            CHECK(at % 1024 == 0); /* volatile: it might be taken for granted */
            sum += a.value;
        });
        n.spawn([b, &sum] {
            for (unsigned char c : b.bytes)
                sum += c;
        });
        n.spawn(plain_function);
        CHECK(n.close() == -EDOM && sum == 8193);
    }) == 0);
}

/* ---- scopes ---- */

static void within_cuts_at_the_deadline()
{
    CHECK(virtually([] {
        CHECK(roost::within(1s, [] { return roost::sleep(2s); }) == -ETIMEDOUT);
        CHECK(roost::within(2s, [] { return roost::sleep(1s); }) == 0);
        CHECK(roost::within(ROOST_SEC(1), [] { return 8; }) == 8);
        CHECK(roost::within(1s, [] { return -EIO; }) == -EIO);
        CHECK(roost::within(-1s, [] { return roost_checkpoint(); }) ==
              -ETIMEDOUT);
        CHECK(roost::within(1s, [] {}) == 0);
    }) == 0);
}

static void until_takes_an_instant()
{
    CHECK(virtually([] {
        roost_time at = roost_after(ROOST_SEC(1));

        CHECK(roost::until(at, [] { return roost::sleep(2s); }) == -ETIMEDOUT);
        CHECK(roost_now() == at);
        CHECK(roost::until(ROOST_NEVER, [] { return roost::sleep(2s); }) == 0);
    }) == 0);
}

static void an_outer_cancellation_passes_through()
{
    CHECK(virtually([] {
        int inner = 0;
        CHECK(roost::within(1s, [&] {
            return inner = roost::within(5s, [] { return roost::sleep(9s); });
        }) == -ETIMEDOUT);
        CHECK(inner == -ECANCELED);
    }) == 0);
}

static void a_shield_holds_for_its_budget()
{
    CHECK(virtually([] {
        int soon = -1, late = 0;

        CHECK(roost::within(1s, [&] {
            soon = roost::shield(5s, [] { return roost::sleep(3s); });
            late = roost::shield(500ms, [] { return roost::sleep(3s); });
            return roost_checkpoint();
        }) == -ETIMEDOUT);
        CHECK(soon == 0 && late == -ECANCELED);
    }) == 0);
}

static void durations_of_chrono_become_nanoseconds()
{
    static_assert(roost::ns(1500us) == ROOST_US(1500), "");
    static_assert(roost::ns(std::chrono::hours::max()) == ROOST_NEVER, "");
    static_assert(roost::ns(std::chrono::hours::min()) < 0, "");
    static_assert(roost::ns(std::chrono::duration<double>(0.5)) == ROOST_MS(500),
                  "");
    static_assert(roost::ns(ROOST_NEVER) == ROOST_NEVER, "");
}

/* ---- files without exceptions ---- */

static void files_without_exceptions_live_beside_these()
{
    CHECK(silent_claims() == 0);
}

int main()
{
    static void (*const cases[])() = {
        run_returns_what_the_main_task_returns,
        close_waits_and_returns_the_verdict,
        a_code_fails_the_nursery,
        cancel_by_hand_makes_close_return_0,
        a_deadline_of_the_nursery_times_out,
        options_make_a_service,
        a_spawn_that_fails_keeps_nothing,
#ifndef TSAN
        a_spawn_without_memory_fails_the_nursery,
        what_can_be_copied_is_not_allocated,
#endif
        places_are_those_of_the_call,
        move_only_functions_are_moved,
        a_cancelled_child_runs_and_gives_back_what_it_owns,
        a_function_that_throws_at_copy_is_not_spawned,
        any_callable_will_do,
        within_cuts_at_the_deadline,
        until_takes_an_instant,
        an_outer_cancellation_passes_through,
        a_shield_holds_for_its_budget,
        durations_of_chrono_become_nanoseconds,
        files_without_exceptions_live_beside_these,
    };

    return run_cases(cases);
}
