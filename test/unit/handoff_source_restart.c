/* What is done after a restart, from the last record of the journal. */
#include "handoff/source.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "handoff_source_bench.h"

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_restart_with_the_guest_here_begins_the_next_epoch),
        cmocka_unit_test(test_a_restart_after_the_switch_carries_nothing),
        cmocka_unit_test(test_a_blind_restart_costs_nothing_of_what_qemu_brings),
        cmocka_unit_test(test_a_restart_without_qemu_gives_up),
        cmocka_unit_test(test_a_restart_after_the_seal_says_it_again),
        cmocka_unit_test(test_a_restart_finishes_what_was_decided),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
