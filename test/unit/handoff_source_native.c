/* Where QEMU brings the bitmaps itself, and all that travels is a proof. */
#include "handoff/source.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "handoff_source_bench.h"

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_qemu_brings_is_proven_by_snapshot_and_delta),
        cmocka_unit_test(test_without_its_proof_nothing_that_qemu_brings_is_dropped),
        cmocka_unit_test(test_a_silent_destination_costs_the_proof_alone),
        cmocka_unit_test(test_no_snapshot_is_taken_once_the_guest_has_left),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
