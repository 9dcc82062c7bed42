#include "handoff_dest_bench.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

const uint8_t all_snapshots[BITMAPS] = {BF_FOUND_SNAPSHOT, BF_FOUND_SNAPSHOT, BF_FOUND_SNAPSHOT};
const uint8_t all_finals[BITMAPS] = {BF_FOUND_FINAL, BF_FOUND_FINAL, BF_FOUND_FINAL};

void fill(struct bench *bench)
{
    static const struct bf_handoff_bitmap offer[BITMAPS] = {
        {.disk = 0}, {.disk = 0, .recording = true}, {.disk = 1, .recording = true}};

    memset(bench, 0, sizeof *bench);
    memcpy(bench->bitmaps, offer, sizeof offer);
}

void begin(struct bench *bench)
{
    fill(bench);
    assert_int_equal(bf_dest_init(&bench->dest, 1, bench->bitmaps, BITMAPS, NULL), 0);
}

void expect_wish(struct bench *bench, enum bf_dest_wish_kind kind)
{
    assert_true(bf_dest_next(&bench->dest, &bench->wish));
    assert_int_equal(bench->wish.kind, kind);
}

void expect_word(struct bench *bench, enum bf_step step)
{
    expect_wish(bench, BF_DEST_SAY);
    assert_int_equal(bench->wish.word.step, step);
    assert_int_equal(bench->wish.word.epoch, bench->dest.epoch);
}

void expect_record(struct bench *bench, enum bf_mark mark)
{
    expect_wish(bench, BF_DEST_JOURNAL);
    assert_int_equal(bench->wish.record.mark, mark);
    assert_false(bf_dest_next(&bench->dest, &bench->wish)); /* nothing before it is durable */
}

void expect_nothing(struct bench *bench)
{
    assert_false(bf_dest_next(&bench->dest, &bench->wish));
}

void feed(struct bench *bench, struct bf_dest_fact fact)
{
    fact.ticket = bench->dest.ticket;
    assert_int_equal(bf_dest_feed(&bench->dest, &fact, NULL), 0);
}

void tell(struct bench *bench, enum bf_dest_fact_kind kind)
{
    feed(bench, (struct bf_dest_fact){.kind = kind});
}

void hear(struct bench *bench, uint32_t epoch, enum bf_step step)
{
    feed(bench,
         (struct bf_dest_fact){.kind = BF_DEST_HEARD, .word = {.epoch = epoch, .step = step}});
}

void do_wish(struct bench *bench, enum bf_dest_wish_kind kind)
{
    expect_wish(bench, kind);
    tell(bench, BF_DEST_DONE);
}

void write_record(struct bench *bench, enum bf_mark mark)
{
    expect_record(bench, mark);
    tell(bench, BF_DEST_DONE);
}

void accept_offer(struct bench *bench)
{
    write_record(bench, BF_MARK_BEGUN);
    do_wish(bench, BF_DEST_CLEAN);
    expect_wish(bench, BF_DEST_INSPECT);
    tell(bench, BF_DEST_INSPECTED);
    expect_word(bench, BF_STEP_OFFER);
    expect_nothing(bench);
}

void load(struct bench *bench, enum bf_step step, enum bf_round round)
{
    hear(bench, 1, step);
    expect_wish(bench, BF_DEST_PULL);
    assert_int_equal(bench->wish.round, round);
    tell(bench, BF_DEST_DONE);
    do_wish(bench, BF_DEST_LOAD);
    expect_word(bench, step);
    expect_nothing(bench);
}

void arm(struct bench *bench)
{
    hear(bench, 1, BF_STEP_ARM);
    expect_wish(bench, BF_DEST_ARM);
    feed(bench, (struct bf_dest_fact){.kind = BF_DEST_DONE, .before_guest = true});
    write_record(bench, BF_MARK_ARMED);
    expect_word(bench, BF_STEP_ARM);
}

void load_all(struct bench *bench)
{
    begin(bench);
    accept_offer(bench);
    load(bench, BF_STEP_FROZEN, BF_ROUND_FROZEN);
    load(bench, BF_STEP_RECORDING, BF_ROUND_RECORDING);
    arm(bench);
}

void found_all(struct bench *bench, const uint8_t *found)
{
    expect_wish(bench, BF_DEST_INSPECT);
    feed(bench, (struct bf_dest_fact){.kind = BF_DEST_INSPECTED,
                                      .found = found,
                                      .trackers_found = true,
                                      .guest_runs = true});
}

void go_to_commit(struct bench *bench)
{
    load_all(bench);
    hear(bench, 1, BF_STEP_SEAL);
    expect_nothing(bench); /* not before the guest runs here */
    tell(bench, BF_DEST_GUEST_RUNS);
    found_all(bench, all_snapshots);
    write_record(bench, BF_MARK_COMMITTING);
    expect_wish(bench, BF_DEST_COMMIT);
}

void expect_drops(const struct bench *bench, enum bf_drop a, enum bf_drop b, enum bf_drop c)
{
    assert_int_equal(bench->bitmaps[0].drop, a);
    assert_int_equal(bench->bitmaps[1].drop, b);
    assert_int_equal(bench->bitmaps[2].drop, c);
}

void go_to_committed(struct bench *bench)
{
    do_wish(bench, BF_DEST_READ_BACK);
    do_wish(bench, BF_DEST_CLEAN);
    write_record(bench, BF_MARK_COMMITTED);
    expect_word(bench, BF_STEP_SEAL);
    assert_int_equal(bench->dest.outcome, BF_OUTCOME_COMMITTED);
}

void expect_undo(struct bench *bench, enum bf_drop reason)
{
    do_wish(bench, BF_DEST_UNDO);
    write_record(bench, BF_MARK_ENDED);
    expect_word(bench, BF_STEP_ABORT);
    assert_int_equal(bench->dest.outcome, BF_OUTCOME_ABORTED);
    assert_int_equal(bench->dest.reason, reason);
    for (unsigned i = 0; i < BITMAPS; i++)
        assert_int_not_equal(bench->bitmaps[i].drop, BF_DROP_NONE);
}
