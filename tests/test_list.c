/* test_list.c - the list keeps its order and forgets what is removed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/list.h"

struct item {
    int number;
    struct roost__list node;
};

/* Walks both ways and compares with `count` numbers. */
static void check_list(struct roost__list *list, const int *numbers,
                       size_t count)
{
    struct roost__list *node = list;

    for (size_t i = 0; i < count; i++) {
        assert_ptr_equal(node->next->prev, node);
        node = node->next;
        assert_int_equal(ROOST__CONTAINER(node, struct item, node)->number,
                         numbers[i]);
    }
    assert_ptr_equal(node->next, list);
    assert_ptr_equal(list->prev, node);
    assert_int_equal(roost__list_empty(list), count == 0);
    assert_ptr_equal(roost__list_first(list), count > 0 ? list->next : NULL);
}

static void nodes_stand_where_they_were_put(void **state)
{
    struct item a = { .number = 1 }, b = { .number = 2 }, c = { .number = 3 },
                d = { .number = 4 };
    struct roost__list list;

    (void)state;
    roost__list_init(&list);
    check_list(&list, NULL, 0);
    roost__list_append(&list, &b.node);
    roost__list_append(&list, &d.node);
    roost__list_prepend(&list, &a.node);
    roost__list_insert_before(&d.node, &c.node);
    check_list(&list, (const int[]){ 1, 2, 3, 4 }, 4);
}

static void a_removed_node_is_linked_to_itself(void **state)
{
    struct item a = { .number = 1 }, b = { .number = 2 }, c = { .number = 3 };
    struct roost__list list;

    (void)state;
    roost__list_init(&list);
    roost__list_append(&list, &a.node);
    roost__list_append(&list, &b.node);
    roost__list_append(&list, &c.node);
    for (int twice = 0; twice < 2; twice++) {
        roost__list_remove(&b.node);
        assert_true(roost__list_empty(&b.node));
        check_list(&list, (const int[]){ 1, 3 }, 2);
    }
    roost__list_remove(&a.node);
    roost__list_remove(&c.node);
    check_list(&list, NULL, 0);
    roost__list_prepend(&list, &b.node);
    check_list(&list, (const int[]){ 2 }, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nodes_stand_where_they_were_put),
        cmocka_unit_test(a_removed_node_is_linked_to_itself),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
