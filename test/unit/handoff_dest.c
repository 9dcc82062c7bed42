#include "handoff/dest.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

enum { BITMAPS = 3 };

/* A destination that was offered a frozen and two recording bitmaps. */
struct bench {
    struct bf_dest dest;
    struct bf_handoff_bitmap bitmaps[BITMAPS];
    struct bf_dest_wish wish; /* the last one */
};

static const uint8_t all_snapshots[BITMAPS] = {BF_FOUND_SNAPSHOT, BF_FOUND_SNAPSHOT,
                                               BF_FOUND_SNAPSHOT};
static const uint8_t all_finals[BITMAPS] = {BF_FOUND_FINAL, BF_FOUND_FINAL, BF_FOUND_FINAL};

static void fill(struct bench *bench)
{
    static const struct bf_handoff_bitmap offer[BITMAPS] = {
        {.disk = 0}, {.disk = 0, .recording = true}, {.disk = 1, .recording = true}};

    memset(bench, 0, sizeof *bench);
    memcpy(bench->bitmaps, offer, sizeof offer);
}

static void begin(struct bench *bench)
{
    fill(bench);
    assert_int_equal(bf_dest_init(&bench->dest, 1, bench->bitmaps, BITMAPS, NULL), 0);
}

static void expect_wish(struct bench *bench, enum bf_dest_wish_kind kind)
{
    assert_true(bf_dest_next(&bench->dest, &bench->wish));
    assert_int_equal(bench->wish.kind, kind);
}

static void expect_word(struct bench *bench, enum bf_step step)
{
    expect_wish(bench, BF_DEST_SAY);
    assert_int_equal(bench->wish.word.step, step);
    assert_int_equal(bench->wish.word.epoch, bench->dest.epoch);
}

static void expect_record(struct bench *bench, enum bf_mark mark)
{
    expect_wish(bench, BF_DEST_JOURNAL);
    assert_int_equal(bench->wish.record.mark, mark);
    assert_false(bf_dest_next(&bench->dest, &bench->wish)); /* nothing before it is durable */
}

static void expect_nothing(struct bench *bench)
{
    assert_false(bf_dest_next(&bench->dest, &bench->wish));
}

static void feed(struct bench *bench, struct bf_dest_fact fact)
{
    fact.ticket = bench->dest.ticket;
    assert_int_equal(bf_dest_feed(&bench->dest, &fact, NULL), 0);
}

static void tell(struct bench *bench, enum bf_dest_fact_kind kind)
{
    feed(bench, (struct bf_dest_fact){.kind = kind});
}

static void hear(struct bench *bench, uint32_t epoch, enum bf_step step)
{
    feed(bench,
         (struct bf_dest_fact){.kind = BF_DEST_HEARD, .word = {.epoch = epoch, .step = step}});
}

static void do_wish(struct bench *bench, enum bf_dest_wish_kind kind)
{
    expect_wish(bench, kind);
    tell(bench, BF_DEST_DONE);
}

static void write_record(struct bench *bench, enum bf_mark mark)
{
    expect_record(bench, mark);
    tell(bench, BF_DEST_DONE);
}

static void accept_offer(struct bench *bench)
{
    write_record(bench, BF_MARK_BEGUN);
    do_wish(bench, BF_DEST_CLEAN);
    expect_wish(bench, BF_DEST_INSPECT);
    tell(bench, BF_DEST_INSPECTED);
    expect_word(bench, BF_STEP_OFFER);
    expect_nothing(bench);
}

static void load(struct bench *bench, enum bf_step step, enum bf_round round)
{
    hear(bench, 1, step);
    expect_wish(bench, BF_DEST_PULL);
    assert_int_equal(bench->wish.round, round);
    tell(bench, BF_DEST_DONE);
    do_wish(bench, BF_DEST_LOAD);
    expect_word(bench, step);
    expect_nothing(bench);
}

static void arm(struct bench *bench)
{
    hear(bench, 1, BF_STEP_ARM);
    expect_wish(bench, BF_DEST_ARM);
    feed(bench, (struct bf_dest_fact){.kind = BF_DEST_DONE, .before_guest = true});
    write_record(bench, BF_MARK_ARMED);
    expect_word(bench, BF_STEP_ARM);
}

static void load_all(struct bench *bench)
{
    begin(bench);
    accept_offer(bench);
    load(bench, BF_STEP_FROZEN, BF_ROUND_FROZEN);
    arm(bench);
    load(bench, BF_STEP_RECORDING, BF_ROUND_RECORDING);
}

static void found_all(struct bench *bench, const uint8_t *found)
{
    expect_wish(bench, BF_DEST_INSPECT);
    feed(bench, (struct bf_dest_fact){.kind = BF_DEST_INSPECTED,
                                      .found = found,
                                      .trackers_found = true,
                                      .guest_runs = true});
}

static void go_to_commit(struct bench *bench)
{
    load_all(bench);
    hear(bench, 1, BF_STEP_SEAL);
    expect_nothing(bench); /* not before the guest runs here */
    tell(bench, BF_DEST_GUEST_RUNS);
    found_all(bench, all_snapshots);
    write_record(bench, BF_MARK_COMMITTING);
    expect_wish(bench, BF_DEST_COMMIT);
}

static void expect_drops(const struct bench *bench, enum bf_drop a, enum bf_drop b, enum bf_drop c)
{
    assert_int_equal(bench->bitmaps[0].drop, a);
    assert_int_equal(bench->bitmaps[1].drop, b);
    assert_int_equal(bench->bitmaps[2].drop, c);
}

static void go_to_committed(struct bench *bench)
{
    do_wish(bench, BF_DEST_READ_BACK);
    do_wish(bench, BF_DEST_CLEAN);
    write_record(bench, BF_MARK_COMMITTED);
    expect_word(bench, BF_STEP_SEAL);
    assert_int_equal(bench->dest.outcome, BF_OUTCOME_COMMITTED);
}

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
    hear(&bench, 1, BF_STEP_ARM);
    expect_word(&bench, BF_STEP_RECORDING);
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

/* --- what QEMU itself has brought ----------------------------------------------------------------
 */

enum {
    PROVEN = BF_FOUND_FINAL | BF_FOUND_SNAPSHOT | BF_FOUND_NATIVE,
};

static void surveyed(struct bench *bench, enum bf_drop drop, uint8_t found1, bool native)
{
    const uint8_t found[BITMAPS] = {BF_FOUND_SNAPSHOT, found1, BF_FOUND_SNAPSHOT};
    const uint8_t drops[BITMAPS] = {BF_DROP_NONE, (uint8_t)drop, BF_DROP_NONE};

    load_all(bench);
    bench->bitmaps[1].native = native;
    feed(bench, (struct bf_dest_fact){.kind = BF_DEST_HEARD,
                                      .word = {.epoch = 1, .step = BF_STEP_SEAL, .drops = drops}});
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
    hear(&bench, 1, BF_STEP_ARM_PAUSED);
    expect_wish(&bench, BF_DEST_ARM);
    tell(&bench, BF_DEST_DONE);
    expect_word(&bench, BF_STEP_ARM_PAUSED);
    expect_drops(&bench, BF_DROP_NONE, BF_DROP_NONE, BF_DROP_TRACKER_LATE);
}

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

static void expect_undo(struct bench *bench, enum bf_drop reason)
{
    do_wish(bench, BF_DEST_UNDO);
    write_record(bench, BF_MARK_ENDED);
    expect_word(bench, BF_STEP_ABORT);
    assert_int_equal(bench->dest.outcome, BF_OUTCOME_ABORTED);
    assert_int_equal(bench->dest.reason, reason);
    for (unsigned i = 0; i < BITMAPS; i++)
        assert_int_not_equal(bench->bitmaps[i].drop, BF_DROP_NONE);
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
        cmocka_unit_test(test_what_qemu_brought_is_judged),
        cmocka_unit_test(test_nothing_is_native_in_a_mode_where_qemu_brings_nothing),
        cmocka_unit_test(test_bitferry_stands_aside_from_what_is_native),
        cmocka_unit_test(test_all_may_be_brought_by_qemu),
        cmocka_unit_test(test_what_came_with_the_move_stays_when_a_helper_is_lost),
        cmocka_unit_test(test_a_late_tracker_does_not_matter_to_what_qemu_may_have_brought),
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
        cmocka_unit_test(test_every_fact_in_every_state_is_taken_or_fails_the_move),
        cmocka_unit_test(test_late_answers_are_ignored),
        cmocka_unit_test(test_a_restart_goes_on_with_what_is_in_qemu),
        cmocka_unit_test(test_trackers_that_nobody_saw_first_are_worth_nothing),
        cmocka_unit_test(test_a_restart_finds_out_about_the_commit),
        cmocka_unit_test(test_a_restart_finishes_what_was_decided),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
