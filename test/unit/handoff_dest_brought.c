/* What QEMU itself has brought. */
#include "handoff_dest_bench.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

enum {
    PROVEN = BF_FOUND_FINAL | BF_FOUND_SNAPSHOT | BF_FOUND_NATIVE,
};

static void surveyed(struct bench *bench, enum bf_drop drop, uint8_t found1, bool native)
{
    const uint8_t found[BITMAPS] = {BF_FOUND_SNAPSHOT, found1, BF_FOUND_SNAPSHOT};
    const uint8_t drops[BITMAPS] = {BF_DROP_NONE, (uint8_t)drop, BF_DROP_NONE};

    load_all(bench);
    bench->bitmaps[1].native = native;
    feed(bench,
         (struct bf_dest_fact){
             .kind = BF_DEST_HEARD,
             .word = {.epoch = 1, .step = BF_STEP_SEAL, .delta_whole = true, .drops = drops}});
    tell(bench, BF_DEST_GUEST_RUNS);
    found_all(bench, found);
}

/* Each line: what the source says, what is found of bitmap 1, what becomes of it. */
static void test_what_qemu_brought_is_judged(void **state)
{
    static const struct {
        enum bf_drop drop;
        uint8_t found;
        enum bf_drop expected;
        bool replaced; /* or removed, where it is dropped */
    } rows[] = {
        {BF_DROP_NONE, PROVEN | BF_FOUND_FRESH, BF_DROP_NATIVE, false},
        {BF_DROP_NONE, PROVEN | BF_FOUND_DELTA, BF_DROP_NATIVE, false},
        {BF_DROP_NONE, PROVEN, BF_DROP_NONE, true}, /* old, and nothing says what came after */
        {BF_DROP_NONE, BF_FOUND_FINAL | BF_FOUND_SNAPSHOT | BF_FOUND_FRESH, BF_DROP_NONE, true},
        {BF_DROP_NONE, BF_FOUND_FINAL | BF_FOUND_FRESH, BF_DROP_NATIVE_UNPROVEN, false},
        {BF_DROP_NONE, BF_FOUND_FINAL, BF_DROP_SNAPSHOT_LOST, true},
        {BF_DROP_NONE, BF_FOUND_SNAPSHOT, BF_DROP_NONE, false}, /* not there: ours */
        {BF_DROP_SOURCE_BLIND, PROVEN | BF_FOUND_FRESH, BF_DROP_NATIVE, false},
        {BF_DROP_SOURCE_BLIND, PROVEN | BF_FOUND_DELTA, BF_DROP_SOURCE_BLIND, true},
        {BF_DROP_BITMAP_UNSEEN, PROVEN | BF_FOUND_FRESH, BF_DROP_NATIVE, false},
        {BF_DROP_BITMAP_UNSEEN, PROVEN | BF_FOUND_DELTA, BF_DROP_BITMAP_UNSEEN, true},
        {BF_DROP_BITMAP_CLEARED, PROVEN | BF_FOUND_FRESH, BF_DROP_NATIVE_UNPROVEN, false},
        {BF_DROP_BITMAP_CLEARED, PROVEN | BF_FOUND_DELTA, BF_DROP_BITMAP_CLEARED, true},
    };
    struct bench bench;

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        surveyed(&bench, rows[i].drop, rows[i].found, true);
        assert_int_equal(bench.bitmaps[1].drop, rows[i].expected);
        assert_int_equal(bf_dest_is_stale(&bench.dest, 1), rows[i].replaced);
    }
}

static void test_nothing_is_native_in_a_mode_where_qemu_brings_nothing(void **state)
{
    struct bench bench;

    (void)state;
    surveyed(&bench, BF_DROP_NONE, PROVEN | BF_FOUND_FRESH | BF_FOUND_DELTA, false);
    assert_int_equal(bench.bitmaps[1].drop, BF_DROP_NONE);
    assert_true(bf_dest_is_stale(&bench.dest, 1));
}

/* It has the delta, but that ended before the guest was paused: a bitmap of a former visit might
 * have as much. */
static void test_a_delta_that_ended_early_does_not_prove_an_old_bitmap(void **state)
{
    static const uint8_t found[BITMAPS] = {BF_FOUND_SNAPSHOT, PROVEN | BF_FOUND_DELTA,
                                           BF_FOUND_SNAPSHOT};
    struct bench bench;

    (void)state;
    load_all(&bench);
    bench.bitmaps[1].native = true;
    hear(&bench, 1, BF_STEP_SEAL);
    tell(&bench, BF_DEST_GUEST_RUNS);
    found_all(&bench, found);
    expect_wish(&bench, BF_DEST_REMOVE_STALE);
    assert_true(bf_dest_is_stale(&bench.dest, 1));
}

static void test_bitferry_stands_aside_from_what_is_native(void **state)
{
    struct bench bench;

    (void)state;
    surveyed(&bench, BF_DROP_NONE, PROVEN | BF_FOUND_FRESH, true);
    write_record(&bench, BF_MARK_COMMITTING);
    do_wish(&bench, BF_DEST_COMMIT);
    assert_false(bf_dest_is_published(&bench.dest, 1));
    assert_true(bf_dest_is_published(&bench.dest, 2));
    do_wish(&bench, BF_DEST_READ_BACK);
    do_wish(&bench, BF_DEST_CLEAN);
    write_record(&bench, BF_MARK_COMMITTED);
    expect_word(&bench, BF_STEP_SEAL);
    expect_drops(&bench, BF_DROP_NONE, BF_DROP_NATIVE, BF_DROP_NONE);
}

/* Nothing was snapshot: the source seals what QEMU brings, and each is judged by the offer. */
static void test_all_may_be_brought_by_qemu(void **state)
{
    static const uint8_t found[BITMAPS] = {PROVEN | BF_FOUND_FRESH, BF_FOUND_FINAL, 0};
    static const uint8_t drops[BITMAPS] = {BF_DROP_NONE, BF_DROP_BROUGHT_SHORT,
                                           BF_DROP_BROUGHT_BY_NOBODY};
    struct bench bench;

    (void)state;
    begin(&bench);
    for (unsigned i = 0; i < BITMAPS; i++)
        bench.bitmaps[i].native = true;
    accept_offer(&bench);
    hear(&bench, 1, BF_STEP_SEAL);
    expect_nothing(&bench);
    tell(&bench, BF_DEST_GUEST_RUNS);
    expect_wish(&bench, BF_DEST_INSPECT);
    feed(&bench,
         (struct bf_dest_fact){
             .kind = BF_DEST_INSPECTED, .found = found, .drops = drops, .guest_runs = true});
    expect_wish(&bench, BF_DEST_REMOVE_STALE);
    assert_false(bf_dest_is_stale(&bench.dest, 0));
    assert_true(bf_dest_is_stale(&bench.dest, 1));
    tell(&bench, BF_DEST_DONE);
    expect_wish(&bench, BF_DEST_INSPECT);
    feed(&bench, (struct bf_dest_fact){.kind = BF_DEST_INSPECTED,
                                       .found = (const uint8_t[]){found[0], 0, 0},
                                       .guest_runs = true});
    do_wish(&bench, BF_DEST_CLEAN);
    write_record(&bench, BF_MARK_COMMITTED);
    expect_word(&bench, BF_STEP_SEAL);
    expect_drops(&bench, BF_DROP_NATIVE, BF_DROP_BROUGHT_SHORT, BF_DROP_BROUGHT_BY_NOBODY);
}

static void test_what_came_with_the_move_stays_when_a_helper_is_lost(void **state)
{
    static const uint8_t found[BITMAPS] = {BF_FOUND_FINAL, BF_FOUND_FINAL | BF_FOUND_FRESH,
                                           PROVEN | BF_FOUND_FRESH};
    struct bench bench;

    (void)state;
    load_all(&bench);
    for (unsigned i = 0; i < BITMAPS; i++)
        bench.bitmaps[i].native = true;
    tell(&bench, BF_DEST_GUEST_RUNS);
    tell(&bench, BF_DEST_DEADLINE);
    write_record(&bench, BF_MARK_ABORTING);
    found_all(&bench, found);
    assert_true(bf_dest_is_stale(&bench.dest, 0));
    assert_false(bf_dest_is_stale(&bench.dest, 1));
    assert_false(bf_dest_is_stale(&bench.dest, 2));
    expect_wish(&bench, BF_DEST_UNDO);
    tell(&bench, BF_DEST_DONE);
    expect_drops(&bench, BF_DROP_SOURCE_SILENT, BF_DROP_NATIVE_UNPROVEN, BF_DROP_NATIVE);
}

static void test_a_late_tracker_does_not_matter_to_what_qemu_may_have_brought(void **state)
{
    struct bench bench;

    (void)state;
    begin(&bench);
    bench.bitmaps[1].native = true;
    accept_offer(&bench);
    hear(&bench, 1, BF_STEP_ARM);
    expect_wish(&bench, BF_DEST_ARM);
    tell(&bench, BF_DEST_DONE);
    expect_word(&bench, BF_STEP_ARM);
    expect_drops(&bench, BF_DROP_NONE, BF_DROP_NONE, BF_DROP_TRACKER_LATE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_qemu_brought_is_judged),
        cmocka_unit_test(test_nothing_is_native_in_a_mode_where_qemu_brings_nothing),
        cmocka_unit_test(test_a_delta_that_ended_early_does_not_prove_an_old_bitmap),
        cmocka_unit_test(test_bitferry_stands_aside_from_what_is_native),
        cmocka_unit_test(test_all_may_be_brought_by_qemu),
        cmocka_unit_test(test_what_came_with_the_move_stays_when_a_helper_is_lost),
        cmocka_unit_test(test_a_late_tracker_does_not_matter_to_what_qemu_may_have_brought),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
