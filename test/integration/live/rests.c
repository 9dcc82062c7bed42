/* Operations that leave QEMU's main loop to the guest between their commands. */
#include "rig.h"

/* Merges of 16.7 M bits take milliseconds: long enough for a rest behind each. */
static void start_with_a_large_disk(struct vm *vm)
{
    const char *const create[] = {
        "qemu-img", "create", "-q", "-f", "qcow2", rig_path(vm->rig, "large.qcow2"), "1T", NULL};

    rig_run(create);
    vm_start(vm, NULL);
    vm_add_disk(vm, "vda", "large.qcow2");
    vm_add_bitmap(vm, "vda", "chk", false, true);
    vm_write(vm, "vda", 3, 5);
    bf_live_set_rests(vm->live, true);
}

/* Copies of "chk", one after the other: "a", "b", ... */
static void begin_copies(struct vm *vm, unsigned nr_copies, size_t *at, struct outcome *outcome)
{
    struct bf_live_actions actions;

    bf_live_actions_begin(&actions);
    for (unsigned i = 0; i < nr_copies; i++) {
        const char name[] = {(char)('a' + i), '\0'};

        bf_live_actions_snapshot(&actions, "vda", name, "chk", GRANULE_BYTES);
    }
    assert_int_equal(
        bf_live_run_each(vm->live, &actions, at, AMPLE_MS, outcome_take, outcome, NULL), 0);
}

static void what_rests_goes_on_where_it_was(void **state)
{
    struct rig *rig = *state;
    struct vm *vm = &rig->vms[0];
    struct outcome outcome = {.done = false};
    size_t at = 0;

    start_with_a_large_disk(vm);
    begin_copies(vm, 3, &at, &outcome);
    expect_done(vm, &outcome);
    assert_int_equal(at, 6);
    assert_int_equal(measure_one(vm, "vda", "a").summary.nr_dirty_bits, 5);
    assert_int_equal(measure_one(vm, "vda", "b").summary.nr_dirty_bits, 5);
    assert_int_equal(measure_one(vm, "vda", "c").summary.nr_dirty_bits, 5);
}

/* The next operation begins with a rest, while another waits already. */
static void operations_side_by_side_rest_too(void **state)
{
    struct rig *rig = *state;
    struct vm *vm = &rig->vms[0];
    struct outcome one = {.done = false};
    struct outcome two = {.done = false};
    struct bf_live_actions actions;
    size_t at = 0;

    start_with_a_large_disk(vm);
    begin_copies(vm, 2, &at, &one);
    bf_live_actions_begin(&actions);
    bf_live_actions_snapshot(&actions, "vda", "other", "chk", GRANULE_BYTES);
    assert_int_equal(bf_live_run(vm->live, &actions, AMPLE_MS, outcome_take, &two, NULL), 0);
    expect_done(vm, &one);
    expect_done(vm, &two);
    snapshot(vm, "vda", "last", "chk");
    assert_int_equal(measure_one(vm, "vda", "b").summary.nr_dirty_bits, 5);
    assert_int_equal(measure_one(vm, "vda", "other").summary.nr_dirty_bits, 5);
    assert_int_equal(measure_one(vm, "vda", "last").summary.nr_dirty_bits, 5);
}

/* Closed behind the first, second, ... answer: before each further command there is a rest. */
static void an_operation_ends_with_its_session(void **state)
{
    struct rig *rig = *state;
    struct vm *vm = &rig->vms[0];

    start_with_a_large_disk(vm);
    for (size_t nr_answers = 1; nr_answers < 6; nr_answers++) {
        struct outcome outcome = {.done = false};
        size_t at = 0;

        begin_copies(vm, 4, &at, &outcome);
        while (at < nr_answers)
            (void)uv_run(&rig->loop, UV_RUN_ONCE);
        vm_close(vm);
        expect_end(vm, &outcome, BF_LIVE_UNKNOWN, BF_E_INTERRUPTED, "");
        assert_int_equal(at, nr_answers);
        vm_signal(vm, SIGKILL);
        vm_start(vm, NULL);
        vm_add_disk(vm, "vda", "large.qcow2");
        vm_add_bitmap(vm, "vda", "chk", false, true);
        bf_live_set_rests(vm->live, true);
    }
}

int main(void)
{
#define RIG_TEST(test) cmocka_unit_test_setup_teardown(test, rig_set_up, rig_tear_down)
    const struct CMUnitTest tests[] = {
        RIG_TEST(what_rests_goes_on_where_it_was),
        RIG_TEST(operations_side_by_side_rest_too),
        RIG_TEST(an_operation_ends_with_its_session),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
