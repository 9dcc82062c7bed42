/* The way from offer to seal, the table of facts, and restarts. */
#include "handoff_dest_bench.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

/* --- the whole way -------------------------------------------------------------------------------
 */

static void test_a_move_goes_step_by_step_to_its_end(void **state)
{
    struct bench bench;

    (void)state;
    go_to_commit(&bench);
    assert_false(bench.wish.with_delta);
    tell(&bench, BF_DEST_DONE);
    go_to_committed(&bench);
    assert_true(bf_dest_is_published(&bench.dest, 2));
    hear(&bench, 1, BF_STEP_RETIRED);
    write_record(&bench, BF_MARK_ENDED);
    expect_nothing(&bench);
    assert_int_equal(bench.dest.state, BF_DEST_ENDED);
    hear(&bench, 1, BF_STEP_RETIRED);
    expect_nothing(&bench);
    hear(&bench, 1, BF_STEP_SEAL); /* asked again: the same answer */
    expect_word(&bench, BF_STEP_SEAL);
}

static void test_words_said_again_change_nothing(void **state)
{
    struct bench bench;

    (void)state;
    load_all(&bench);
    hear(&bench, 1, BF_STEP_RECORDING);
    expect_word(&bench, BF_STEP_ARM);
    expect_nothing(&bench);
    hear(&bench, 0, BF_STEP_ABORT); /* of an older epoch */
    expect_nothing(&bench);
    assert_int_equal(bench.dest.state, BF_DEST_IDLE);
}

static void test_a_newer_offer_begins_again(void **state)
{
    struct bench bench;

    (void)state;
    load_all(&bench);
    bench.bitmaps[1].drop = BF_DROP_PULL_FAILED;
    hear(&bench, 2, BF_STEP_OFFER);
    expect_record(&bench, BF_MARK_BEGUN);
    assert_int_equal(bench.dest.epoch, 2);
    assert_int_equal(bench.bitmaps[1].drop, BF_DROP_NONE);
    assert_true(bf_dest_wants(&bench.dest, BF_ROUND_RECORDING, 1));
    assert_true(bf_dest_wants(&bench.dest, BF_ROUND_FROZEN, 0));
    assert_false(bf_dest_wants(&bench.dest, BF_ROUND_FROZEN, 1));
}

static void test_a_newer_offer_waits_for_the_transaction(void **state)
{
    struct bench bench;

    (void)state;
    begin(&bench);
    accept_offer(&bench);
    hear(&bench, 1, BF_STEP_ARM);
    expect_wish(&bench, BF_DEST_ARM);
    hear(&bench, 2, BF_STEP_OFFER);
    expect_nothing(&bench);
    tell(&bench, BF_DEST_UNKNOWN);
    expect_record(&bench, BF_MARK_BEGUN);
    assert_int_equal(bench.dest.epoch, 2);
}

/* --- when things go otherwise --------------------------------------------------------------------
 */

static void test_a_tracker_after_the_guest_is_worth_nothing(void **state)
{
    struct bench bench;

    (void)state;
    begin(&bench);
    accept_offer(&bench);
    hear(&bench, 1, BF_STEP_ARM);
    expect_wish(&bench, BF_DEST_ARM);
    tell(&bench, BF_DEST_DONE);
    expect_word(&bench, BF_STEP_ARM);
    expect_drops(&bench, BF_DROP_NONE, BF_DROP_TRACKER_LATE, BF_DROP_TRACKER_LATE);
}

static void test_what_a_former_visit_left_goes_first(void **state)
{
    static const uint8_t found[BITMAPS] = {BF_FOUND_SNAPSHOT, BF_FOUND_SNAPSHOT | BF_FOUND_FINAL,
                                           BF_FOUND_SNAPSHOT};
    struct bench bench;

    (void)state;
    load_all(&bench);
    hear(&bench, 1, BF_STEP_SEAL);
    tell(&bench, BF_DEST_GUEST_RUNS);
    found_all(&bench, found);
    expect_wish(&bench, BF_DEST_REMOVE_STALE);
    assert_true(bf_dest_is_stale(&bench.dest, 1));
    assert_false(bf_dest_is_stale(&bench.dest, 0));
    tell(&bench, BF_DEST_DONE);
    found_all(&bench, all_snapshots);
    expect_record(&bench, BF_MARK_COMMITTING);
}

/* --- the table -----------------------------------------------------------------------------------
 */

#define FACT(name) (1u << BF_DEST_##name)

/* What the header says of the answers to each wish. */
static unsigned answers_to(enum bf_dest_wish_kind wish)
{
    switch (wish) {
    case BF_DEST_JOURNAL:
    case BF_DEST_PULL:
        return FACT(DONE) | FACT(REFUSED);
    case BF_DEST_ARM:
    case BF_DEST_LOAD:
    case BF_DEST_REMOVE_STALE:
    case BF_DEST_COMMIT:
        return FACT(DONE) | FACT(REFUSED) | FACT(UNKNOWN);
    case BF_DEST_UNPUBLISH:
    case BF_DEST_CLEAN:
    case BF_DEST_UNDO:
        return FACT(DONE) | FACT(UNKNOWN);
    case BF_DEST_READ_BACK:
        return FACT(DONE);
    case BF_DEST_INSPECT:
        return FACT(INSPECTED);
    case BF_DEST_SAY:
        break;
    }
    return 0;
}

static void try_pair(unsigned machine_state, unsigned kind)
{
    struct bench bench;
    struct bf_dest_fact fact = {.kind = (enum bf_dest_fact_kind)kind};
    unsigned legal = (1u << BF_DEST_DONE) - 1; /* events */
    int r;

    begin(&bench);
    bench.dest.state = (enum bf_dest_state)machine_state;
    while (bf_dest_next(&bench.dest, &bench.wish))
        legal |= answers_to(bench.wish.kind);
    fact.ticket = bench.dest.ticket;
    r = bf_dest_feed(&bench.dest, &fact, NULL);
    if (r != (legal & 1u << kind ? 0 : -EPROTO))
        fail_msg("fact %u in %s: %d", kind, bf_dest_state_name((enum bf_dest_state)machine_state),
                 r);
    if (r < 0 && machine_state < BF_DEST_COMMITTED)
        assert_int_equal(bench.dest.reason, BF_DROP_PROTOCOL);
}

static void test_every_fact_in_every_state_is_taken_or_fails_the_move(void **state)
{
    (void)state;
    for (unsigned i = 0; i < BF_NR_DEST_STATES; i++) {
        for (unsigned kind = 0; kind <= BF_NR_DEST_FACTS; kind++)
            try_pair(i, kind);
    }
}

static void test_late_answers_are_ignored(void **state)
{
    struct bench bench;
    struct bf_dest_fact late = {.kind = BF_DEST_DONE};

    (void)state;
    begin(&bench);
    expect_wish(&bench, BF_DEST_JOURNAL);
    late.ticket = bench.wish.ticket;
    tell(&bench, BF_DEST_DONE);
    expect_wish(&bench, BF_DEST_CLEAN);
    assert_int_equal(bf_dest_feed(&bench.dest, &late, NULL), 0);
    assert_int_equal(bench.dest.state, BF_DEST_SWEEPING);
}

/* --- after a restart -----------------------------------------------------------------------------
 */

static int resume(struct bench *bench, enum bf_mark mark)
{
    struct bf_record record = {.mark = mark, .epoch = 1, .reason = BF_DROP_OPERATOR_ABORT};

    fill(bench);
    if (mark == BF_MARK_ABORTING)
        record.outcome = BF_OUTCOME_ABORTED;
    return bf_dest_resume(&bench->dest, bench->bitmaps, BITMAPS, &record, NULL);
}

static void test_a_restart_goes_on_with_what_is_in_qemu(void **state)
{
    static const uint8_t found[BITMAPS] = {BF_FOUND_SNAPSHOT, BF_FOUND_SNAPSHOT, 0};
    struct bench bench;

    (void)state;
    assert_int_equal(resume(&bench, BF_MARK_ARMED), 0);
    found_all(&bench, found);
    expect_word(&bench, BF_STEP_OFFER);
    hear(&bench, 1, BF_STEP_RECORDING);
    expect_wish(&bench, BF_DEST_PULL);
    assert_false(bf_dest_wants(&bench.dest, BF_ROUND_RECORDING, 1));
    assert_true(bf_dest_wants(&bench.dest, BF_ROUND_RECORDING, 2));
}

static void test_trackers_that_nobody_saw_first_are_worth_nothing(void **state)
{
    struct bench bench;

    (void)state;
    assert_int_equal(resume(&bench, BF_MARK_BEGUN), 0);
    found_all(&bench, NULL); /* they are there, and the guest runs */
    expect_drops(&bench, BF_DROP_NONE, BF_DROP_TRACKER_LATE, BF_DROP_TRACKER_LATE);
    assert_int_equal(resume(&bench, BF_MARK_BEGUN), 0);
    expect_wish(&bench, BF_DEST_INSPECT);
    feed(&bench, (struct bf_dest_fact){.kind = BF_DEST_INSPECTED, .trackers_found = true});
    expect_drops(&bench, BF_DROP_NONE, BF_DROP_NONE, BF_DROP_NONE);
    hear(&bench, 1, BF_STEP_ARM);
    expect_word(&bench, BF_STEP_ARM); /* never a second one */
}

static void test_a_restart_finds_out_about_the_commit(void **state)
{
    struct bench bench;

    (void)state;
    assert_int_equal(resume(&bench, BF_MARK_COMMITTING), 0);
    found_all(&bench, all_finals);
    go_to_committed(&bench);
    assert_int_equal(resume(&bench, BF_MARK_COMMITTING), 0);
    found_all(&bench, all_snapshots);
    expect_record(&bench, BF_MARK_COMMITTING);
    assert_int_equal(resume(&bench, BF_MARK_COMMITTING), 0);
    found_all(&bench, NULL);
    expect_drops(&bench, BF_DROP_COMMIT_LOST, BF_DROP_COMMIT_LOST, BF_DROP_COMMIT_LOST);
}

static void test_a_restart_finishes_what_was_decided(void **state)
{
    struct bench bench;

    (void)state;
    assert_int_equal(resume(&bench, BF_MARK_COMMITTED), 0);
    expect_word(&bench, BF_STEP_SEAL);
    assert_int_equal(resume(&bench, BF_MARK_ABORTING), 0);
    found_all(&bench, NULL);
    expect_undo(&bench, BF_DROP_OPERATOR_ABORT);
    assert_int_equal(resume(&bench, BF_MARK_SEALED), -EINVAL);
    assert_int_equal(resume(&bench, (enum bf_mark)77), -EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_move_goes_step_by_step_to_its_end),
        cmocka_unit_test(test_words_said_again_change_nothing),
        cmocka_unit_test(test_a_newer_offer_begins_again),
        cmocka_unit_test(test_a_newer_offer_waits_for_the_transaction),
        cmocka_unit_test(test_a_tracker_after_the_guest_is_worth_nothing),
        cmocka_unit_test(test_what_a_former_visit_left_goes_first),
        cmocka_unit_test(test_every_fact_in_every_state_is_taken_or_fails_the_move),
        cmocka_unit_test(test_late_answers_are_ignored),
        cmocka_unit_test(test_a_restart_goes_on_with_what_is_in_qemu),
        cmocka_unit_test(test_trackers_that_nobody_saw_first_are_worth_nothing),
        cmocka_unit_test(test_a_restart_finds_out_about_the_commit),
        cmocka_unit_test(test_a_restart_finishes_what_was_decided),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
