#include "handoff/source.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "handoff_source_bench.h"

/* --- the whole way -------------------------------------------------------------------------------
 */

static void test_a_move_goes_step_by_step_to_its_end(void **state)
{
    struct bench bench;

    (void)state;
    begin(&bench, BF_HANDOFF_TRACKER);
    assert_int_equal(bf_source_milestone(&bench.source), BF_SOURCE_REACHED_NONE);
    go_to_sealed(&bench);
    assert_int_equal(bf_source_milestone(&bench.source), BF_SOURCE_REACHED_FROZEN);
    assert_true(bench.wish.word.with_delta);
    assert_false(bench.wish.word.delta_whole); /* the tracker has what was written behind it */
    hear(&bench, BF_STEP_SEAL);
    expect_record(&bench, BF_MARK_COMMITTED);
    expect_nothing(&bench); /* nothing is removed before it is durable */
    answer(&bench, BF_SOURCE_DONE);
    assert_int_equal(bf_source_milestone(&bench.source), BF_SOURCE_REACHED_COMMITTED);
    do_wish(&bench, BF_SOURCE_RETIRE);
    do_wish(&bench, BF_SOURCE_CLEAN);
    expect_record(&bench, BF_MARK_ENDED);
    answer(&bench, BF_SOURCE_DONE);
    expect_word(&bench, BF_STEP_RETIRED);
    expect_nothing(&bench);
    assert_int_equal(bf_source_milestone(&bench.source), BF_SOURCE_REACHED_ENDED);
    assert_int_equal(bench.source.outcome, BF_OUTCOME_COMMITTED);
    hear(&bench, BF_STEP_SEAL); /* it has not heard us */
    expect_word(&bench, BF_STEP_RETIRED);
}

static void test_freeze_arms_at_the_pause_and_sends_the_delta(void **state)
{
    struct bench bench;

    (void)state;
    begin(&bench, BF_HANDOFF_FREEZE);
    go_through_frozen(&bench);
    expect_wish(&bench, BF_SOURCE_SNAPSHOT);
    assert_true(bench.wish.with_delta);
    answer(&bench, BF_SOURCE_DONE);
    do_wish(&bench, BF_SOURCE_SERVE);
    ask(&bench, BF_STEP_RECORDING);
    assert_int_equal(bf_source_milestone(&bench.source), BF_SOURCE_REACHED_INSTALLED);
    expect_nothing(&bench);
    event(&bench, BF_SOURCE_PAUSED);
    ask(&bench, BF_STEP_ARM);
    expect_wish(&bench, BF_SOURCE_SERVE);
    assert_int_equal(bench.wish.round, BF_ROUND_DELTA);
    answer(&bench, BF_SOURCE_DONE);
    ask(&bench, BF_STEP_DELTA);
    expect_wish(&bench, BF_SOURCE_INSPECT);
    assert_int_equal(bf_source_milestone(&bench.source), BF_SOURCE_REACHED_INSTALLED);
    answer(&bench, BF_SOURCE_INSPECTED);
    assert_int_equal(bf_source_milestone(&bench.source), BF_SOURCE_REACHED_FROZEN);
    event(&bench, BF_SOURCE_SWITCHED);
    expect_record(&bench, BF_MARK_SEALED);
    assert_true(bench.wish.record.with_delta);
    answer(&bench, BF_SOURCE_DONE);
    expect_word(&bench, BF_STEP_SEAL);
    assert_true(bench.wish.word.with_delta);
    assert_true(bench.wish.word.delta_whole);
}

static void expect_delta_at_the_pause(struct bench *bench)
{
    expect_wish(bench, BF_SOURCE_SERVE);
    assert_int_equal(bench->wish.round, BF_ROUND_DELTA);
    answer(bench, BF_SOURCE_DONE);
    ask(bench, BF_STEP_DELTA);
    expect_wish(bench, BF_SOURCE_INSPECT);
    answer(bench, BF_SOURCE_INSPECTED);
    event(bench, BF_SOURCE_SWITCHED);
    expect_record(bench, BF_MARK_SEALED);
    answer(bench, BF_SOURCE_DONE);
    expect_word(bench, BF_STEP_SEAL);
    assert_true(bench->wish.word.delta_whole);
}

/* One disk that the destination finds to be shared, and the mirrors are not waited for any more. */
static void test_the_destination_may_make_it_a_freeze(void **state)
{
    struct bench bench;

    (void)state;
    begin(&bench, BF_HANDOFF_TRACKER);
    go_to_offer(&bench);
    expect_word(&bench, BF_STEP_OFFER);
    bench.source.kind = BF_HANDOFF_FREEZE;
    hear(&bench, BF_STEP_OFFER);
    do_wish(&bench, BF_SOURCE_SNAPSHOT);
    do_wish(&bench, BF_SOURCE_SERVE);
    ask(&bench, BF_STEP_FROZEN);
    do_wish(&bench, BF_SOURCE_SNAPSHOT);
    do_wish(&bench, BF_SOURCE_SERVE);
    ask(&bench, BF_STEP_RECORDING);
    assert_int_equal(bench.source.state, BF_SOURCE_INSTALLED);
}

/* Nobody writes: whatever a bitmap is to become, it travels as one that does not record, without
 * mirrors, trackers and deltas; "paused" comes first and "left" when all is proven. */
static void test_a_machine_that_is_shut_off_has_only_frozen_bitmaps(void **state)
{
    struct bench bench;

    (void)state;
    fill(&bench);
    for (unsigned i = 0; i < BITMAPS; i++)
        bench.bitmaps[i].recording = false;
    assert_int_equal(bf_source_init(&bench.source, BF_HANDOFF_STILL, bench.bitmaps, BITMAPS,
                                    bench.disks, DISKS, NULL),
                     0);
    event(&bench, BF_SOURCE_PAUSED);
    go_through_frozen(&bench);
    expect_wish(&bench, BF_SOURCE_INSPECT);
    answer(&bench, BF_SOURCE_INSPECTED);
    assert_int_equal(bench.source.state, BF_SOURCE_STOPPED);
    expect_nothing(&bench);
    event(&bench, BF_SOURCE_SWITCHED);
    expect_record(&bench, BF_MARK_SEALED);
    assert_false(bench.wish.record.with_delta);
    answer(&bench, BF_SOURCE_DONE);
    expect_word(&bench, BF_STEP_SEAL);
}

/* It has all up to the pause then. */
static void test_a_delta_that_must_not_end_early_goes_on_until_the_pause(void **state)
{
    struct bench bench;

    (void)state;
    begin(&bench, BF_HANDOFF_TRACKER);
    go_to_drain(&bench);
    event(&bench, BF_SOURCE_TOO_BUSY);
    assert_int_equal(bf_source_milestone(&bench.source), BF_SOURCE_REACHED_INSTALLED);
    expect_nothing(&bench);
    event(&bench, BF_SOURCE_PAUSED);
    expect_delta_at_the_pause(&bench);
}

/* Paused already: what it has then is all there is. */
static void test_a_delta_is_whole_where_the_guest_is_paused_before_it_ends(void **state)
{
    struct bench bench;

    (void)state;
    begin(&bench, BF_HANDOFF_TRACKER);
    go_to_drain(&bench);
    event(&bench, BF_SOURCE_PAUSED);
    feed(&bench, (struct bf_source_fact){.kind = BF_SOURCE_MIRROR_VOID, .disk = 0});
    expect_delta_at_the_pause(&bench);
    for (unsigned i = 0; i < BITMAPS; i++)
        assert_int_equal(bench.bitmaps[i].drop, BF_DROP_NONE);
}

/* --- when things go otherwise --------------------------------------------------------------------
 */

static void test_a_broken_mirror_begins_the_next_epoch(void **state)
{
    struct bench bench;

    (void)state;
    begin(&bench, BF_HANDOFF_TRACKER);
    go_to_installed(&bench);
    feed(&bench, (struct bf_source_fact){.kind = BF_SOURCE_MIRROR_VOID, .disk = 1});
    assert_int_equal(bench.source.epoch, 2);
    assert_int_equal(bf_source_milestone(&bench.source), BF_SOURCE_REACHED_NONE);
    go_to_offer(&bench);
    expect_word(&bench, BF_STEP_OFFER);
    feed(&bench, (struct bf_source_fact){.kind = BF_SOURCE_HEARD,
                                         .word = {.epoch = 1, .step = BF_STEP_OFFER}});
    expect_nothing(&bench); /* a word of the older epoch */
}

static void test_a_mirror_that_breaks_at_the_pause_costs_the_recording_bitmaps(void **state)
{
    struct bench bench;

    (void)state;
    begin(&bench, BF_HANDOFF_TRACKER);
    go_to_installed(&bench);
    event(&bench, BF_SOURCE_PAUSED);
    feed(&bench, (struct bf_source_fact){.kind = BF_SOURCE_MIRROR_VOID, .disk = 0});
    assert_int_equal(bench.source.epoch, 1);
    assert_int_equal(bench.bitmaps[0].drop, BF_DROP_NONE);
    assert_int_equal(bench.bitmaps[1].drop, BF_DROP_MIRROR_FAILED);
    assert_int_equal(bench.bitmaps[2].drop, BF_DROP_MIRROR_FAILED);
}

static void test_a_snapshot_in_doubt_is_not_taken_again_when_it_is_there(void **state)
{
    struct bench bench;

    (void)state;
    begin(&bench, BF_HANDOFF_TRACKER);
    go_through_frozen(&bench);
    expect_wish(&bench, BF_SOURCE_SNAPSHOT);
    answer(&bench, BF_SOURCE_UNKNOWN);
    expect_wish(&bench, BF_SOURCE_INSPECT);
    feed(&bench, (struct bf_source_fact){.kind = BF_SOURCE_INSPECTED,
                                         .ticket = bench.wish.ticket,
                                         .snapshots_found = true});
    expect_wish(&bench, BF_SOURCE_SERVE);
}

static void test_a_refused_snapshot_goes_without_the_bitmaps_to_blame(void **state)
{
    static const uint8_t drops[BITMAPS] = {0, BF_DROP_BITMAP_BUSY, 0};
    struct bench bench;

    (void)state;
    begin(&bench, BF_HANDOFF_TRACKER);
    go_through_frozen(&bench);
    expect_wish(&bench, BF_SOURCE_SNAPSHOT);
    answer(&bench, BF_SOURCE_REFUSED);
    expect_wish(&bench, BF_SOURCE_INSPECT);
    feed(&bench, (struct bf_source_fact){
                     .kind = BF_SOURCE_INSPECTED, .ticket = bench.wish.ticket, .drops = drops});
    expect_wish(&bench, BF_SOURCE_SNAPSHOT);
    assert_int_equal(bench.bitmaps[1].drop, BF_DROP_BITMAP_BUSY);
    assert_int_equal(bench.bitmaps[2].drop, BF_DROP_NONE);
}

static void test_a_snapshot_that_is_always_refused_is_given_up(void **state)
{
    struct bench bench;

    (void)state;
    begin(&bench, BF_HANDOFF_TRACKER);
    go_through_frozen(&bench);
    for (unsigned i = 0; i < 3; i++) {
        expect_wish(&bench, BF_SOURCE_SNAPSHOT);
        answer(&bench, BF_SOURCE_REFUSED);
        expect_wish(&bench, BF_SOURCE_INSPECT);
        answer(&bench, BF_SOURCE_INSPECTED);
    }
    assert_int_equal(bench.bitmaps[1].drop, BF_DROP_SNAPSHOT_REFUSED);
    assert_int_equal(bench.bitmaps[0].drop, BF_DROP_NONE);
    assert_int_equal(bench.source.state, BF_SOURCE_INSTALLED);
}

static void test_a_switch_before_the_snapshot_is_too_early(void **state)
{
    struct bench bench;

    (void)state;
    begin(&bench, BF_HANDOFF_TRACKER);
    go_to_offer(&bench);
    ask(&bench, BF_STEP_OFFER);
    do_wish(&bench, BF_SOURCE_SNAPSHOT);
    do_wish(&bench, BF_SOURCE_SERVE);
    expect_word(&bench, BF_STEP_FROZEN);
    event(&bench, BF_SOURCE_SWITCHED);
    hear(&bench, BF_STEP_FROZEN);
    assert_int_equal(bench.bitmaps[0].drop, BF_DROP_NONE);
    assert_int_equal(bench.bitmaps[1].drop, BF_DROP_SWITCHED_EARLY);
    expect_wish(&bench, BF_SOURCE_INSPECT);
}

static void test_a_switch_before_the_trackers_is_too_early(void **state)
{
    struct bench bench;

    (void)state;
    begin(&bench, BF_HANDOFF_TRACKER);
    go_to_loaded(&bench);
    event(&bench, BF_SOURCE_SWITCHED);
    assert_int_equal(bench.bitmaps[0].drop, BF_DROP_NONE);
    assert_int_equal(bench.bitmaps[1].drop, BF_DROP_SWITCHED_EARLY);
    expect_wish(&bench, BF_SOURCE_INSPECT);
}

/* Where a mirror that copies must not be held up, nothing is read before it is ready. */
static void test_snapshots_wait_for_the_mirrors_where_they_must(void **state)
{
    struct bench bench;

    (void)state;
    begin(&bench, BF_HANDOFF_TRACKER);
    go_to_offer(&bench);
    expect_word(&bench, BF_STEP_OFFER);
    bench.source.early = false;
    hear(&bench, BF_STEP_OFFER);
    do_wish(&bench, BF_SOURCE_SNAPSHOT); /* of what is frozen */
    do_wish(&bench, BF_SOURCE_SERVE);
    ask(&bench, BF_STEP_FROZEN);
    ready(&bench);
    expect_wish(&bench, BF_SOURCE_SNAPSHOT);
    assert_true(bench.wish.with_delta);
    answer(&bench, BF_SOURCE_DONE);
    do_wish(&bench, BF_SOURCE_SERVE);
    ask(&bench, BF_STEP_RECORDING);
    ask(&bench, BF_STEP_ARM);
    expect_wish(&bench, BF_SOURCE_WATCH_DRAIN);
}

/* Nothing relied on it yet. */
static void test_a_mirror_that_breaks_before_the_trackers_is_waited_for_again(void **state)
{
    struct bench bench;

    (void)state;
    begin(&bench, BF_HANDOFF_TRACKER);
    go_to_loaded(&bench);
    feed(&bench, (struct bf_source_fact){.kind = BF_SOURCE_MIRROR_READY, .disk = 1});
    feed(&bench, (struct bf_source_fact){.kind = BF_SOURCE_MIRROR_VOID, .disk = 1});
    ready(&bench);
    ask(&bench, BF_STEP_ARM);
    assert_int_equal(bench.source.epoch, 1);
}

static void test_where_no_tracker_came_in_time_no_delta_is_read(void **state)
{
    static const uint8_t drops[BITMAPS] = {0, BF_DROP_TRACKER_LATE, BF_DROP_TRACKER_LATE};
    struct bench bench;

    (void)state;
    begin(&bench, BF_HANDOFF_TRACKER);
    go_to_loaded(&bench);
    ready(&bench);
    expect_word(&bench, BF_STEP_ARM);
    feed(&bench,
         (struct bf_source_fact){.kind = BF_SOURCE_HEARD,
                                 .word = {.epoch = 1, .step = BF_STEP_ARM, .drops = drops}});
    assert_int_equal(bench.source.state, BF_SOURCE_INSTALLED);
    event(&bench, BF_SOURCE_PAUSED);
    expect_wish(&bench, BF_SOURCE_INSPECT);
}

static void test_an_abort_waits_for_the_transaction(void **state)
{
    struct bench bench;

    (void)state;
    begin(&bench, BF_HANDOFF_TRACKER);
    go_through_frozen(&bench);
    expect_wish(&bench, BF_SOURCE_SNAPSHOT);
    event(&bench, BF_SOURCE_ABORT);
    expect_nothing(&bench);
    answer(&bench, BF_SOURCE_DONE);
    expect_abort(&bench, BF_DROP_OPERATOR_ABORT);
}

static void test_a_guest_that_stays_ends_even_a_sealed_move(void **state)
{
    struct bench bench;

    (void)state;
    begin(&bench, BF_HANDOFF_TRACKER);
    go_to_sealed(&bench);
    event(&bench, BF_SOURCE_KEPT);
    expect_abort(&bench, BF_DROP_MIGRATION_FAILED);
}

static void test_a_guest_that_stays_keeps_its_bitmaps_until_they_are_being_removed(void **state)
{
    struct bench bench;

    (void)state;
    begin(&bench, BF_HANDOFF_TRACKER);
    go_to_sealed(&bench);
    hear(&bench, BF_STEP_SEAL);
    expect_record(&bench, BF_MARK_COMMITTED);
    event(&bench, BF_SOURCE_KEPT);
    expect_nothing(&bench);
    answer(&bench, BF_SOURCE_DONE);
    expect_abort(&bench, BF_DROP_MIGRATION_FAILED);
}

static void test_an_operator_cannot_take_a_seal_back(void **state)
{
    struct bench bench;

    (void)state;
    begin(&bench, BF_HANDOFF_TRACKER);
    go_to_sealed(&bench);
    event(&bench, BF_SOURCE_ABORT);
    do_wish(&bench, BF_SOURCE_CLEAN);
    expect_record(&bench, BF_MARK_ENDED);
    assert_int_equal(bench.wish.record.outcome, BF_OUTCOME_UNCONFIRMED);
    answer(&bench, BF_SOURCE_DONE);
    expect_nothing(&bench);
    hear(&bench, BF_STEP_SEAL); /* nobody knows any more what it stands for */
    expect_nothing(&bench);
}

static void test_a_journal_that_fails_keeps_the_seal_unsaid(void **state)
{
    struct bench bench;

    (void)state;
    begin(&bench, BF_HANDOFF_TRACKER);
    go_to_installed(&bench);
    event(&bench, BF_SOURCE_SWITCHED);
    expect_wish(&bench, BF_SOURCE_INSPECT);
    answer(&bench, BF_SOURCE_INSPECTED);
    expect_record(&bench, BF_MARK_SEALED);
    answer(&bench, BF_SOURCE_REFUSED);
    do_wish(&bench, BF_SOURCE_CLEAN);
    expect_word(&bench, BF_STEP_ABORT);
    assert_int_equal(bench.source.reason, BF_DROP_JOURNAL_FAILED);
}

static void test_a_qemu_that_ends_behind_the_switchover_has_done_its_work(void **state)
{
    struct bench bench;

    (void)state;
    begin(&bench, BF_HANDOFF_TRACKER);
    go_to_installed(&bench);
    event(&bench, BF_SOURCE_SWITCHED);
    event(&bench, BF_SOURCE_QEMU_GONE);
    expect_wish(&bench, BF_SOURCE_INSPECT);
    answer(&bench, BF_SOURCE_INSPECTED);
    expect_record(&bench, BF_MARK_SEALED);
    begin(&bench, BF_HANDOFF_TRACKER);
    go_to_installed(&bench);
    event(&bench, BF_SOURCE_QEMU_GONE);
    expect_abort(&bench, BF_DROP_SOURCE_QEMU_GONE);
}

static void test_a_destination_that_has_given_up_need_not_confirm_it(void **state)
{
    struct bench bench;

    (void)state;
    begin(&bench, BF_HANDOFF_TRACKER);
    go_to_installed(&bench);
    hear(&bench, BF_STEP_ABORT);
    expect_record(&bench, BF_MARK_ABORTING);
    answer(&bench, BF_SOURCE_DONE);
    do_wish(&bench, BF_SOURCE_CLEAN);
    expect_record(&bench, BF_MARK_ENDED);
    assert_int_equal(bench.source.reason, BF_DROP_PEER_ABORTED);
}

static void test_two_ended_helpers_do_not_talk_for_ever(void **state)
{
    struct bench bench;

    (void)state;
    begin(&bench, BF_HANDOFF_TRACKER);
    go_to_offer(&bench);
    expect_word(&bench, BF_STEP_OFFER);
    event(&bench, BF_SOURCE_ABORT);
    expect_abort(&bench, BF_DROP_OPERATOR_ABORT);
    hear(&bench, BF_STEP_ABORT);
    expect_nothing(&bench);
    hear(&bench, BF_STEP_OFFER);
    expect_word(&bench, BF_STEP_ABORT);
}

static void test_offers_out_of_bounds_are_refused(void **state)
{
    struct bench bench;
    struct bf_error err = BF_ERROR_INIT;

    (void)state;
    fill(&bench);
    assert_int_equal(bf_source_init(&bench.source, BF_HANDOFF_TRACKER, bench.bitmaps, BITMAPS,
                                    bench.disks, 1, &err),
                     -EINVAL);
    bf_error_clear(&err);
    assert_int_equal(bf_source_init(&bench.source, BF_HANDOFF_TRACKER, bench.bitmaps,
                                    BF_HANDOFF_BITMAPS_MAX + 1, bench.disks, DISKS, &err),
                     -E2BIG);
    assert_int_equal(err.code, BF_E_LIMIT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_move_goes_step_by_step_to_its_end),
        cmocka_unit_test(test_freeze_arms_at_the_pause_and_sends_the_delta),
        cmocka_unit_test(test_the_destination_may_make_it_a_freeze),
        cmocka_unit_test(test_a_machine_that_is_shut_off_has_only_frozen_bitmaps),
        cmocka_unit_test(test_a_delta_that_must_not_end_early_goes_on_until_the_pause),
        cmocka_unit_test(test_a_delta_is_whole_where_the_guest_is_paused_before_it_ends),
        cmocka_unit_test(test_a_broken_mirror_begins_the_next_epoch),
        cmocka_unit_test(test_a_mirror_that_breaks_at_the_pause_costs_the_recording_bitmaps),
        cmocka_unit_test(test_a_snapshot_in_doubt_is_not_taken_again_when_it_is_there),
        cmocka_unit_test(test_a_refused_snapshot_goes_without_the_bitmaps_to_blame),
        cmocka_unit_test(test_a_snapshot_that_is_always_refused_is_given_up),
        cmocka_unit_test(test_a_switch_before_the_snapshot_is_too_early),
        cmocka_unit_test(test_a_switch_before_the_trackers_is_too_early),
        cmocka_unit_test(test_snapshots_wait_for_the_mirrors_where_they_must),
        cmocka_unit_test(test_a_mirror_that_breaks_before_the_trackers_is_waited_for_again),
        cmocka_unit_test(test_where_no_tracker_came_in_time_no_delta_is_read),
        cmocka_unit_test(test_an_abort_waits_for_the_transaction),
        cmocka_unit_test(test_a_guest_that_stays_ends_even_a_sealed_move),
        cmocka_unit_test(test_a_guest_that_stays_keeps_its_bitmaps_until_they_are_being_removed),
        cmocka_unit_test(test_an_operator_cannot_take_a_seal_back),
        cmocka_unit_test(test_a_journal_that_fails_keeps_the_seal_unsaid),
        cmocka_unit_test(test_a_qemu_that_ends_behind_the_switchover_has_done_its_work),
        cmocka_unit_test(test_a_destination_that_has_given_up_need_not_confirm_it),
        cmocka_unit_test(test_two_ended_helpers_do_not_talk_for_ever),
        cmocka_unit_test(test_offers_out_of_bounds_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
