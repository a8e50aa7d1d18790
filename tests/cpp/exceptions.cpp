/* exceptions.cpp - claims about C++ exceptions in tasks, below roost.hpp.
 *
 * What the C++ runtime keeps per thread, we keep per task: which exceptions are
 * being handled, how many are in flight. And none leaves a task.
 */
#include "check.hpp"

#include <ev.h>
#include <exception>
#include <pthread.h>
#include <stdexcept>
#include <thread>

/* Runs fn in `count` children; `arg` points at 0, 1, 2... */
static int in_children(roost_task_fn *fn, int count)
{
    int i, numbers[16];

    ROOST_NURSERY(n);
    for (i = 0; i < count; i++) {
        numbers[i] = i;
        roost_spawn(n, fn, &numbers[i]);
    }
    return roost_nursery_close(n, 0);
}

static int number(void *arg)
{
    return *static_cast<int *>(arg);
}

static int value_of(const std::exception_ptr &e)
{
    try {
        if (e)
            std::rethrow_exception(e);
    } catch (int value) {
        return value;
    }
    return -1;
}

static int three(roost_task_fn *fn)
{
    return in_children(fn, 3);
}

static void in_three_tasks(roost_task_fn *fn)
{
    std::uint64_t seed;

    for (seed = 0; seed < 4; seed++)
        CHECK(run_virtual([](void *arg) {
            return three(reinterpret_cast<roost_task_fn *>(arg));
        }, reinterpret_cast<void *>(fn), seed) == 0);
}

/* ---- handled ---- */

static int rethrows_its_own(void *arg)
{
    int mine = number(arg);

    try {
        throw mine;
    } catch (int) {
        step(3 - mine);
        CHECK(value_of(std::current_exception()) == mine);
        try {
            step(mine);
            throw;
        } catch (int value) {
            CHECK(value == mine);
            step();
        }
        step(mine);
        CHECK(value_of(std::current_exception()) == mine);
    }
    CHECK(!std::current_exception());
    return 0;
}

static void tasks_suspended_in_catch_rethrow_their_own()
{
    in_three_tasks(rethrows_its_own);
}

static int nests(void *arg)
{
    int mine = number(arg);

    try {
        throw mine;
    } catch (int) {
        step();
        try {
            throw mine + 10;
        } catch (int) {
            step(2);
            try {
                throw;
            } catch (int inner) {
                CHECK(inner == mine + 10);
            }
        }
        step();
        try {
            throw;
        } catch (int outer) {
            CHECK(outer == mine);
        }
    }
    return 0;
}

static void nested_handlers_stay_in_order()
{
    in_three_tasks(nests);
}

static void a_fresh_task_handles_nothing()
{
    CHECK(run_virtual([](void *) {
        try {
            throw 7;
        } catch (int) {
            int r = three([](void *) {
                CHECK(!std::current_exception());
                CHECK(std::uncaught_exceptions() == 0);
                return 0;
            });
            CHECK(value_of(std::current_exception()) == 7);
            return r;
        }
    }) == 0);
}

/* Also a run has the caller's exceptions about it, and its tasks none of them. */
static void a_run_inside_catch_comes_back_to_it()
{
    try {
        throw 8;
    } catch (int) {
        CHECK(run_virtual([](void *) {
            CHECK(!std::current_exception());
            return in_children(rethrows_its_own, 2);
        }) == 0);
        CHECK(value_of(std::current_exception()) == 8);
    }
    CHECK(!std::current_exception());
}

/* A guest's tasks run inside the host's ev_run. */
static void a_host_keeps_what_it_handles()
{
    struct ev_loop *loop = ev_loop_new(0);

    try {
        throw 6;
    } catch (int) {
        CHECK(roost_attach(loop, [](void *) {
            CHECK(!std::current_exception());
            return in_children(rethrows_its_own, 3);
        }, nullptr, [](int r, void *) { CHECK(r == 0); }, nullptr) != nullptr);
        ev_run(loop, 0);
        CHECK(value_of(std::current_exception()) == 6);
    }
    ev_loop_destroy(loop);
}

static std::exception_ptr shared;

static void one_exception_is_thrown_in_many_tasks()
{
    in_three_tasks([](void *arg) {
        if (number(arg) == 0)
            shared = std::make_exception_ptr(99);
        else if (!shared)
            return 0;
        try {
            std::rethrow_exception(shared);
        } catch (int value) {
            step(number(arg));
            CHECK(value == 99);
            try {
                throw;
            } catch (int again) {
                step();
                CHECK(again == 99);
            }
        }
        shared = nullptr;
        return 0;
    });
}

/* ---- in flight ---- */

/* Waits while an exception passes. */
struct waits_at_end {
    int mine;

    ~waits_at_end()
    {
        int i;

        for (i = 0; i < 3; i++) {
            CHECK(std::uncaught_exceptions() == 1);
            step(mine);
        }
    }
};

static int unwinds_slowly(void *arg)
{
    int mine = number(arg);

    CHECK(std::uncaught_exceptions() == 0);
    try {
        waits_at_end w{ mine };
        throw mine;
    } catch (int value) {
        CHECK(value == mine);
        CHECK(std::uncaught_exceptions() == 0);
        step();
    }
    CHECK(std::uncaught_exceptions() == 0);
    return 0;
}

static void exceptions_in_flight_are_counted_per_task()
{
    in_three_tasks(unwinds_slowly);
}

/* Joins children, which throw among themselves, while an exception passes. */
struct joins_at_end {
    ~joins_at_end()
    {
        CHECK(in_children(rethrows_its_own, 2) == 0);
        CHECK(in_children(unwinds_slowly, 2) == 0);
        CHECK(std::uncaught_exceptions() == 1);
    }
};

static void destructors_may_join_while_unwinding()
{
    in_three_tasks([](void *arg) {
        try {
            joins_at_end j;
            step();
            throw number(arg);
        } catch (int value) {
            CHECK(value == number(arg));
        }
        return 0;
    });
}

static void the_guard_of_c_joins_while_unwinding()
{
    static int ended;

    ended = 0;
    CHECK(run_virtual([](void *) {
        try {
            ROOST_NURSERY(n);
            roost_spawn(n, [](void *) {
                roost_ignore(roost_sleep(ROOST_SEC(1)));
                return ended++, 0;
            }, nullptr);
            throw 5;
        } catch (int value) {
            CHECK(value == 5 && ended == 1);
        }
        return 0;
    }) == 0);
}

static void two_threads_do_not_share_it()
{
    std::thread other([] { in_three_tasks(rethrows_its_own); });

    in_three_tasks(unwinds_slowly);
    other.join();
}

/* ---- out of a task ---- */

/* Catches whatever comes: nothing may, from a child. */
static int catches_all(void *fn)
{
    try {
        ROOST_NURSERY(n);
        roost_spawn(n, reinterpret_cast<roost_task_fn *>(fn), nullptr);
        return roost_nursery_close(n, 0);
    } catch (...) {
        std::puts("caught on the stack of the parent");
    }
    return 0;
}

static std::string death_in_child(roost_task_fn *fn)
{
    return death([fn] {
        try {
            run_virtual(catches_all, reinterpret_cast<void *>(fn));
        } catch (...) {
            std::puts("caught on the stack of the run");
        }
    });
}

static void an_exception_that_leaves_a_task_ends_the_program()
{
    std::string said = death_in_child([](void *) -> int {
        step();
        throw std::runtime_error("too much");
    });

    CHECK(says(said, "roost: an exception left the function of task main/task#2,"
                     " spawned at tests/cpp/exceptions.cpp:"));
    CHECK(says(said, "catch it there, or use roost.hpp, which carries it to "
                     "close()"));
    CHECK(says(said, "terminat"));
    CHECK(says(said, "too much"));
}

static void std_terminate_runs_with_the_exception()
{
    std::string said = death_in_child([](void *) -> int {
        std::set_terminate([] {
            if (value_of(std::current_exception()) == 17)
                std::fprintf(stderr, "the handler sees it\n");
            std::abort();
        });
        throw 17;
    });

    CHECK(says(said, "the handler sees it"));
}

static void the_main_task_is_no_exception()
{
    std::string said = death([] {
        try {
            run_virtual([](void *) -> int { throw 1; });
        } catch (...) {
            std::puts("caught on the stack of the run");
        }
    });

    CHECK(says(said, "left the function of task main, spawned at"));
}

static void a_callback_must_not_throw_through_the_run()
{
    CHECK(says(death([] {
        try {
            roost_options o{};

            o.loop = ev_loop_new(0);
            ev_once(o.loop, -1, 0, 0.001, [](int, void *) { throw 1; }, nullptr);
            roost_ignore(roost_run_with(&o, [](void *) {
                return roost_sleep(ROOST_SEC(5));
            }, nullptr));
        } catch (...) {
            std::puts("caught around the run");
        }
    }), "roost: an exception left a callback of the run begun at tests/cpp/"));
}

static void the_body_of_nursery_run_must_not_throw()
{
    CHECK(says(death_in_child([](void *) {
        try {
            return roost_nursery_run(
                [](roost_nursery *, void *) -> int { throw 1; }, nullptr);
        } catch (...) {
            return std::puts("caught around the nursery"), 0;
        }
    }), "roost: an exception left"));
}

#ifndef TSAN /* it does not know pthread_exit on other stacks */
static void pthread_exit_in_a_task_ends_the_program()
{
    CHECK(says(death_in_child([](void *) -> int { pthread_exit(nullptr); }),
               "roost: the thread is being ended by pthread_exit or "
               "pthread_cancel inside task main/task#2"));
}
#endif

int main()
{
    static void (*const cases[])() = {
        tasks_suspended_in_catch_rethrow_their_own,
        nested_handlers_stay_in_order,
        a_fresh_task_handles_nothing,
        a_run_inside_catch_comes_back_to_it,
        a_host_keeps_what_it_handles,
        one_exception_is_thrown_in_many_tasks,
        exceptions_in_flight_are_counted_per_task,
        destructors_may_join_while_unwinding,
        the_guard_of_c_joins_while_unwinding,
        two_threads_do_not_share_it,
        an_exception_that_leaves_a_task_ends_the_program,
        std_terminate_runs_with_the_exception,
        the_main_task_is_no_exception,
        a_callback_must_not_throw_through_the_run,
        the_body_of_nursery_run_must_not_throw,
#ifndef TSAN
        pthread_exit_in_a_task_ends_the_program,
#endif
    };

    return run_cases(cases);
}
