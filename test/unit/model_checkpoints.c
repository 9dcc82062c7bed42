/* The set of checkpoints: what is taken in, and in which order it comes out. */
#include "model/checkpoints.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static enum bf_code add(struct bf_checkpoints *checkpoints, const char *name, const char *parent,
                        int64_t time_unix_s)
{
    struct bf_error err = BF_ERROR_INIT;
    size_t nr_items = checkpoints->nr_items;
    int r = bf_checkpoints_add(checkpoints, name, parent, time_unix_s, NULL, &err);

    assert_int_equal(r, -bf_code_errno(err.code));
    assert_int_equal(checkpoints->nr_items, nr_items + (r == 0));
    return err.code;
}

static void assert_order(struct bf_checkpoints *checkpoints, const char *expected)
{
    char order[128] = "";

    assert_int_equal(bf_checkpoints_settle(checkpoints, NULL), 0);
    for (size_t i = 0; i < checkpoints->nr_items; i++) {
        size_t parent = checkpoints->items[i].parent_index;

        (void)snprintf(order + strlen(order), sizeof order - strlen(order), "%s%s", i ? " " : "",
                       checkpoints->items[i].name);
        if (parent != BF_NO_CHECKPOINT)
            assert_true(parent < i);
    }
    assert_string_equal(order, expected);
}

static void names_out_of_shape_are_refused(void **state)
{
    struct bf_checkpoints checkpoints = {.nr_items = 0};
    char name[BF_CHECKPOINT_NAME_MAX + 2];

    (void)state;
    memset(name, 'n', sizeof name);
    name[sizeof name - 1] = '\0';
    assert_int_equal(add(&checkpoints, "", NULL, 0), BF_E_INVALID);
    assert_int_equal(add(&checkpoints, name, NULL, 0), BF_E_INVALID);
    assert_int_equal(add(&checkpoints, "a", name, 0), BF_E_INVALID);
    assert_int_equal(add(&checkpoints, "a", "", 0), BF_E_INVALID);
    assert_int_equal(add(&checkpoints, name + 1, NULL, 0), BF_E_NONE);
    assert_int_equal(add(&checkpoints, name + 1, NULL, 0), BF_E_EXISTS);
    bf_checkpoints_release(&checkpoints);
}

static void a_checkpoint_has_a_disk_once(void **state)
{
    struct bf_checkpoints checkpoints = {.nr_items = 0};
    struct bf_checkpoint *checkpoint;
    struct bf_error err = BF_ERROR_INIT;

    (void)state;
    assert_int_equal(bf_checkpoints_add(&checkpoints, "c", NULL, BF_NO_TIME, &checkpoint, NULL), 0);
    assert_int_equal(bf_checkpoint_add_disk(checkpoint, "vda", "b1", NULL), 0);
    assert_true(bf_checkpoint_add_disk(checkpoint, "vda", "b2", &err) < 0);
    assert_int_equal(err.code, BF_E_EXISTS);
    assert_true(bf_checkpoint_add_disk(checkpoint, "vdb", "", NULL) < 0);
    assert_string_equal(bf_checkpoint_bitmap(checkpoint, "vda"), "b1");
    assert_null(bf_checkpoint_bitmap(checkpoint, "vdb"));
    bf_checkpoints_release(&checkpoints);
}

static void there_is_a_limit(void **state)
{
    struct bf_checkpoints checkpoints = {.nr_items = 0};
    struct bf_checkpoint *checkpoint;
    char name[16];

    (void)state;
    for (int i = 0; i < BF_CHECKPOINTS_MAX; i++) {
        (void)snprintf(name, sizeof name, "c%d", i);
        assert_int_equal(add(&checkpoints, name, NULL, i), BF_E_NONE);
    }
    assert_int_equal(add(&checkpoints, "one more", NULL, 0), BF_E_LIMIT);
    checkpoint = &checkpoints.items[0];
    for (int i = 0; i < BF_CHECKPOINT_DISKS_MAX; i++) {
        (void)snprintf(name, sizeof name, "vd%d", i);
        assert_int_equal(bf_checkpoint_add_disk(checkpoint, name, "b", NULL), 0);
    }
    assert_true(bf_checkpoint_add_disk(checkpoint, "one more", "b", NULL) < 0);
    bf_checkpoints_release(&checkpoints);
}

static void parents_come_first_even_if_the_clock_went_back(void **state)
{
    struct bf_checkpoints checkpoints = {.nr_items = 0};

    (void)state;
    assert_int_equal(add(&checkpoints, "c3", "c2", 100), BF_E_NONE);
    assert_int_equal(add(&checkpoints, "c2", "c1", 300), BF_E_NONE);
    assert_int_equal(add(&checkpoints, "c1", NULL, 200), BF_E_NONE);
    assert_int_equal(add(&checkpoints, "other", NULL, 50), BF_E_NONE);
    assert_order(&checkpoints, "other c1 c2 c3");
    assert_int_equal(checkpoints.items[2].parent_index, 1);
    assert_int_equal(checkpoints.items[1].next_index, 2);
    assert_int_equal(checkpoints.items[3].next_index, BF_NO_CHECKPOINT);
    bf_checkpoints_release(&checkpoints);
}

static void without_times_the_order_is_that_of_the_list(void **state)
{
    struct bf_checkpoints checkpoints = {.nr_items = 0};

    (void)state;
    assert_int_equal(add(&checkpoints, "z", NULL, BF_NO_TIME), BF_E_NONE);
    assert_int_equal(add(&checkpoints, "y", "z", BF_NO_TIME), BF_E_NONE);
    assert_int_equal(add(&checkpoints, "b", "gone", BF_NO_TIME), BF_E_NONE);
    assert_int_equal(add(&checkpoints, "a", "b", BF_NO_TIME), BF_E_NONE);
    assert_order(&checkpoints, "z y b a");
    assert_int_equal(checkpoints.items[2].parent_index, BF_NO_CHECKPOINT);
    assert_string_equal(checkpoints.items[2].parent, "gone");
    bf_checkpoints_release(&checkpoints);
}

static void its_own_ancestor_is_refused(void **state)
{
    struct bf_checkpoints checkpoints = {.nr_items = 0};
    struct bf_error err = BF_ERROR_INIT;

    (void)state;
    assert_int_equal(add(&checkpoints, "a", "c", 1), BF_E_NONE);
    assert_int_equal(add(&checkpoints, "b", "a", 2), BF_E_NONE);
    assert_int_equal(add(&checkpoints, "c", "b", 3), BF_E_NONE);
    assert_true(bf_checkpoints_settle(&checkpoints, &err) < 0);
    assert_int_equal(err.code, BF_E_INVALID);
    bf_checkpoints_release(&checkpoints);
}

static void links_do_not_branch(void **state)
{
    struct bf_checkpoints checkpoints = {.style = BF_CHAIN_NESTED};
    struct bf_error err = BF_ERROR_INIT;

    (void)state;
    assert_int_equal(add(&checkpoints, "a", NULL, 1), BF_E_NONE);
    assert_int_equal(add(&checkpoints, "b", "a", 2), BF_E_NONE);
    assert_int_equal(add(&checkpoints, "c", "a", 3), BF_E_NONE);
    assert_int_equal(bf_checkpoints_settle(&checkpoints, NULL), 0);
    checkpoints.style = BF_CHAIN_LINKS;
    assert_true(bf_checkpoints_settle(&checkpoints, &err) < 0);
    assert_int_equal(err.code, BF_E_INVALID);
    assert_non_null(strstr(err.text, "branch"));
    bf_checkpoints_release(&checkpoints);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_out_of_shape_are_refused),
        cmocka_unit_test(a_checkpoint_has_a_disk_once),
        cmocka_unit_test(there_is_a_limit),
        cmocka_unit_test(parents_come_first_even_if_the_clock_went_back),
        cmocka_unit_test(without_times_the_order_is_that_of_the_list),
        cmocka_unit_test(its_own_ancestor_is_refused),
        cmocka_unit_test(links_do_not_branch),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
