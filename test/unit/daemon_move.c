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
            bf_move_row_drop(row, BF_E_BITMAP_BUSY, "busy");
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
    bf_move_row_drop(bf_move_row(move, "vda", "b\xff"), BF_E_QMP_ERROR, "no '\xfe'");
    shown = bf_move_to_json(move, true);
    assert_non_null(shown);
    assert_string_equal(json_string_value(json_object_get(
                            json_array_get(json_object_get(shown, "bitmaps"), 0), "bitmap")),
                        "b?");
    json_decref(shown);
    bf_moves_release(&moves);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ids_are_valid_and_differ),
        cmocka_unit_test(only_changes_are_told_and_the_end_once),
        cmocka_unit_test(exit_codes_follow_the_bitmaps),
        cmocka_unit_test(names_that_are_no_utf8_can_be_shown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
