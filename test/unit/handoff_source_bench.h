/** One machine of the source, and how its tests drive it.  Behind cmocka.h. */
#ifndef HANDOFF_SOURCE_BENCH_H
#define HANDOFF_SOURCE_BENCH_H

enum { BITMAPS = 3, DISKS = 2 };

/* A source with a frozen and a recording bitmap on disk 0 and a recording one on disk 1. */
struct bench {
    struct bf_source source;
    struct bf_source_disk disks[DISKS];
    struct bf_handoff_bitmap bitmaps[BITMAPS];
    struct bf_source_wish wish; /* the last one */
};

static inline void fill(struct bench *bench)
{
    static const struct bf_handoff_bitmap offer[BITMAPS] = {
        {.disk = 0}, {.disk = 0, .recording = true}, {.disk = 1, .recording = true}};

    memset(bench, 0, sizeof *bench);
    memcpy(bench->bitmaps, offer, sizeof offer);
}

static inline void begin(struct bench *bench, enum bf_handoff_kind kind)
{
    fill(bench);
    assert_int_equal(
        bf_source_init(&bench->source, kind, bench->bitmaps, BITMAPS, bench->disks, DISKS, NULL),
        0);
}

static inline void expect_wish(struct bench *bench, enum bf_source_wish_kind kind)
{
    assert_true(bf_source_next(&bench->source, &bench->wish));
    assert_int_equal(bench->wish.kind, kind);
}

static inline void expect_word(struct bench *bench, enum bf_step step)
{
    expect_wish(bench, BF_SOURCE_SAY);
    assert_int_equal(bench->wish.word.step, step);
    assert_int_equal(bench->wish.word.epoch, bench->source.epoch);
}

static inline void expect_record(struct bench *bench, enum bf_mark mark)
{
    expect_wish(bench, BF_SOURCE_JOURNAL);
    assert_int_equal(bench->wish.record.mark, mark);
    assert_int_equal(bench->wish.record.epoch, bench->source.epoch);
}

static inline void expect_nothing(struct bench *bench)
{
    assert_false(bf_source_next(&bench->source, &bench->wish));
}

static inline void feed(struct bench *bench, struct bf_source_fact fact)
{
    assert_int_equal(bf_source_feed(&bench->source, &fact, NULL), 0);
}

static inline void event(struct bench *bench, enum bf_source_fact_kind kind)
{
    feed(bench, (struct bf_source_fact){.kind = kind});
}

static inline void answer(struct bench *bench, enum bf_source_fact_kind kind)
{
    feed(bench, (struct bf_source_fact){.kind = kind, .ticket = bench->wish.ticket});
}

static inline void hear(struct bench *bench, enum bf_step step)
{
    feed(bench, (struct bf_source_fact){.kind = BF_SOURCE_HEARD,
                                        .word = {.epoch = bench->source.epoch, .step = step}});
}

static inline void do_wish(struct bench *bench, enum bf_source_wish_kind kind)
{
    expect_wish(bench, kind);
    answer(bench, BF_SOURCE_DONE);
}

static inline void ask(struct bench *bench, enum bf_step step)
{
    expect_word(bench, step);
    expect_nothing(bench);
    hear(bench, step);
}

static inline void go_to_offer(struct bench *bench)
{
    expect_record(bench, BF_MARK_BEGUN);
    expect_nothing(bench);
    answer(bench, BF_SOURCE_DONE);
    do_wish(bench, BF_SOURCE_CLEAN);
}

static inline void go_through_frozen(struct bench *bench)
{
    go_to_offer(bench);
    ask(bench, BF_STEP_OFFER);
    expect_wish(bench, BF_SOURCE_SNAPSHOT);
    assert_int_equal(bench->wish.round, BF_ROUND_FROZEN);
    answer(bench, BF_SOURCE_DONE);
    do_wish(bench, BF_SOURCE_SERVE);
    ask(bench, BF_STEP_FROZEN);
}

static inline void ready(struct bench *bench)
{
    expect_nothing(bench);
    feed(bench, (struct bf_source_fact){.kind = BF_SOURCE_MIRROR_READY, .disk = 0});
    expect_nothing(bench);
    feed(bench, (struct bf_source_fact){.kind = BF_SOURCE_MIRROR_READY, .disk = 1});
}

/* The snapshots travel while the mirrors copy. */
static inline void go_to_loaded(struct bench *bench)
{
    go_through_frozen(bench);
    expect_wish(bench, BF_SOURCE_SNAPSHOT);
    assert_int_equal(bench->wish.round, BF_ROUND_RECORDING);
    assert_true(bench->wish.with_delta);
    answer(bench, BF_SOURCE_DONE);
    do_wish(bench, BF_SOURCE_SERVE);
    ask(bench, BF_STEP_RECORDING);
}

static inline void go_to_drain(struct bench *bench)
{
    go_to_loaded(bench);
    ready(bench);
    ask(bench, BF_STEP_ARM);
    expect_wish(bench, BF_SOURCE_WATCH_DRAIN);
}

static inline void drain(struct bench *bench)
{
    for (uint32_t disk = 0; disk < DISKS; disk++) {
        expect_nothing(bench);
        feed(bench, (struct bf_source_fact){
                        .kind = BF_SOURCE_DRAINED, .ticket = bench->wish.ticket, .disk = disk});
    }
}

static inline void go_to_installed(struct bench *bench)
{
    go_to_drain(bench);
    drain(bench);
    expect_wish(bench, BF_SOURCE_SERVE);
    assert_int_equal(bench->wish.round, BF_ROUND_DELTA);
    answer(bench, BF_SOURCE_DONE);
    assert_int_equal(bf_source_milestone(&bench->source), BF_SOURCE_REACHED_NONE);
    ask(bench, BF_STEP_DELTA);
    assert_int_equal(bf_source_milestone(&bench->source), BF_SOURCE_REACHED_INSTALLED);
    expect_nothing(bench);
}

static inline void go_to_sealed(struct bench *bench)
{
    go_to_installed(bench);
    event(bench, BF_SOURCE_PAUSED);
    expect_wish(bench, BF_SOURCE_INSPECT);
    answer(bench, BF_SOURCE_INSPECTED);
    expect_nothing(bench);
    event(bench, BF_SOURCE_SWITCHED);
    expect_record(bench, BF_MARK_SEALED);
    expect_nothing(bench); /* not said before it is durable */
    answer(bench, BF_SOURCE_DONE);
    expect_word(bench, BF_STEP_SEAL);
}

static inline void expect_abort(struct bench *bench, enum bf_drop reason)
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

#endif
