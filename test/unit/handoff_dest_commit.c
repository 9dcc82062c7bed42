/* The commit, what it leaves out, and how it is taken back. */
#include "handoff_dest_bench.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void test_a_seal_that_needs_deltas_is_not_obeyed_without(void **state)
{
    struct bench bench;

    (void)state;
    load_all(&bench);
    feed(&bench,
         (struct bf_dest_fact){.kind = BF_DEST_HEARD,
                               .word = {.epoch = 1, .step = BF_STEP_SEAL, .with_delta = true}});
    tell(&bench, BF_DEST_GUEST_RUNS);
    found_all(&bench, all_snapshots);
    expect_record(&bench, BF_MARK_COMMITTING);
    expect_drops(&bench, BF_DROP_NONE, BF_DROP_DELTA_LOST, BF_DROP_DELTA_LOST);
}

static void test_a_seal_without_trackers_publishes_only_frozen_bitmaps(void **state)
{
    struct bench bench;

    (void)state;
    begin(&bench);
    accept_offer(&bench);
    load(&bench, BF_STEP_FROZEN, BF_ROUND_FROZEN);
    load(&bench, BF_STEP_RECORDING, BF_ROUND_RECORDING);
    hear(&bench, 1, BF_STEP_SEAL);
    tell(&bench, BF_DEST_GUEST_RUNS);
    found_all(&bench, all_snapshots);
    expect_record(&bench, BF_MARK_COMMITTING);
    expect_drops(&bench, BF_DROP_NONE, BF_DROP_TRACKER_LATE, BF_DROP_TRACKER_LATE);
}

static void test_trackers_that_are_gone_publish_only_frozen_bitmaps(void **state)
{
    struct bench bench;

    (void)state;
    load_all(&bench);
    hear(&bench, 1, BF_STEP_SEAL);
    tell(&bench, BF_DEST_GUEST_RUNS);
    expect_wish(&bench, BF_DEST_INSPECT);
    feed(&bench, (struct bf_dest_fact){.kind = BF_DEST_INSPECTED, .found = all_snapshots});
    expect_record(&bench, BF_MARK_COMMITTING);
    expect_drops(&bench, BF_DROP_NONE, BF_DROP_TRACKER_LOST, BF_DROP_TRACKER_LOST);
}

static void test_a_commit_in_doubt_that_was_done_is_not_sent_again(void **state)
{
    struct bench bench;

    (void)state;
    go_to_commit(&bench);
    tell(&bench, BF_DEST_UNKNOWN);
    found_all(&bench, all_finals);
    go_to_committed(&bench);
    expect_drops(&bench, BF_DROP_NONE, BF_DROP_NONE, BF_DROP_NONE);
}

static void test_a_commit_in_doubt_that_was_not_done_is_sent_again(void **state)
{
    struct bench bench;

    (void)state;
    go_to_commit(&bench);
    tell(&bench, BF_DEST_UNKNOWN);
    found_all(&bench, all_snapshots);
    write_record(&bench, BF_MARK_COMMITTING);
    expect_wish(&bench, BF_DEST_COMMIT);
}

static void test_a_commit_that_was_done_in_part_goes_on_with_the_rest(void **state)
{
    static const uint8_t found[BITMAPS] = {BF_FOUND_FINAL, BF_FOUND_SNAPSHOT, BF_FOUND_FINAL};
    struct bench bench;

    (void)state;
    go_to_commit(&bench);
    tell(&bench, BF_DEST_UNKNOWN);
    found_all(&bench, found);
    write_record(&bench, BF_MARK_COMMITTING);
    expect_wish(&bench, BF_DEST_COMMIT);
    assert_true(bf_dest_is_published(&bench.dest, 0));
    assert_false(bf_dest_is_published(&bench.dest, 1));
    assert_true(bf_dest_is_published(&bench.dest, 2));
    tell(&bench, BF_DEST_DONE);
    go_to_committed(&bench);
    expect_drops(&bench, BF_DROP_NONE, BF_DROP_NONE, BF_DROP_NONE);
}

static void test_what_was_committed_stays_when_the_rest_cannot_be(void **state)
{
    static const uint8_t found[BITMAPS] = {BF_FOUND_FINAL, BF_FOUND_SNAPSHOT, BF_FOUND_FINAL};
    struct bench bench;

    (void)state;
    go_to_commit(&bench);
    tell(&bench, BF_DEST_UNKNOWN);
    expect_wish(&bench, BF_DEST_INSPECT); /* the trackers are gone */
    feed(&bench,
         (struct bf_dest_fact){.kind = BF_DEST_INSPECTED, .found = found, .guest_runs = true});
    go_to_committed(&bench);
    expect_drops(&bench, BF_DROP_NONE, BF_DROP_TRACKER_LOST, BF_DROP_NONE);
}

static void test_a_name_that_was_taken_meanwhile_is_left_alone(void **state)
{
    static const uint8_t found[BITMAPS] = {BF_FOUND_SNAPSHOT, BF_FOUND_SNAPSHOT,
                                           BF_FOUND_SNAPSHOT | BF_FOUND_FINAL};
    struct bench bench;

    (void)state;
    go_to_commit(&bench);
    tell(&bench, BF_DEST_REFUSED);
    found_all(&bench, found);
    expect_drops(&bench, BF_DROP_NONE, BF_DROP_NONE, BF_DROP_NAME_TAKEN);
    write_record(&bench, BF_MARK_COMMITTING);
    expect_wish(&bench, BF_DEST_COMMIT);
}

static void test_a_commit_that_is_always_refused_is_given_up(void **state)
{
    struct bench bench;

    (void)state;
    go_to_commit(&bench);
    for (unsigned i = 0; i < 3; i++) {
        tell(&bench, BF_DEST_REFUSED);
        found_all(&bench, all_snapshots);
        if (i < 2) {
            write_record(&bench, BF_MARK_COMMITTING);
            expect_wish(&bench, BF_DEST_COMMIT);
        }
    }
    expect_drops(&bench, BF_DROP_COMMIT_REFUSED, BF_DROP_COMMIT_REFUSED, BF_DROP_COMMIT_REFUSED);
    do_wish(&bench, BF_DEST_CLEAN);
    write_record(&bench, BF_MARK_COMMITTED);
    expect_word(&bench, BF_STEP_SEAL);
}

static void test_what_does_not_read_back_is_unpublished(void **state)
{
    static const uint8_t drops[BITMAPS] = {0, BF_DROP_READ_BACK_FAILED, 0};
    struct bench bench;

    (void)state;
    go_to_commit(&bench);
    tell(&bench, BF_DEST_DONE);
    expect_wish(&bench, BF_DEST_READ_BACK);
    feed(&bench, (struct bf_dest_fact){.kind = BF_DEST_DONE, .drops = drops});
    do_wish(&bench, BF_DEST_UNPUBLISH);
    do_wish(&bench, BF_DEST_CLEAN);
    write_record(&bench, BF_MARK_COMMITTED);
    expect_drops(&bench, BF_DROP_NONE, BF_DROP_READ_BACK_FAILED, BF_DROP_NONE);
}

static void test_a_guest_that_stays_there_unpublishes_what_is_here(void **state)
{
    struct bench bench;

    (void)state;
    go_to_commit(&bench);
    tell(&bench, BF_DEST_DONE);
    go_to_committed(&bench);
    hear(&bench, 1, BF_STEP_ABORT);
    write_record(&bench, BF_MARK_ABORTING);
    found_all(&bench, all_finals);
    assert_true(bf_dest_is_published(&bench.dest, 0));
    expect_undo(&bench, BF_DROP_PEER_ABORTED);
}

static void test_an_operator_cannot_take_back_what_is_committed(void **state)
{
    struct bench bench;

    (void)state;
    go_to_commit(&bench);
    tell(&bench, BF_DEST_DONE);
    go_to_committed(&bench);
    tell(&bench, BF_DEST_ABORT);
    tell(&bench, BF_DEST_MIGRATION_FAILED);
    expect_nothing(&bench);
    tell(&bench, BF_DEST_DEADLINE);
    expect_record(&bench, BF_MARK_ENDED);
    assert_int_equal(bench.dest.outcome, BF_OUTCOME_COMMITTED);
}

static void test_undoing_leaves_the_bitmaps_of_others(void **state)
{
    static const uint8_t found[BITMAPS] = {BF_FOUND_FINAL, 0, 0};
    struct bench bench;

    (void)state;
    load_all(&bench);
    tell(&bench, BF_DEST_MIGRATION_FAILED);
    write_record(&bench, BF_MARK_ABORTING);
    expect_wish(&bench, BF_DEST_INSPECT);
    feed(&bench, (struct bf_dest_fact){.kind = BF_DEST_INSPECTED, .found = found});
    assert_false(bf_dest_is_stale(&bench.dest, 0));
    assert_false(bf_dest_is_published(&bench.dest, 0));
    expect_undo(&bench, BF_DROP_MIGRATION_FAILED);
}

static void test_a_silent_source_ends_the_move_and_what_a_former_visit_left(void **state)
{
    struct bench bench;

    (void)state;
    load_all(&bench);
    tell(&bench, BF_DEST_GUEST_RUNS);
    tell(&bench, BF_DEST_DEADLINE);
    write_record(&bench, BF_MARK_ABORTING);
    found_all(&bench, all_finals);
    assert_true(bf_dest_is_stale(&bench.dest, 0));
    expect_undo(&bench, BF_DROP_SOURCE_SILENT);
}

static void test_a_journal_that_fails_after_the_commit_takes_it_back(void **state)
{
    struct bench bench;

    (void)state;
    go_to_commit(&bench);
    tell(&bench, BF_DEST_DONE);
    do_wish(&bench, BF_DEST_READ_BACK);
    do_wish(&bench, BF_DEST_CLEAN);
    expect_record(&bench, BF_MARK_COMMITTED);
    tell(&bench, BF_DEST_REFUSED);
    found_all(&bench, all_finals);
    assert_true(bf_dest_is_published(&bench.dest, 1));
    expect_undo(&bench, BF_DROP_JOURNAL_FAILED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_seal_that_needs_deltas_is_not_obeyed_without),
        cmocka_unit_test(test_a_seal_without_trackers_publishes_only_frozen_bitmaps),
        cmocka_unit_test(test_trackers_that_are_gone_publish_only_frozen_bitmaps),
        cmocka_unit_test(test_a_commit_in_doubt_that_was_done_is_not_sent_again),
        cmocka_unit_test(test_a_commit_in_doubt_that_was_not_done_is_sent_again),
        cmocka_unit_test(test_a_commit_that_was_done_in_part_goes_on_with_the_rest),
        cmocka_unit_test(test_what_was_committed_stays_when_the_rest_cannot_be),
        cmocka_unit_test(test_a_name_that_was_taken_meanwhile_is_left_alone),
        cmocka_unit_test(test_a_commit_that_is_always_refused_is_given_up),
        cmocka_unit_test(test_what_does_not_read_back_is_unpublished),
        cmocka_unit_test(test_a_guest_that_stays_there_unpublishes_what_is_here),
        cmocka_unit_test(test_an_operator_cannot_take_back_what_is_committed),
        cmocka_unit_test(test_undoing_leaves_the_bitmaps_of_others),
        cmocka_unit_test(test_a_silent_source_ends_the_move_and_what_a_former_visit_left),
        cmocka_unit_test(test_a_journal_that_fails_after_the_commit_takes_it_back),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
