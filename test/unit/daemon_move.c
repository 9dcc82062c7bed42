/* The list of moves, and what the end of one means. */
#include "daemon/driver.h"
#include "daemon/move.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

struct seen {
    unsigned nr_changes;
    unsigned nr_ends;
};

static void on_changed(void *ctx, struct bf_move *move)
{
    (void)move;
    ((struct seen *)ctx)->nr_changes++;
}

static void on_ended(void *ctx, struct bf_move *move)
{
    (void)move;
    ((struct seen *)ctx)->nr_ends++;
}

static struct bf_move *add(struct bf_moves *moves)
{
    struct bf_move *move = NULL;

    assert_int_equal(bf_moves_add(moves, BF_ROLE_SOURCE, NULL, &move, NULL), 0);
    return move;
}

static void ids_are_valid_and_differ(void **state)
{
    struct bf_moves moves = {.items = NULL};
    struct bf_move *one = add(&moves);
    struct bf_move *other = add(&moves);

    (void)state;
    assert_true(bf_move_id_valid(one->id));
    assert_string_not_equal(one->id, other->id);
    assert_ptr_equal(bf_moves_find(&moves, other->id), other);
    bf_moves_remove(&moves, one);
    assert_null(bf_moves_find(&moves, "0123456789abcdef0123456789abcdef"));
    assert_false(bf_move_id_valid("0123456789abcdef0123456789abcde/"));
    assert_false(bf_move_id_valid("0123456789abcdef0123456789abcdef0"));
    bf_moves_release(&moves);
}

static void only_changes_are_told_and_the_end_once(void **state)
{
    struct seen seen = {0};
    struct bf_moves moves = {.changed = on_changed, .ended = on_ended, .ctx = &seen};
    struct bf_move *move = add(&moves);

    (void)state;
    bf_move_set_phase(move, "pulling");
    bf_move_set_phase(move, "pulling");
    assert_int_equal(seen.nr_changes, 1);
    bf_move_reach(move, BF_MILESTONE_INSTALLED);
    bf_move_reach(move, BF_MILESTONE_INSTALLED);
    assert_int_equal(seen.nr_changes, 2);
    bf_move_reach(move, BF_MILESTONE_COMMITTED); /* comes with the end only */
    assert_false(bf_move_reached(move, BF_MILESTONE_COMMITTED));
    bf_move_end(move, BF_MOVE_COMMITTED, NULL);
    bf_move_end(move, BF_MOVE_FAILED, NULL);
    assert_int_equal(move->state, BF_MOVE_COMMITTED);
    assert_true(bf_move_reached(move, BF_MILESTONE_COMMITTED));
    assert_int_equal(seen.nr_ends, 1);
    bf_moves_release(&moves);
}

/* Commit a move whose bitmaps end like this: 'c'arried, 'w'idened, 'd'ropped, 'p'ending. */
static int exit_after(const char *ends)
{
    struct bf_moves moves = {.items = NULL};
    struct bf_move *move = add(&moves);
    int exit_code;

    for (size_t i = 0; ends[i]; i++) {
        char name[2] = {(char)('a' + i), '\0'};
        struct bf_move_row *row = bf_move_row(move, "vda", name);

        if (ends[i] == 'd')
            bf_move_row_drop(row, BF_E_BITMAP_BUSY, NULL, "busy");
        else
            row->outcome = ends[i] == 'c'   ? BF_ROW_CARRIED
                           : ends[i] == 'w' ? BF_ROW_WIDENED
                                            : BF_ROW_PENDING;
    }
    bf_move_end(move, BF_MOVE_COMMITTED, NULL);
    exit_code = bf_move_exit(move);
    bf_moves_release(&moves);
    return exit_code;
}

static void exit_codes_follow_the_bitmaps(void **state)
{
    (void)state;
    assert_int_equal(exit_after(""), BF_EXIT_OK);
    assert_int_equal(exit_after("cw"), BF_EXIT_OK);
    assert_int_equal(exit_after("cd"), BF_EXIT_SOME_DROPPED);
    assert_int_equal(exit_after("cp"), BF_EXIT_SOME_DROPPED); /* what is not known is not carried */
    assert_int_equal(exit_after("dd"), BF_EXIT_NONE_CARRIED);
}

static void names_that_are_no_utf8_can_be_shown(void **state)
{
    struct bf_moves moves = {.items = NULL};
    struct bf_move *move = add(&moves);
    json_t *shown;

    (void)state;
    bf_move_row_drop(bf_move_row(move, "vda", "b\xff"), BF_E_QMP_ERROR, NULL, "no '\xfe'");
    shown = bf_move_to_json(move, true);
    assert_non_null(shown);
    assert_string_equal(json_string_value(json_object_get(
                            json_array_get(json_object_get(shown, "bitmaps"), 0), "bitmap")),
                        "b?");
    json_decref(shown);
    bf_moves_release(&moves);
}

/* --- checkpoints --- */

static void add_checkpoint(struct bf_checkpoints *checkpoints, const char *name, const char *parent)
{
    struct bf_checkpoint *checkpoint;

    assert_int_equal(bf_checkpoints_add(checkpoints, name, parent, BF_NO_TIME, &checkpoint, NULL),
                     0);
    assert_int_equal(bf_checkpoint_add_disk(checkpoint, "vda", name, NULL), 0);
    if (strcmp(name, "c2") != 0) /* it was unplugged for a while */
        assert_int_equal(bf_checkpoint_add_disk(checkpoint, "vdb", name, NULL), 0);
}

/* Three of them, of which the bitmap @dropped on vda is dropped. */
static json_t *shown(enum bf_chain_style style, const char *dropped)
{
    static const char *const names[] = {"c1", "c2", "c3"};
    struct bf_checkpoints checkpoints = {.style = style};
    struct bf_moves moves = {.items = NULL};
    struct bf_move *move = add(&moves);
    json_t *all;
    json_t *result;

    for (int i = 0; i < 3; i++) {
        struct bf_move_row *row;

        add_checkpoint(&checkpoints, names[i], i > 0 ? names[i - 1] : NULL);
        row = bf_move_row(move, "vda", names[i]);
        row->outcome = BF_ROW_CARRIED;
        if (dropped && strcmp(names[i], dropped) == 0)
            bf_move_row_drop(row, BF_E_BITMAP_BUSY, NULL, "busy");
        row = bf_move_row(move, "vdb", names[i]);
        row->outcome = i == 2 ? BF_ROW_WIDENED : BF_ROW_CARRIED;
    }
    assert_int_equal(bf_checkpoints_settle(&checkpoints, NULL), 0);
    assert_int_equal(bf_move_set_checkpoints(move, &checkpoints, NULL), 0);
    all = bf_move_to_json(move, true);
    result = json_incref(json_object_get(json_object_get(all, "checkpoints"), "checkpoints"));
    json_decref(all);
    bf_checkpoints_release(&checkpoints);
    bf_moves_release(&moves);
    return result;
}

static void assert_checkpoint(const json_t *all, size_t index, const char *status,
                              const char *outcome, const char *needs)
{
    const json_t *item = json_array_get(all, index);
    const json_t *disk = json_array_get(json_object_get(item, "disks"), 0);
    const char *other = json_string_value(json_object_get(disk, "needs"));

    assert_string_equal(json_string_value(json_object_get(item, "status")), status);
    assert_string_equal(json_string_value(json_object_get(disk, "outcome")), outcome);
    assert_string_equal(other ? other : "", needs);
}

static void nested_checkpoints_stand_alone(void **state)
{
    json_t *all = shown(BF_CHAIN_NESTED, "c2");

    (void)state;
    assert_checkpoint(all, 0, "carried", "carried", "");
    assert_checkpoint(all, 1, "dropped", "dropped", "");
    assert_checkpoint(all, 2, "carried", "carried", "");
    json_decref(all);
}

static void of_links_a_lost_one_costs_those_before(void **state)
{
    json_t *all = shown(BF_CHAIN_LINKS, "c3");

    (void)state;
    /* vdb has no part in c2: nothing is known of that time, so it is lost for c1 too */
    assert_checkpoint(all, 0, "dropped", "dropped", "c3");
    assert_checkpoint(all, 1, "dropped", "dropped", "c3");
    assert_checkpoint(all, 2, "partly", "dropped", "");
    json_decref(all);
}

static void of_links_a_disk_that_was_away_is_lost_before(void **state)
{
    json_t *all = shown(BF_CHAIN_LINKS, NULL);
    const json_t *vdb = json_array_get(json_object_get(json_array_get(all, 0), "disks"), 1);

    (void)state;
    assert_checkpoint(all, 0, "partly", "carried", "");
    assert_string_equal(json_string_value(json_object_get(vdb, "outcome")), "dropped");
    assert_string_equal(json_string_value(json_object_get(vdb, "needs")), "c2");
    assert_checkpoint(all, 2, "carried", "carried", "");
    json_decref(all);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nested_checkpoints_stand_alone),
        cmocka_unit_test(of_links_a_lost_one_costs_those_before),
        cmocka_unit_test(of_links_a_disk_that_was_away_is_lost_before),
        cmocka_unit_test(ids_are_valid_and_differ),
        cmocka_unit_test(only_changes_are_told_and_the_end_once),
        cmocka_unit_test(exit_codes_follow_the_bitmaps),
        cmocka_unit_test(names_that_are_no_utf8_can_be_shown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
