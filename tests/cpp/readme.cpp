/* readme.cpp - the program that README's lines in C++ are cut from. */
#include <roost.hpp>

#include <stdexcept>
#include <string>

static int fetch(const std::string &url, std::string &page)
{
    int r = roost_sleep(ROOST_MS(1));

    if (r < 0)
        return r;
    if (url.empty())
        throw std::invalid_argument("no address");
    page = "<" + url + ">";
    return 0;
}

using namespace std::chrono_literals;

static int fetch_both(const std::string &u, const std::string &v,
                      std::string &pages)
{
    std::string first, second;      // what children borrow comes first
    roost::nursery n;

    n.spawn([&] { return fetch(u, first); });
    n.spawn([&] { return fetch(v, second); });
    int r = n.close();              // both are home; throws what a child threw
    pages = first + second;
    return r;
}

static int main_task()
{
    std::string pages;
    int r = roost::within(2s, [&] { return fetch_both("a", "b", pages); });

    return r < 0 ? r : pages == "<a><b>";
}

int main()
{
    std::string pages;
    bool thrown = false;

    if (roost::run(main_task) != 1)
        return 1;
    try {
        roost::run([&] { return fetch_both("", "b", pages); });
    } catch (const std::invalid_argument &) {
        thrown = true;
    }
    return !thrown;
}
