/* silent.cpp - claims about roost.hpp without exceptions: codes all the way. */
#include <roost.hpp>

#include "check.hpp"
#include "silent.hpp"

#include <memory>

#ifdef __cpp_exceptions
#error "this file is to be built with -fno-exceptions"
#endif

/* Not the class that files with exceptions have under the same short name. */
static_assert(std::is_same_v<roost::nursery, roost::silent::nursery>);

using namespace std::chrono_literals;

static int verdicts()
{
    auto number = std::make_unique<int>(4);
    int seen = 0, cut = 0;

    roost::nursery good;
    good.spawn([&seen, number = std::move(number)] { seen = *number; });
    good.spawn([] { return 2; });
    CHECK(good.close(1) == 1 && seen == 4);

    roost::nursery bad;
    bad.spawn([&] { return cut = roost::sleep(9s); });
    bad.spawn([] { return -EIO; });
    CHECK(bad.close() == -EIO && cut == -ECANCELED);

    CHECK(roost::within(1s, [] { return roost::sleep(2s); }) == -ETIMEDOUT);
    CHECK(roost::shield(1s, [] { return 3; }) == 3);
    return 5;
}

int silent_claims()
{
    roost_options o{};
    int before = checks_failed;

    o.clock = ROOST_CLOCK_VIRTUAL;
    CHECK(roost::run(o, verdicts) == 5);
    return checks_failed - before;
}
