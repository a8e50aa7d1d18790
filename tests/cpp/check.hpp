/* check.hpp - checks that a task may make, deaths, and a list of claims.
 *
 * Cases are functions whose names are claims; CASES runs those in its list and
 * main returns how many checks failed.
 */
#ifndef ROOST_TESTS_CPP_CHECK_HPP
#define ROOST_TESTS_CPP_CHECK_HPP

#include <roost.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <sys/wait.h>
#include <unistd.h>

inline int checks_failed;

inline void check_failed(const char *site, const char *what)
{
    std::printf("%s: not so: %s\n", site, what);
    checks_failed++;
}

#define CHECK(...) \
    ((__VA_ARGS__) ? void() : check_failed(ROOST_SITE, #__VA_ARGS__))

/* Runs it in virtual time, in spawn order or in one drawn from the seed. */
inline int run_virtual(roost_task_fn *fn, void *arg = nullptr,
                       std::uint64_t seed = 0)
{
    roost_options o{};

    o.clock = ROOST_CLOCK_VIRTUAL;
    o.seed = seed;
    return roost_run_with(&o, fn, arg);
}

/* What the process said that ran fn() and died by abort(); "" if it did not. */
template <class F> std::string death(F fn)
{
    std::string said;
    char buf[512];
    int ends[2], status = 0;
    ssize_t got;
    pid_t pid;

    if (pipe(ends) < 0 || (pid = fork()) < 0)
        return said;
    if (pid == 0) {
        dup2(ends[1], 1);
        dup2(ends[1], 2);
        alarm(10);
        fn();
        _exit(0);
    }
    close(ends[1]);
    while ((got = read(ends[0], buf, sizeof buf)) > 0)
        said.append(buf, static_cast<std::size_t>(got));
    close(ends[0]);
    waitpid(pid, &status, 0);
    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT)
        return said;
    std::printf("did not abort (status %#x) but said: %s\n",
                static_cast<unsigned>(status), said.c_str());
    return std::string();
}

inline bool says(const std::string &text, const char *words)
{
    if (text.find(words) != std::string::npos)
        return true;
    std::printf("\"%s\" is not in: %s\n", words, text.c_str());
    return false;
}

/* A place where a task steps aside; the results of checkpoints do not matter. */
inline void step(int times = 1)
{
    while (times-- > 0)
        roost_ignore(roost_checkpoint());
}

template <std::size_t count> int run_cases(void (*const (&cases)[count])())
{
    for (void (*one)() : cases)
        one();
    if (checks_failed)
        std::printf("%d checks failed\n", checks_failed);
    return checks_failed != 0;
}

#endif
