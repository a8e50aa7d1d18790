/* list.h - an intrusive circular doubly linked list.
 *
 * A list is a node that belongs to nobody, the head. An empty list, and a node
 * on no list, point at themselves: nothing here tests for NULL, and removing a
 * node twice does no harm. Every operation is O(1) and cannot fail.
 *
 *     head <-> first <-> ... <-> last <-> head
 */
#ifndef ROOST_BASE_LIST_H
#define ROOST_BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct roost__list {
    struct roost__list *next, *prev;
};

/* The thing of `type` whose `member` is at `ptr`; `ptr` must not be NULL. */
#define ROOST__CONTAINER(ptr, type, member) \
    ((type *)(void *)((char *)(ptr) - offsetof(type, member)))

static inline void roost__list_init(struct roost__list *list)
{
    list->next = list->prev = list;
}

/* Of a head: it has no nodes. Of a node: it is on no list. */
static inline bool roost__list_empty(const struct roost__list *list)
{
    return list->next == list;
}

/* `node` must be on no list; it need not have been initialised. */
static inline void roost__list_insert_before(struct roost__list *position,
                                             struct roost__list *node)
{
    node->next = position;
    node->prev = position->prev;
    position->prev->next = node;
    position->prev = node;
}

static inline void roost__list_append(struct roost__list *list,
                                      struct roost__list *node)
{
    roost__list_insert_before(list, node);
}

static inline void roost__list_prepend(struct roost__list *list,
                                       struct roost__list *node)
{
    roost__list_insert_before(list->next, node);
}

/* Leaves the node linked to itself. */
static inline void roost__list_remove(struct roost__list *node)
{
    node->prev->next = node->next;
    node->next->prev = node->prev;
    roost__list_init(node);
}

/* The first node, which stays on the list; NULL when there is none. */
static inline struct roost__list *roost__list_first(struct roost__list *list)
{
    return list->next == list ? NULL : list->next;
}

#endif
