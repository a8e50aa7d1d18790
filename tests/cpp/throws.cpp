/* throws.cpp - claims about exceptions that cross what roost.hpp has opened. */
#include "virtually.hpp"

#include <future>
#include <pthread.h>
#include <stdexcept>

/* ---- through a run or a scope ---- */

static void run_throws_what_left_the_main_task()
{
    CHECK(throws<std::runtime_error>([] {
        virtually([] { throw std::runtime_error("main is over"); });
    }, "main is over"));
    try {
        virtually([]() -> int { throw 1; });
        check_failed(ROOST_SITE, "nothing came");
    } catch (int value) {
        CHECK(value == 1);
    }
}

static void exceptions_leave_the_scope_and_pass_on()
{
    CHECK(virtually([] {
        CHECK(throws<std::runtime_error>([] {
            roost_ignore(roost::within(1s, [] {
                return roost::shield(1s, []() -> int {
                    step();
                    throw std::runtime_error("through both");
                });
            }));
        }, "through both"));
        CHECK(roost::sleep(5s) == 0); /* neither is around us any more */
    }) == 0);
}

/* ---- children that throw ---- */

static void close_throws_what_a_child_threw()
{
    CHECK(virtually([] {
        int sibling = 0;

        CHECK(throws<std::runtime_error>([&] {
            roost::nursery n;

            n.spawn([&] { return sibling = roost::sleep(10s); });
            n.spawn([] {
                step();
                throw std::runtime_error("no such page");
            });
            roost_ignore(n.close());
            check_failed(ROOST_SITE, "close returned");
        }, "no such page"));
        CHECK(sibling == -ECANCELED);
        CHECK(std::uncaught_exceptions() == 0 && !std::current_exception());
    }) == 0);
}

static void the_first_failure_is_thrown()
{
    CHECK(virtually([] {
        CHECK(throws<std::runtime_error>([] {
            roost::nursery n;

            n.spawn([] {
                roost_ignore(roost::sleep(2s));
                throw std::logic_error("later, since it was cancelled");
            });
            n.spawn([] {
                roost_ignore(roost::sleep(1s));
                throw std::runtime_error("first");
            });
            roost_ignore(n.close());
        }, "first"));
    }) == 0);
}

static void a_code_that_came_first_wins_over_an_exception()
{
    CHECK(virtually([] {
        roost::nursery n, body;

        body.spawn([] {
            roost_ignore(roost::sleep(1s));
            throw 1;
        });
        CHECK(body.close(-EPROTO) == -EPROTO);
        n.spawn([] {
            roost_ignore(roost::sleep(1s));
            throw 1;
        });
        n.spawn([] { return -EPROTO; });
        CHECK(n.close() == -EPROTO);
    }) == 0);
}

/* Also one with the same code: it came from a child that was being cancelled. */
static void a_spawn_that_was_refused_first_wins_over_an_exception()
{
    auto try_again = [] {
        roost_ignore(roost::sleep(1s));
        throw std::system_error(EAGAIN, std::generic_category(), "a child");
    };

    CHECK(virtually([&] {
        roost_nursery_options o{};
        o.children_max = 1;
        roost::nursery n(o);

        n.spawn(try_again);
        CHECK(n.spawn([] {}) == -EAGAIN);
        CHECK(n.close() == -EAGAIN);
        CHECK(throws<std::system_error>([&] {
            o.shed = true;
            roost::nursery sheds(o);

            sheds.spawn(try_again);
            CHECK(sheds.spawn([] {}) == -EAGAIN);
            roost_ignore(sheds.close());
        }, "a child"));
    }) == 0);
}

/* The code of a child that throws, and the words on record: as C sees it. */
template <class F> static int seen_from_c(F f, const char *words)
{
    return virtually([&] {
        char *text = nullptr;
        std::size_t bytes;
        roost::nursery n;

        n.spawn(f);
        int r = (roost_nursery_close)(n.get(), 0);
        FILE *out = open_memstream(&text, &bytes);
        roost_error_print(out, roost_error_of(r));
        std::fclose(out);
        CHECK(says(text, words) && says(text, "throws.cpp:"));
        std::free(text);
        return r;
    });
}

static void exceptions_have_codes_and_words()
{
    CHECK(seen_from_c([] {
        throw std::system_error(ENOSPC, std::generic_category(), "disk");
    }, "threw disk: No space left on device") == -ENOSPC);
    CHECK(seen_from_c([] {
        throw std::system_error(ECANCELED, std::system_category());
    }, "threw ") == -EPROTO);
    CHECK(seen_from_c([] {
        throw std::system_error(std::make_error_code(std::future_errc::no_state));
    }, "threw ") == -EPROTO);
    CHECK(seen_from_c([] { throw std::bad_alloc(); }, "threw ") == -ENOMEM);
    CHECK(seen_from_c([] { throw std::logic_error("why"); }, "threw why") ==
          -EPROTO);
    CHECK(seen_from_c([] { throw 1; }, "threw something") == -EPROTO);
}

static void a_cut_task_may_throw_what_cut_it()
{
    CHECK(virtually([] {
        roost::nursery n;

        n.spawn([] {
            int r = roost::sleep(9s);

            throw std::system_error(-r, std::generic_category());
        });
        step();
        n.cancel("enough");
        CHECK(n.close() == 0);
    }) == 0);
}

static void an_isolated_exception_goes_to_on_error()
{
    CHECK(virtually([] {
        int code = 0;
        roost_nursery_options o{};
        o.policy = ROOST_ISOLATE;
        o.on_error = [](int c, const roost_error *, void *arg) {
            *static_cast<int *>(arg) = c;
        };
        o.on_error_arg = &code;
        roost::nursery n(o);

        n.spawn([] { throw 1; });
        CHECK(roost::sleep(1s) == 0 && code == -EPROTO);
        CHECK(n.close(-EPROTO) == -EPROTO); /* the body's own */
    }) == 0);
}

/* TSan does not know it on other stacks; with libc++ no catch (...) survives it. */
#if defined(__GLIBCXX__) && !defined(TSAN)
#define FORCED_UNWIND 1
static void pthread_exit_is_no_exception()
{
    CHECK(says(death([] {
        virtually([] {
            roost::nursery n;

            n.spawn([] { pthread_exit(nullptr); });
            roost_ignore(n.close());
        });
    }), "roost: the thread is being ended by pthread_exit"));
}
#endif

/* ---- a block left without close ---- */

/* Its children are joined, quietly, while an exception passes; in two tasks at
 * the same time. */
static void an_exception_leaves_a_nursery_after_the_join()
{
    std::string said = death([] {
        CHECK(virtually([] {
            roost::nursery tasks;

            for (int i = 0; i < 3; i++)
                tasks.spawn([i] {
                    int ended = 0;

                    try {
                        roost::nursery n;

                        n.spawn([&] {
                            roost_ignore(roost::sleep(10s));
                            step(1 + i);
                            ended++;
                        });
                        n.spawn([&] {
                            step(1);
                            ended++;
                            throw std::logic_error("nobody hears this");
                        });
                        roost_ignore(roost::shield(1s, [] { step(2); }));
                        throw i;
                    } catch (int value) {
                        CHECK(value == i && ended == 2);
                        CHECK(std::uncaught_exceptions() == 0);
                    }
                });
            CHECK(tasks.close() == 0);
        }) == 0);
        std::fprintf(stderr, "failed: %d\n", checks_failed);
        std::abort();
    });

    CHECK(says(said, "failed: 0\n") && said.find("roost:") == std::string::npos);
}

/* Opened in a destructor, while an exception passes that is none of its own. */
static void only_its_own_exception_excuses_a_nursery()
{
    std::string said = death([] {
        CHECK(virtually([] {
            struct careless {
                ~careless()
                {
                    roost::nursery n;

                    n.spawn([] { roost_ignore(roost::sleep(1s)); });
                }
            };

            try {
                careless c;
                throw 1;
            } catch (int) {
                std::abort();
            }
        }) == 0);
    });

    CHECK(says(said, "was left without close"));
}

static void left_without_close_it_says_so()
{
    std::string said = death([] {
        int ended = 0;

        CHECK(virtually([&] {
            roost::nursery n;

            n.spawn([&] {
                roost_ignore(roost::sleep(10s));
                ended++;
            });
        }) == 0);
        CHECK(ended == 1);
        std::fprintf(stderr, "failed: %d\n", checks_failed);
        std::abort();
    });

    CHECK(says(said, "roost: the nursery opened at tests/cpp/throws.cpp:"));
    CHECK(says(said, "was left without close: children cancelled"));
    CHECK(says(said, "failed: 0\n"));
}

int main()
{
    static void (*const cases[])() = {
        run_throws_what_left_the_main_task,
        exceptions_leave_the_scope_and_pass_on,
        close_throws_what_a_child_threw,
        the_first_failure_is_thrown,
        a_code_that_came_first_wins_over_an_exception,
        a_spawn_that_was_refused_first_wins_over_an_exception,
        exceptions_have_codes_and_words,
        a_cut_task_may_throw_what_cut_it,
        an_isolated_exception_goes_to_on_error,
#ifdef FORCED_UNWIND
        pthread_exit_is_no_exception,
#endif
        an_exception_leaves_a_nursery_after_the_join,
        only_its_own_exception_excuses_a_nursery,
        left_without_close_it_says_so,
    };

    return run_cases(cases);
}
