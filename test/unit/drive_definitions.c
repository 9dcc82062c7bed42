/* What became of checkpoints in libvirt, out of a journal: told again, or refused as damage. */
#include "drive/ledger.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static struct bf_moves moves;
static struct bf_move *move;

static int set_up(void **state)
{
    struct bf_checkpoints checkpoints = {.style = BF_CHAIN_NESTED};
    struct bf_checkpoint *added;

    (void)state;
    assert_int_equal(bf_moves_add(&moves, BF_ROLE_DEST, NULL, &move, NULL), 0);
    assert_int_equal(bf_checkpoints_add(&checkpoints, "chk1", NULL, 1, &added, NULL), 0);
    assert_int_equal(bf_checkpoints_add(&checkpoints, "chk2", "chk1", 2, &added, NULL), 0);
    assert_int_equal(bf_checkpoints_settle(&checkpoints, NULL), 0);
    assert_int_equal(bf_move_set_checkpoints(move, &checkpoints, NULL), 0);
    bf_checkpoints_release(&checkpoints);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    bf_moves_release(&moves);
    return 0;
}

static int tell(const void *bytes, size_t nr_bytes)
{
    struct bf_error err = BF_ERROR_INIT;
    uint8_t *copy = malloc(nr_bytes); /* so that a sanitizer sees a read past it */
    struct bf_ledger *ledger = calloc(1, sizeof *ledger);
    int r;

    assert_non_null(copy);
    assert_non_null(ledger);
    memcpy(copy, bytes, nr_bytes);
    ledger->definitions = copy;
    ledger->nr_definition_bytes = nr_bytes;
    r = bf_ledger_tell_definitions(ledger, move, &err);
    assert_int_equal(err.code, r < 0 ? BF_E_IMAGE_CORRUPT : BF_E_NONE);
    bf_ledger_release(ledger);
    free(ledger);
    return r;
}

static void fates_and_their_reasons_are_told(void **state)
{
    static const char record[] = {BF_DEFINITION_MISSING, 'w', 'h', 'y', '\0',
                                  BF_DEFINITION_DEFINED, '\0'};

    (void)state;
    assert_int_equal(tell(record, sizeof record), 0);
    assert_int_equal(move->definitions[0], BF_DEFINITION_MISSING);
    assert_string_equal(move->definition_whys[0], "why");
    assert_int_equal(move->definitions[1], BF_DEFINITION_DEFINED);
    assert_null(move->definition_whys[1]);
}

static void without_a_record_nothing_is_told(void **state)
{
    static const struct bf_ledger none = {.has_offer = true};

    (void)state;
    assert_int_equal(bf_ledger_tell_definitions(&none, move, NULL), 0);
    assert_null(move->definitions);
}

static void a_record_that_is_cut_off_is_damage(void **state)
{
    static const char record[] = {BF_DEFINITION_DEFINED, 'x', '\0',
                                  BF_DEFINITION_DEFINED, 'y', '\0'};

    (void)state;
    for (size_t nr_bytes = 1; nr_bytes < sizeof record; nr_bytes++)
        assert_true(tell(record, nr_bytes) < 0);
    assert_int_equal(tell(record, sizeof record), 0);
}

static void a_fate_that_nobody_knows_is_damage(void **state)
{
    static const char record[] = {BF_NR_DEFINITIONS, '\0', BF_DEFINITION_DEFINED, '\0'};
    static const char negative[] = {(char)0xff, '\0', BF_DEFINITION_DEFINED, '\0'};

    (void)state;
    assert_true(tell(record, sizeof record) < 0);
    assert_true(tell(negative, sizeof negative) < 0);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(fates_and_their_reasons_are_told, set_up, tear_down),
        cmocka_unit_test_setup_teardown(without_a_record_nothing_is_told, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_record_that_is_cut_off_is_damage, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_fate_that_nobody_knows_is_damage, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
