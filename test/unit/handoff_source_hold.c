/* Bitmaps that are held while the guest migrates. */
#include "handoff/source.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "handoff_source_bench.h"

static void hold_without(struct bench *bench, bool held, const uint8_t drops[BITMAPS])
{
    go_to_installed(bench);
    event(bench, BF_SOURCE_MIGRATING);
    expect_wish(bench, BF_SOURCE_HOLD);
    assert_int_equal(bf_source_milestone(&bench->source), BF_SOURCE_REACHED_INSTALLED);
    feed(bench,
         (struct bf_source_fact){
             .kind = BF_SOURCE_DONE, .ticket = bench->wish.ticket, .held = held, .drops = drops});
    expect_nothing(bench);
}

static void hold(struct bench *bench, bool held)
{
    hold_without(bench, held, NULL);
}

static void test_of_held_bitmaps_nothing_is_asked_in_the_pause(void **state)
{
    static const uint8_t no_frozen[BITMAPS] = {BF_DROP_BITMAP_CHANGED};
    struct bench bench;

    (void)state;
    begin(&bench, BF_HANDOFF_TRACKER);
    hold_without(&bench, true, no_frozen);
    event(&bench, BF_SOURCE_MIGRATING); /* once is enough */
    expect_nothing(&bench);
    event(&bench, BF_SOURCE_PAUSED);
    expect_nothing(&bench);
    assert_int_equal(bf_source_milestone(&bench.source), BF_SOURCE_REACHED_FROZEN);
    event(&bench, BF_SOURCE_SWITCHED);
    expect_record(&bench, BF_MARK_SEALED);
}

static void test_what_is_not_held_is_examined(void **state)
{
    struct bench bench;

    (void)state;
    begin(&bench, BF_HANDOFF_TRACKER);
    hold(&bench, false);
    event(&bench, BF_SOURCE_PAUSED);
    expect_wish(&bench, BF_SOURCE_INSPECT);
}

static void test_frozen_ones_are_examined_whatever_is_held(void **state)
{
    struct bench bench;

    (void)state;
    begin(&bench, BF_HANDOFF_TRACKER);
    hold(&bench, true);
    event(&bench, BF_SOURCE_PAUSED);
    expect_wish(&bench, BF_SOURCE_INSPECT);
    assert_int_equal(bench.source.state, BF_SOURCE_EXAMINING);
}

static void test_frozen_ones_alone_are_not_held(void **state)
{
    static const uint8_t only_frozen[BITMAPS] = {BF_DROP_NONE, BF_DROP_BITMAP_CLEARED,
                                                 BF_DROP_BITMAP_CLEARED};
    struct bench bench;

    (void)state;
    begin(&bench, BF_HANDOFF_TRACKER);
    go_through_frozen(&bench);
    expect_wish(&bench, BF_SOURCE_SNAPSHOT);
    feed(&bench, (struct bf_source_fact){
                     .kind = BF_SOURCE_DONE, .ticket = bench.wish.ticket, .drops = only_frozen});
    do_wish(&bench, BF_SOURCE_SERVE);
    ask(&bench, BF_STEP_RECORDING);
    event(&bench, BF_SOURCE_MIGRATING);
    expect_nothing(&bench);
}

static void test_nothing_is_held_of_a_guest_that_is_paused(void **state)
{
    struct bench bench;

    (void)state;
    begin(&bench, BF_HANDOFF_TRACKER);
    go_to_drain(&bench);
    event(&bench, BF_SOURCE_MIGRATING);
    event(&bench, BF_SOURCE_PAUSED);
    do_wish(&bench, BF_SOURCE_SERVE);
    ask(&bench, BF_STEP_DELTA);
    expect_wish(&bench, BF_SOURCE_INSPECT);
}

static void test_a_hold_in_doubt_is_repeated_and_then_waited_for(void **state)
{
    struct bench bench;

    (void)state;
    begin(&bench, BF_HANDOFF_TRACKER);
    go_to_installed(&bench);
    event(&bench, BF_SOURCE_MIGRATING);
    expect_wish(&bench, BF_SOURCE_HOLD);
    answer(&bench, BF_SOURCE_UNKNOWN);
    expect_wish(&bench, BF_SOURCE_HOLD);
    event(&bench, BF_SOURCE_ABORT); /* what is under way is not left alone */
    expect_nothing(&bench);
    answer(&bench, BF_SOURCE_DONE);
    expect_record(&bench, BF_MARK_ABORTING);
}

static void test_only_a_committed_move_does_not_put_back(void **state)
{
    struct bench bench;

    (void)state;
    begin(&bench, BF_HANDOFF_TRACKER);
    hold(&bench, true);
    feed(&bench, (struct bf_source_fact){.kind = BF_SOURCE_MIRROR_VOID, .disk = 0});
    expect_record(&bench, BF_MARK_BEGUN);
    answer(&bench, BF_SOURCE_DONE);
    expect_wish(&bench, BF_SOURCE_CLEAN);
    assert_true(bench.wish.put_back);
    event(&bench, BF_SOURCE_KEPT);
    answer(&bench, BF_SOURCE_DONE);
    expect_record(&bench, BF_MARK_ABORTING);
    answer(&bench, BF_SOURCE_DONE);
    expect_wish(&bench, BF_SOURCE_CLEAN);
    assert_true(bench.wish.put_back);

    begin(&bench, BF_HANDOFF_TRACKER);
    go_to_sealed(&bench);
    event(&bench, BF_SOURCE_DEADLINE); /* never confirmed */
    expect_wish(&bench, BF_SOURCE_CLEAN);
    assert_true(bench.wish.put_back);

    begin(&bench, BF_HANDOFF_TRACKER);
    go_to_sealed(&bench);
    hear(&bench, BF_STEP_SEAL);
    expect_record(&bench, BF_MARK_COMMITTED);
    answer(&bench, BF_SOURCE_DONE);
    do_wish(&bench, BF_SOURCE_RETIRE);
    expect_wish(&bench, BF_SOURCE_CLEAN);
    assert_false(bench.wish.put_back);
}

/* The next epoch puts back first, and holds again. */
static void test_a_new_epoch_holds_anew(void **state)
{
    struct bench bench;

    (void)state;
    begin(&bench, BF_HANDOFF_TRACKER);
    hold(&bench, true);
    feed(&bench, (struct bf_source_fact){.kind = BF_SOURCE_MIRROR_VOID, .disk = 0});
    feed(&bench, (struct bf_source_fact){.kind = BF_SOURCE_MIRROR_READY, .disk = 0});
    go_to_offer(&bench);
    ask(&bench, BF_STEP_OFFER);
    do_wish(&bench, BF_SOURCE_SNAPSHOT);
    do_wish(&bench, BF_SOURCE_SERVE);
    ask(&bench, BF_STEP_FROZEN);
    do_wish(&bench, BF_SOURCE_SNAPSHOT);
    do_wish(&bench, BF_SOURCE_SERVE);
    ask(&bench, BF_STEP_RECORDING);
    ask(&bench, BF_STEP_ARM);
    expect_wish(&bench, BF_SOURCE_WATCH_DRAIN);
    drain(&bench);
    do_wish(&bench, BF_SOURCE_SERVE);
    ask(&bench, BF_STEP_DELTA);
    expect_wish(&bench, BF_SOURCE_HOLD);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_of_held_bitmaps_nothing_is_asked_in_the_pause),
        cmocka_unit_test(test_what_is_not_held_is_examined),
        cmocka_unit_test(test_frozen_ones_are_examined_whatever_is_held),
        cmocka_unit_test(test_frozen_ones_alone_are_not_held),
        cmocka_unit_test(test_nothing_is_held_of_a_guest_that_is_paused),
        cmocka_unit_test(test_a_hold_in_doubt_is_repeated_and_then_waited_for),
        cmocka_unit_test(test_only_a_committed_move_does_not_put_back),
        cmocka_unit_test(test_a_new_epoch_holds_anew),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
