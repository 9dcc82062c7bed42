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

static void expect_abort(struct bench *bench, enum bf_drop reason)
{
    expect_record(bench, BF_MARK_ABORTING);
    assert_int_equal(bench->wish.record.reason, reason);
    answer(bench, BF_SOURCE_DONE);
    do_wish(bench, BF_SOURCE_CLEAN);
    ask(bench, BF_STEP_ABORT);
    expect_record(bench, BF_MARK_ENDED);
    answer(bench, BF_SOURCE_DONE);
    assert_int_equal(bench->source.outcome, BF_OUTCOME_ABORTED);
    for (unsigned i = 0; i < BITMAPS; i++)
        assert_int_not_equal(bench->bitmaps[i].drop, BF_DROP_NONE);
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

/* --- the table -----------------------------------------------------------------------------------
 */

#define FACT(name) (1u << BF_SOURCE_##name)

/* What the header says of the answers to each wish. */
static unsigned answers_to(enum bf_source_wish_kind wish)
{
    switch (wish) {
    case BF_SOURCE_JOURNAL:
    case BF_SOURCE_SERVE:
        return FACT(DONE) | FACT(REFUSED);
    case BF_SOURCE_SNAPSHOT:
    case BF_SOURCE_HOLD:
    case BF_SOURCE_RETIRE:
        return FACT(DONE) | FACT(REFUSED) | FACT(UNKNOWN);
    case BF_SOURCE_CLEAN:
        return FACT(DONE) | FACT(UNKNOWN);
    case BF_SOURCE_WATCH_DRAIN:
        return FACT(DRAINED);
    case BF_SOURCE_INSPECT:
        return FACT(INSPECTED);
    case BF_SOURCE_SAY:
        break;
    }
    return 0;
}

static unsigned legal_in(struct bench *bench)
{
    unsigned legal = (1u << BF_SOURCE_DONE) - 1; /* events */

    while (bf_source_next(&bench->source, &bench->wish))
        legal |= answers_to(bench->wish.kind);
    return legal;
}

static void try_pair(unsigned machine_state, unsigned kind)
{
    struct bench bench;
    struct bf_error err = BF_ERROR_INIT;
    struct bf_source_fact fact = {.kind = (enum bf_source_fact_kind)kind};
    enum bf_outcome before;
    unsigned legal;
    int r;

    begin(&bench, BF_HANDOFF_TRACKER);
    bench.source.state = (enum bf_source_state)machine_state;
    legal = legal_in(&bench);
    fact.ticket = bench.source.ticket;
    before = bench.source.outcome;
    r = bf_source_feed(&bench.source, &fact, &err);
    if (r != (legal & 1u << kind ? 0 : -EPROTO))
        fail_msg("fact %u in %s: %d", kind,
                 bf_source_state_name((enum bf_source_state)machine_state), r);
    if (r < 0 && machine_state <= BF_SOURCE_STOPPED)
        assert_int_equal(bench.source.reason, BF_DROP_PROTOCOL);
    if (r < 0 && machine_state > BF_SOURCE_SEALED)
        assert_int_equal(bench.source.outcome, before);
}

static void test_every_fact_in_every_state_is_taken_or_fails_the_move(void **state)
{
    (void)state;
    for (unsigned i = 0; i < BF_NR_SOURCE_STATES; i++) {
        for (unsigned kind = 0; kind < BF_NR_SOURCE_FACTS; kind++)
            try_pair(i, kind);
    }
}

static void test_late_answers_are_ignored(void **state)
{
    struct bench bench;
    uint32_t old;

    (void)state;
    begin(&bench, BF_HANDOFF_TRACKER);
    expect_record(&bench, BF_MARK_BEGUN);
    old = bench.wish.ticket;
    answer(&bench, BF_SOURCE_DONE);
    expect_wish(&bench, BF_SOURCE_CLEAN);
    feed(&bench, (struct bf_source_fact){.kind = BF_SOURCE_REFUSED, .ticket = old});
    feed(&bench, (struct bf_source_fact){.kind = BF_SOURCE_DONE, .ticket = old});
    assert_int_equal(bench.source.state, BF_SOURCE_SWEEPING);
}

static void test_facts_from_outside_the_enums_are_refused(void **state)
{
    struct bf_source_fact facts[] = {
        {.kind = (enum bf_source_fact_kind)99},
        {.kind = BF_SOURCE_MIRROR_READY, .disk = DISKS},
        {.kind = BF_SOURCE_MIRROR_VOID, .disk = UINT32_MAX},
    };

    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        struct bench bench;

        begin(&bench, BF_HANDOFF_TRACKER);
        assert_int_equal(bf_source_feed(&bench.source, &facts[i], NULL), -EPROTO);
        assert_int_equal(bench.source.reason, BF_DROP_PROTOCOL);
    }
}

static void test_a_reason_from_a_newer_peer_still_drops(void **state)
{
    static const uint8_t drops[BITMAPS] = {0, 250, BF_DROP_NODE_MISSING};
    struct bench bench;

    (void)state;
    begin(&bench, BF_HANDOFF_TRACKER);
    go_to_offer(&bench);
    expect_word(&bench, BF_STEP_OFFER);
    feed(&bench,
         (struct bf_source_fact){.kind = BF_SOURCE_HEARD,
                                 .word = {.epoch = 1, .step = BF_STEP_OFFER, .drops = drops}});
    assert_int_equal(bench.bitmaps[0].drop, BF_DROP_NONE);
    assert_int_equal(bench.bitmaps[1].drop, BF_DROP_PROTOCOL);
    assert_int_equal(bench.bitmaps[2].drop, BF_DROP_NODE_MISSING);
}

/* --- after a restart -----------------------------------------------------------------------------
 */

static int resume_as(struct bench *bench, enum bf_handoff_kind kind, enum bf_mark mark)
{
    struct bf_record record = {.mark = mark, .epoch = 5, .reason = BF_DROP_OPERATOR_ABORT};

    fill(bench);
    if (mark == BF_MARK_ABORTING)
        record.outcome = BF_OUTCOME_ABORTED;
    return bf_source_resume(&bench->source, kind, bench->bitmaps, BITMAPS, bench->disks, DISKS,
                            &record, NULL);
}

static int resume(struct bench *bench, enum bf_mark mark)
{
    return resume_as(bench, BF_HANDOFF_TRACKER, mark);
}

static void inspected(struct bench *bench, enum bf_source_guest guest)
{
    expect_wish(bench, BF_SOURCE_INSPECT);
    feed(bench, (struct bf_source_fact){
                    .kind = BF_SOURCE_INSPECTED, .ticket = bench->wish.ticket, .guest = guest});
}

static void test_a_restart_with_the_guest_here_begins_the_next_epoch(void **state)
{
    struct bench bench;

    (void)state;
    assert_int_equal(resume(&bench, BF_MARK_BEGUN), 0);
    inspected(&bench, BF_SOURCE_GUEST_HERE);
    assert_int_equal(bench.source.epoch, 6);
    expect_record(&bench, BF_MARK_BEGUN);
}

static void test_a_restart_after_the_switch_carries_nothing(void **state)
{
    struct bench bench;

    (void)state;
    assert_int_equal(resume(&bench, BF_MARK_BEGUN), 0);
    inspected(&bench, BF_SOURCE_GUEST_LEFT);
    expect_record(&bench, BF_MARK_SEALED);
    for (unsigned i = 0; i < BITMAPS; i++)
        assert_int_equal(bench.bitmaps[i].drop, BF_DROP_SOURCE_BLIND);
}

static void go_to_proof(struct bench *bench)
{
    begin(bench, BF_HANDOFF_NATIVE);
    go_to_offer(bench);
    ask(bench, BF_STEP_OFFER);
    expect_wish(bench, BF_SOURCE_SNAPSHOT);
    assert_int_equal(bench->wish.round, BF_ROUND_RECORDING); /* a digest proves the frozen ones */
    assert_true(bench->wish.with_delta);
}

static void expect_all_judged_there(struct bench *bench)
{
    event(bench, BF_SOURCE_SWITCHED);
    expect_record(bench, BF_MARK_SEALED);
    answer(bench, BF_SOURCE_DONE);
    expect_word(bench, BF_STEP_SEAL);
    for (unsigned i = 0; i < BITMAPS; i++)
        assert_int_equal(bench->bitmaps[i].drop, BF_DROP_NONE);
}

static void test_what_qemu_brings_is_proven_by_snapshot_and_delta(void **state)
{
    struct bench bench;

    (void)state;
    go_to_proof(&bench);
    answer(&bench, BF_SOURCE_DONE);
    do_wish(&bench, BF_SOURCE_SERVE);
    assert_int_equal(bf_source_milestone(&bench.source), BF_SOURCE_REACHED_NONE);
    ask(&bench, BF_STEP_RECORDING);
    assert_int_equal(bench.source.state, BF_SOURCE_INSTALLED);
    expect_nothing(&bench);
    event(&bench, BF_SOURCE_PAUSED);
    expect_wish(&bench, BF_SOURCE_SERVE);
    assert_int_equal(bench.wish.round, BF_ROUND_DELTA);
    answer(&bench, BF_SOURCE_DONE);
    ask(&bench, BF_STEP_DELTA);
    expect_nothing(&bench); /* not looked at: no reason from here may hide what came of it */
    expect_all_judged_there(&bench);
}

static void serve_short(struct bench *bench)
{
    static const uint8_t drops[BITMAPS] = {0, BF_DROP_SERVE_FAILED, BF_DROP_SERVE_FAILED};

    expect_wish(bench, BF_SOURCE_SERVE);
    feed(bench, (struct bf_source_fact){
                    .kind = BF_SOURCE_DONE, .ticket = bench->wish.ticket, .drops = drops});
}

/* Each step of the proof may fail; the bitmaps are on their way all the same. */
static void test_without_its_proof_nothing_that_qemu_brings_is_dropped(void **state)
{
    struct bench bench;

    (void)state;
    go_to_proof(&bench);
    answer(&bench, BF_SOURCE_REFUSED);
    assert_int_equal(bench.source.state, BF_SOURCE_INSTALLED);
    event(&bench, BF_SOURCE_PAUSED);
    expect_nothing(&bench); /* no delta either */
    expect_all_judged_there(&bench);

    go_to_proof(&bench);
    answer(&bench, BF_SOURCE_UNKNOWN);
    assert_int_equal(bench.source.state, BF_SOURCE_INSTALLED);

    go_to_proof(&bench);
    answer(&bench, BF_SOURCE_DONE);
    expect_wish(&bench, BF_SOURCE_SERVE);
    answer(&bench, BF_SOURCE_REFUSED);
    assert_int_equal(bench.source.state, BF_SOURCE_INSTALLED);

    go_to_proof(&bench);
    answer(&bench, BF_SOURCE_DONE);
    serve_short(&bench);
    ask(&bench, BF_STEP_RECORDING);
    event(&bench, BF_SOURCE_PAUSED);
    expect_wish(&bench, BF_SOURCE_SERVE);
    answer(&bench, BF_SOURCE_REFUSED); /* QEMU has ended */
    assert_int_equal(bench.source.state, BF_SOURCE_STOPPED);
    expect_all_judged_there(&bench);
}

static void test_a_silent_destination_costs_the_proof_alone(void **state)
{
    struct bench bench;

    (void)state;
    go_to_proof(&bench);
    answer(&bench, BF_SOURCE_DONE);
    do_wish(&bench, BF_SOURCE_SERVE);
    expect_word(&bench, BF_STEP_RECORDING);
    event(&bench, BF_SOURCE_DEADLINE);
    assert_int_equal(bench.source.state, BF_SOURCE_INSTALLED);
    expect_all_judged_there(&bench);
}

static void test_no_snapshot_is_taken_once_the_guest_has_left(void **state)
{
    struct bench bench;

    (void)state;
    begin(&bench, BF_HANDOFF_NATIVE);
    go_to_offer(&bench);
    expect_word(&bench, BF_STEP_OFFER);
    event(&bench, BF_SOURCE_SWITCHED);
    hear(&bench, BF_STEP_OFFER);
    expect_record(&bench, BF_MARK_SEALED);
}

/* libvirt ends QEMU as soon as the guest has left: the destination judges what came. */
static void test_a_blind_restart_costs_nothing_of_what_qemu_brings(void **state)
{
    static const enum bf_source_guest guests[] = {BF_SOURCE_GUEST_LEFT, BF_SOURCE_GUEST_LOST};

    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        struct bench bench;

        assert_int_equal(resume_as(&bench, BF_HANDOFF_NATIVE, BF_MARK_BEGUN), 0);
        inspected(&bench, guests[i]);
        expect_record(&bench, BF_MARK_SEALED);
        for (unsigned j = 0; j < BITMAPS; j++)
            assert_int_equal(bench.bitmaps[j].drop, BF_DROP_NONE);
    }
}

static void test_a_restart_without_qemu_gives_up(void **state)
{
    struct bench bench;

    (void)state;
    assert_int_equal(resume(&bench, BF_MARK_BEGUN), 0);
    inspected(&bench, BF_SOURCE_GUEST_LOST);
    expect_abort(&bench, BF_DROP_SOURCE_QEMU_GONE);
}

static void test_a_restart_after_the_seal_says_it_again(void **state)
{
    struct bench bench;

    (void)state;
    assert_int_equal(resume(&bench, BF_MARK_SEALED), 0);
    inspected(&bench, BF_SOURCE_GUEST_LEFT);
    expect_word(&bench, BF_STEP_SEAL);
    assert_int_equal(resume(&bench, BF_MARK_SEALED), 0);
    inspected(&bench, BF_SOURCE_GUEST_LOST);
    expect_word(&bench, BF_STEP_SEAL);
    assert_int_equal(resume(&bench, BF_MARK_SEALED), 0);
    inspected(&bench, BF_SOURCE_GUEST_HERE);
    expect_abort(&bench, BF_DROP_MIGRATION_FAILED);
}

static void test_a_restart_finishes_what_was_decided(void **state)
{
    struct bench bench;

    (void)state;
    assert_int_equal(resume(&bench, BF_MARK_COMMITTED), 0);
    expect_wish(&bench, BF_SOURCE_RETIRE);
    event(&bench, BF_SOURCE_NUDGE); /* the destination's answer has more than its step says */
    expect_word(&bench, BF_STEP_SEAL);
    assert_int_equal(resume(&bench, BF_MARK_ABORTING), 0);
    do_wish(&bench, BF_SOURCE_CLEAN);
    expect_word(&bench, BF_STEP_ABORT);
    assert_int_equal(resume(&bench, BF_MARK_ARMED), -EINVAL);
    assert_int_equal(resume(&bench, BF_MARK_COMMITTING), -EINVAL);
    assert_int_equal(resume(&bench, (enum bf_mark)77), -EINVAL);
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
        cmocka_unit_test(test_every_fact_in_every_state_is_taken_or_fails_the_move),
        cmocka_unit_test(test_late_answers_are_ignored),
        cmocka_unit_test(test_facts_from_outside_the_enums_are_refused),
        cmocka_unit_test(test_a_reason_from_a_newer_peer_still_drops),
        cmocka_unit_test(test_a_restart_with_the_guest_here_begins_the_next_epoch),
        cmocka_unit_test(test_a_restart_after_the_switch_carries_nothing),
        cmocka_unit_test(test_what_qemu_brings_is_proven_by_snapshot_and_delta),
        cmocka_unit_test(test_without_its_proof_nothing_that_qemu_brings_is_dropped),
        cmocka_unit_test(test_a_silent_destination_costs_the_proof_alone),
        cmocka_unit_test(test_no_snapshot_is_taken_once_the_guest_has_left),
        cmocka_unit_test(test_a_blind_restart_costs_nothing_of_what_qemu_brings),
        cmocka_unit_test(test_a_restart_without_qemu_gives_up),
        cmocka_unit_test(test_a_restart_after_the_seal_says_it_again),
        cmocka_unit_test(test_a_restart_finishes_what_was_decided),
        cmocka_unit_test(test_offers_out_of_bounds_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
