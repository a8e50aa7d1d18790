/* 10_live_tree.c - the tree of tasks while it grows: a bakery.
 *
 * Orders are baked and decorated by two children under a deadline, then packed under
 * a shield; at most four at once. On a terminal the tree is drawn five times a second
 * for half a minute; elsewhere once, of virtual time; with --json for programs.
 */
#include <errno.h>
#include <roost.h>
#include <roost/trace.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static bool on_terminal, as_json;
static int bake_ms = 300, decorate_ms = 200, pack_ms = 100; /* at least */

ROOST_TASK_OF(int, work)(int *least_ms)
{
    int percent = 100 + (int)(roost_random() % 300);

    return roost_sleep(ROOST_MS(*least_ms) * percent / 100);
}

static int bake_and_decorate(void)
{
    ROOST_NURSERY(n);
    roost_go_on(n, work, &bake_ms, .name = "bake");
    roost_go_on(n, work, &decorate_ms, .name = "decorate");
    return roost_nursery_close(n, 0);
}

/* What took too long is thrown away; what is done is packed, come what may. */
static int order(void *nothing)
{
    int r = ROOST_WITHIN(ROOST_MS(900), bake_and_decorate());

    (void)nothing;
    if (r == 0)
        r = ROOST_SHIELDED(ROOST_SEC(1), work(&pack_ms));
    return r == -ETIMEDOUT ? 0 : r;
}

static int take_orders(void *nursery)
{
    const roost_spawn_options o = { .name = "order" };
    int r = 0;

    while (r >= 0 && (r = ROOST_IDLE(roost_nursery_wait_room(nursery))) >= 0)
        if ((r = roost_spawn_with(nursery, order, NULL, &o)) >= 0)
            r = ROOST_IDLE(roost_sleep(ROOST_MS(150)));
    return r;
}

static int wipe_tables(void *nothing)
{
    (void)nothing;
    return ROOST_IDLE(roost_sleep_until(ROOST_NEVER));
}

static int show(void)
{
    int i, r = on_terminal ? 0 : roost_sleep(ROOST_MS(1234));

    for (i = 0; on_terminal && i < 150 && r >= 0; i++) {
        printf("\033[H\033[2J"); /* home, and all away */
        roost_tree_print(stdout);
        r = roost_sleep(ROOST_MS(200));
    }
    if (!on_terminal)
        as_json ? roost_tree_json(stdout) : roost_tree_print(stdout);
    return r;
}

static int bakery(void *nothing)
{
    ROOST_NURSERY_WITH(n, .name = "orders", .children_max = 6);
    roost_spawn_with(n, wipe_tables, nothing, &(roost_spawn_options){
                         .name = "wipe_tables", .service = true });
    roost_spawn(n, take_orders, n);
    roost_nursery_cancel(n, show() < 0 ? "trouble" : "the bakery closes");
    return roost_nursery_close(n, 0);
}

int main(int argc, char **argv)
{
    as_json = argc > 1 && !strcmp(argv[1], "--json");
    on_terminal = !as_json && isatty(STDOUT_FILENO);
    return roost_run_with(&(roost_options){ .seed = 1, .clock = on_terminal ?
        ROOST_CLOCK_REAL : ROOST_CLOCK_VIRTUAL }, bakery, NULL) < 0;
}
