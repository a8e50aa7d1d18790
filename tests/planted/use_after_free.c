/* use_after_free.c - an early return frees the image that a child draws into.
 *
 * It frees first and closes the nursery then, as one who is used to threads that
 * "will be gone soon" does; but the child comes home by way of the image. A canary
 * tells; with AddressSanitizer that.
 *
 * Plain:  well
 * Found:  cancel@*
 * Words:  the image was freed|heap-use-after-free
 * Line:   r = roost_sleep(ROOST_MS(5));
 */
#include <errno.h>
#include <stdlib.h>

#include "planted.h"

enum { LINES = 4, ALIVE = 0x1d0c0de };

struct image {
    void *list[2]; /* what free() writes over */
    int canary;
    int lines[LINES], done;
};

static void image_free(struct image *im)
{
    *(volatile int *)&im->canary = 0;
    free(im);
}

struct draw { struct image *into; };

/* What was done is worth keeping, also when it is cancelled. */
ROOST_TASK(draw)(struct draw *d)
{
    int i, r = 0;

    for (i = 0; r >= 0 && i < LINES; i++)
        r = roost_sleep(ROOST_MS(2));
    roost_check(d->into->canary == ALIVE, "the image was freed");
    d->into->done = i;
    return r;
}

static int make(struct image *im)
{
    int r;

    ROOST_NURSERY(n);
    roost_go(n, draw, .into = im);
    r = roost_sleep(ROOST_MS(5)); /* meanwhile the header goes out */
    if (r < 0) {
#ifndef FIXED
        image_free(im);
        return roost_nursery_close(n, r);
#endif
    }
    r = roost_nursery_close(n, r);
    image_free(im);
    return r;
}

static int body(void *arg)
{
    struct image *im = calloc(1, sizeof *im);

    (void)arg;
    if (!im)
        return -ENOMEM;
    im->canary = ALIVE;
    return make(im);
}

int main(int argc, char **argv)
{
    return planted(argc, argv, "use_after_free", body);
}
