/* Which facts are legal in which state, and what becomes of the others. */
#include "handoff/source.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "handoff_source_bench.h"

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_fact_in_every_state_is_taken_or_fails_the_move),
        cmocka_unit_test(test_late_answers_are_ignored),
        cmocka_unit_test(test_facts_from_outside_the_enums_are_refused),
        cmocka_unit_test(test_a_reason_from_a_newer_peer_still_drops),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
