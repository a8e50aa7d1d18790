/* virtually.hpp - a lambda as the main task, in virtual time; what it throws. */
#ifndef ROOST_TESTS_CPP_VIRTUALLY_HPP
#define ROOST_TESTS_CPP_VIRTUALLY_HPP

#include <roost.hpp>

#include "check.hpp"

using namespace std::chrono_literals;

template <class F> inline int virtually(F f)
{
    roost_options o{};

    o.clock = ROOST_CLOCK_VIRTUAL;
    return roost::run(o, f);
}

/* f() throws an E that says `what`. */
template <class E, class F> inline bool throws(F f, const char *what)
{
    try {
        f();
    } catch (const E &e) {
        return says(e.what(), what);
    }
    return false;
}

#endif
