/* The source's side on a real QEMU: snapshot, spill, what is refused, what is left. */
#include "rig.h"

#include <unistd.h>

static const char *ours(const char *what)
{
    static char names[8][96];
    static unsigned next;
    char *name = names[next++ % 8];

    (void)snprintf(name, sizeof names[0], OURS "1.%s", what);
    return name;
}

static struct vm *start_with_disk(struct rig *rig)
{
    struct vm *vm = &rig->vms[0];

    rig_make_image(rig, "a.qcow2");
    vm_start(vm, NULL);
    vm_add_disk(vm, "vda", "a.qcow2");
    return vm;
}

static int start_spill(struct vm *vm, const struct bf_live_spill_item *items, uint32_t nr_items,
                       uint64_t deadline_ms, struct outcome *outcome, struct bf_live_op **ret_op,
                       struct bf_error *err)
{
    const struct bf_live_spill spill = {
        .path = rig_path(vm->rig, "carrier"),
        .size_bytes = DISK_BYTES,
        .items = items,
        .nr_items = nr_items,
    };

    return bf_live_spill(vm->live, &spill, deadline_ms, outcome_take, outcome, ret_op, err);
}

static struct bf_live_spill_item item_of(const char *bitmap, const char *name)
{
    return (struct bf_live_spill_item){.node = "vda",
                                       .bitmap = bitmap,
                                       .name = name,
                                       .granularity_bytes = GRANULE_BYTES,
                                       .recording = true};
}

static struct bf_summary read_summary(const char *path, const char *name)
{
    BF_CLEANUP(bf_reader_freep) struct bf_reader *reader = NULL;
    struct bf_error err = BF_ERROR_INIT;
    struct bf_summary summary = {.nr_dirty_bits = 0};
    struct bf_bits bits;
    uint32_t index;

    if (bf_reader_open_path(path, 0, &reader, &err) < 0 ||
        bf_reader_find(reader, name, &index, &err) < 0 ||
        bf_reader_bits(reader, index, &bits, &err) < 0 ||
        bf_bits_summarize(&bits, NULL, &summary, &err) < 0)
        fail_msg("%s", err.text);
    assert_int_equal(bits.geometry.disk_size_bytes, DISK_BYTES);
    return summary;
}

static void a_spilled_snapshot_has_qemus_digest(void **state)
{
    struct vm *vm = start_with_disk(*state);
    struct outcome outcome = {.done = false};
    struct bf_live_measure first, second, own;
    struct bf_live_spill_item items[2];
    struct bf_summary summary;

    vm_add_bitmap(vm, "vda", "first", true, true);
    vm_write(vm, "vda", 1, 5);
    vm_add_bitmap(vm, "vda", "second", false, true);
    vm_write(vm, "vda", 500, 30);
    snapshot(vm, "vda", ours("snapshot.0"), "first");
    snapshot(vm, "vda", ours("snapshot.1"), "second");
    vm_write(vm, "vda", 900, 1);

    items[0] = item_of(ours("snapshot.0"), "first");
    items[1] = item_of(ours("snapshot.1"), "second");
    assert_int_equal(start_spill(vm, items, 2, AMPLE_MS, &outcome, NULL, NULL), 0);
    expect_done(vm, &outcome);

    first = measure_one(vm, "vda", ours("snapshot.0"));
    second = measure_one(vm, "vda", ours("snapshot.1"));
    own = measure_one(vm, "vda", "first");
    assert_true(first.digested && !first.recording && !first.persistent);
    assert_int_equal(first.summary.nr_dirty_bits, 35);
    assert_int_equal(second.summary.nr_dirty_bits, 30);
    assert_int_equal(own.summary.nr_dirty_bits, 36);
    assert_true(own.recording && own.persistent);
    summary = read_summary(rig_path(vm->rig, "carrier"), "first");
    assert_true(bf_summary_equal(&summary, &first.summary));
    summary = read_summary(rig_path(vm->rig, "carrier"), "second");
    assert_true(bf_summary_equal(&summary, &second.summary));
    rig_run((const char *const[]){"qemu-img", "check", "-q", rig_path(vm->rig, "carrier"), NULL});
    clean(vm);
    expect_nothing_of_ours(vm);
    assert_true(measure_one(vm, "vda", "first").found);
    assert_true(measure_one(vm, "vda", "second").found);
}

static void a_delta_begins_in_the_snapshots_transaction(void **state)
{
    struct vm *vm = start_with_disk(*state);
    struct bf_live_actions actions;

    vm_add_bitmap(vm, "vda", "chk", true, true);
    vm_write(vm, "vda", 0, 4);
    bf_live_actions_begin(&actions);
    bf_live_actions_snapshot(&actions, "vda", ours("snapshot.0"), "chk", GRANULE_BYTES);
    bf_live_actions_record(&actions, "vda", ours("delta.0"), GRANULE_BYTES);
    run_actions(vm, &actions);
    vm_write(vm, "vda", 10, 3);
    bf_live_actions_begin(&actions);
    bf_live_actions_disable(&actions, "vda", ours("delta.0"));
    run_actions(vm, &actions);
    vm_write(vm, "vda", 20, 1);
    assert_int_equal(measure_one(vm, "vda", ours("snapshot.0")).summary.nr_dirty_bits, 4);
    assert_int_equal(measure_one(vm, "vda", ours("delta.0")).summary.nr_dirty_bits, 3);
}

static void try_snapshot(struct vm *vm, const char *node, const char *good, const char *source,
                         struct outcome *outcome)
{
    struct bf_live_actions actions;

    *outcome = (struct outcome){.done = false};
    bf_live_actions_begin(&actions);
    bf_live_actions_snapshot(&actions, "vda", ours("snapshot.0"), good, GRANULE_BYTES);
    bf_live_actions_snapshot(&actions, node, ours("snapshot.1"), source, GRANULE_BYTES);
    assert_int_equal(bf_live_run(vm->live, &actions, AMPLE_MS, outcome_take, outcome, NULL), 0);
}

static json_t *export_of(const char *bitmap)
{
    return json_pack("{s:s, s:s, s:s, s:s, s:[s]}", "type", "nbd", "id", "backup", "node-name",
                     "vda", "name", "backup", "bitmaps", bitmap);
}

static void a_refused_snapshot_names_the_bitmap_and_leaves_nothing(void **state)
{
    struct vm *vm = start_with_disk(*state);
    struct outcome outcome;

    vm_add_bitmap(vm, "vda", "good", true, true);
    vm_add_bitmap(vm, "vda", "held", true, false);
    try_snapshot(vm, "vda", "good", "nosuch", &outcome);
    expect_end(vm, &outcome, BF_LIVE_REFUSED, BF_E_QMP_ERROR, "'nosuch' not found");
    try_snapshot(vm, "lost", "good", "good", &outcome);
    expect_end(vm, &outcome, BF_LIVE_REFUSED, BF_E_QMP_ERROR, "node-name='lost'");
    vm_do(vm, "nbd-server-start",
          json_pack("{s:{s:s, s:{s:s}}}", "addr", "type", "unix", "data", "path",
                    rig_path(vm->rig, "nbd")));
    vm_do(vm, "block-export-add", export_of("held"));
    assert_true(measure_one(vm, "vda", "held").busy);
    try_snapshot(vm, "vda", "good", "held", &outcome);
    expect_end(vm, &outcome, BF_LIVE_REFUSED, BF_E_BITMAP_BUSY, "'held'");
    expect_nothing_of_ours(vm);
    vm_do(vm, "nbd-server-stop", NULL);
}

static void an_inconsistent_bitmap_is_seen_and_refused(void **state)
{
    struct vm *vm = start_with_disk(*state);
    struct outcome outcome;
    struct bf_live_measure torn;

    vm_add_bitmap(vm, "vda", "torn", true, true);
    vm_do(vm, "blockdev-del", json_pack("{s:s}", "node-name", "vda"));
    vm_add_disk(vm, "vda", "a.qcow2");
    vm_signal(vm, SIGKILL);
    vm_close(vm);
    assert_int_equal(unlink(vm->socket_path), 0);
    vm_start(vm, NULL);
    vm_add_disk(vm, "vda", "a.qcow2");
    vm_add_bitmap(vm, "vda", "good", true, true);
    torn = measure_one(vm, "vda", "torn");
    assert_true(torn.found && torn.inconsistent && !torn.digested);
    try_snapshot(vm, "vda", "good", "torn", &outcome);
    expect_end(vm, &outcome, BF_LIVE_REFUSED, BF_E_QMP_ERROR, "'torn' is inconsistent");
    expect_nothing_of_ours(vm);
}

static void a_name_that_is_not_utf8_is_refused_at_once(void **state)
{
    struct vm *vm = start_with_disk(*state);
    struct outcome outcome = {.done = false};
    const struct bf_live_spill_item item = item_of("good", "b\xff");
    struct bf_live_actions actions;
    struct bf_error err = BF_ERROR_INIT;

    bf_live_actions_begin(&actions);
    bf_live_actions_remove(&actions, "vda", "b\xff");
    assert_true(bf_live_run(vm->live, &actions, AMPLE_MS, outcome_take, &outcome, &err) < 0);
    assert_int_equal(err.code, BF_E_UNSUPPORTED);
    bf_error_clear(&err);
    assert_true(start_spill(vm, &item, 1, AMPLE_MS, &outcome, NULL, &err) < 0);
    assert_int_equal(err.code, BF_E_UNSUPPORTED);
    assert_int_equal(access(rig_path(vm->rig, "carrier"), F_OK), -1);
}

static void a_failed_spill_leaves_neither_node_nor_file(void **state)
{
    struct vm *vm = start_with_disk(*state);
    struct outcome outcome = {.done = false};
    struct bf_live_spill_item items[2] = {item_of("good", "good"), item_of("nosuch", "b")};
    struct bf_error err = BF_ERROR_INIT;

    vm_add_bitmap(vm, "vda", "good", true, false);
    assert_int_equal(start_spill(vm, items, 2, AMPLE_MS, &outcome, NULL, NULL), 0);
    assert_true(start_spill(vm, items, 1, AMPLE_MS, &outcome, NULL, &err) < 0);
    assert_int_equal(err.code, BF_E_EXISTS);
    expect_end(vm, &outcome, BF_LIVE_REFUSED, BF_E_QMP_ERROR, "'nosuch' not found");
    expect_nothing_of_ours(vm);
    assert_int_equal(access(rig_path(vm->rig, "carrier"), F_OK), -1);
}

static void a_stopped_spill_leaves_neither_node_nor_file(void **state)
{
    struct vm *vm = start_with_disk(*state);
    struct outcome outcome = {.done = false};
    const struct bf_live_spill_item item = item_of("good", "good");
    struct bf_live_op *op = NULL;

    vm_add_bitmap(vm, "vda", "good", true, false);
    assert_int_equal(start_spill(vm, &item, 1, AMPLE_MS, &outcome, &op, NULL), 0);
    bf_live_op_stop(op);
    expect_end(vm, &outcome, BF_LIVE_REFUSED, BF_E_INTERRUPTED, "stopped");
    expect_nothing_of_ours(vm);
    assert_int_equal(access(rig_path(vm->rig, "carrier"), F_OK), -1);
}

static void a_killed_qemu_leaves_the_end_unknown(void **state)
{
    struct vm *vm = start_with_disk(*state);
    struct outcome outcome = {.done = false};
    const struct bf_live_spill_item item = item_of("good", "good");

    vm_add_bitmap(vm, "vda", "good", true, false);
    vm_signal(vm, SIGSTOP);
    assert_int_equal(start_spill(vm, &item, 1, AMPLE_MS, &outcome, NULL, NULL), 0);
    vm_signal(vm, SIGKILL);
    expect_end(vm, &outcome, BF_LIVE_UNKNOWN, BF_E_PEER, "while 'blockdev-add' was under way");
}

static void a_silent_qemu_leaves_the_end_unknown_until_it_is_cleaned(void **state)
{
    struct vm *vm = start_with_disk(*state);
    struct outcome outcome = {.done = false};
    const struct bf_live_spill_item item = item_of("good", "good");

    vm_add_bitmap(vm, "vda", "good", true, false);
    vm_signal(vm, SIGSTOP);
    assert_int_equal(start_spill(vm, &item, 1, SHORT_MS, &outcome, NULL, NULL), 0);
    expect_end(vm, &outcome, BF_LIVE_UNKNOWN, BF_E_DEADLINE, "'blockdev-add' within");
    vm_close(vm);
    vm_signal(vm, SIGCONT);
    vm_open(vm, RIG_UUID, NULL);
    assert_string_equal(vm->ready_err.text, "");
    clean(vm);
    expect_nothing_of_ours(vm);
    assert_true(measure_one(vm, "vda", "good").found);
}

static void closing_the_session_ends_what_is_under_way(void **state)
{
    struct vm *vm = start_with_disk(*state);
    struct outcome outcome = {.done = false};
    struct bf_live_actions actions;

    bf_live_actions_begin(&actions);
    bf_live_actions_record(&actions, "vda", ours("tracker.0"), GRANULE_BYTES);
    assert_int_equal(bf_live_run(vm->live, &actions, AMPLE_MS, outcome_take, &outcome, NULL), 0);
    vm_close(vm);
    assert_true(outcome.done);
    assert_int_equal(outcome.end, BF_LIVE_UNKNOWN);
    assert_int_equal(outcome.err.code, BF_E_INTERRUPTED);
}

static void cleaning_goes_on_around_what_somebody_holds(void **state)
{
    struct vm *vm = start_with_disk(*state);
    struct outcome outcome = {.done = false};

    vm_add_bitmap(vm, "vda", "user", true, true);
    vm_add_bitmap(vm, "vda", "bitferry-tmp.other", false, true);
    vm_add_bitmap(vm, "vda", ours("snapshot.0"), false, false);
    vm_add_bitmap(vm, "vda", ours("snapshot.1"), false, false);
    vm_do(vm, "nbd-server-start",
          json_pack("{s:{s:s, s:{s:s}}}", "addr", "type", "unix", "data", "path",
                    rig_path(vm->rig, "nbd")));
    vm_do(vm, "block-export-add", export_of(ours("snapshot.0")));
    assert_int_equal(bf_live_clean(vm->live, OURS, AMPLE_MS, outcome_take, &outcome, NULL), 0);
    expect_end(vm, &outcome, BF_LIVE_REFUSED, BF_E_BITMAP_BUSY, "snapshot.0'");
    assert_false(measure_one(vm, "vda", ours("snapshot.1")).found);
    vm_do(vm, "nbd-server-stop", NULL);
    clean(vm);
    assert_false(measure_one(vm, "vda", ours("snapshot.0")).found);
    assert_true(measure_one(vm, "vda", "user").found);
    assert_true(measure_one(vm, "vda", "bitferry-tmp.other").found);
}

static void a_short_prefix_cleans_nothing(void **state)
{
    struct vm *vm = start_with_disk(*state);
    struct bf_error err = BF_ERROR_INIT;

    assert_true(bf_live_clean(vm->live, "", AMPLE_MS, outcome_take, NULL, &err) < 0);
    assert_int_equal(err.code, BF_E_INVALID);
}

int main(void)
{
#define RIG_TEST(test) cmocka_unit_test_setup_teardown(test, rig_set_up, rig_tear_down)
    const struct CMUnitTest tests[] = {
        RIG_TEST(a_spilled_snapshot_has_qemus_digest),
        RIG_TEST(a_delta_begins_in_the_snapshots_transaction),
        RIG_TEST(a_refused_snapshot_names_the_bitmap_and_leaves_nothing),
        RIG_TEST(an_inconsistent_bitmap_is_seen_and_refused),
        RIG_TEST(a_name_that_is_not_utf8_is_refused_at_once),
        RIG_TEST(a_failed_spill_leaves_neither_node_nor_file),
        RIG_TEST(a_stopped_spill_leaves_neither_node_nor_file),
        RIG_TEST(a_killed_qemu_leaves_the_end_unknown),
        RIG_TEST(a_silent_qemu_leaves_the_end_unknown_until_it_is_cleaned),
        RIG_TEST(closing_the_session_ends_what_is_under_way),
        RIG_TEST(cleaning_goes_on_around_what_somebody_holds),
        RIG_TEST(a_short_prefix_cleans_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
