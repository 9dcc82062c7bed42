/* The whole hand-over between two real QEMUs, and what a destination refuses. */
#include "watcher.h"

#include <unistd.h>

static const char *const disks[] = {"vda", NULL};

static const char *ours(const char *what)
{
    static char names[8][96];
    static unsigned next;
    char *name = names[next++ % 8];

    (void)snprintf(name, sizeof names[0], OURS "1.%s", what);
    return name;
}

static json_t *unix_address(const struct rig *rig, const char *name)
{
    return json_pack("{s:s, s:{s:s}}", "type", "unix", "data", "path", rig_path(rig, name));
}

static struct vm *start_source(struct rig *rig)
{
    struct vm *vm = &rig->vms[0];

    rig_make_image(rig, "a.qcow2");
    vm_start(vm, NULL);
    vm_add_guest_disk(vm, "vda", "a.qcow2");
    vm_do(vm, "migrate-set-capabilities",
          json_pack("{s:[{s:s, s:b}]}", "capabilities", "capability", "pause-before-switchover",
                    "state", 1));
    return vm;
}

static struct vm *start_destination(struct rig *rig, bool with_server)
{
    struct vm *vm = &rig->vms[1];

    rig_make_image(rig, "b.qcow2");
    vm_start(vm, (const char *const[]){"-incoming", "defer", NULL});
    vm_add_disk(vm, "vda", "b.qcow2");
    if (!with_server)
        return vm;
    vm_do(vm, "nbd-server-start", json_pack("{s:o}", "addr", unix_address(rig, "nbd")));
    vm_do(vm, "block-export-add",
          json_pack("{s:s, s:s, s:s, s:s, s:b}", "type", "nbd", "id", "copy", "node-name", "vda",
                    "name", "vda", "writable", 1));
    return vm;
}

static void start_mirror(struct vm *source)
{
    vm_do(source, "blockdev-add",
          json_pack("{s:s, s:s, s:s, s:{s:s, s:s}}", "driver", "nbd", "node-name", "peer", "export",
                    "vda", "server", "type", "unix", "path", rig_path(source->rig, "nbd")));
    vm_do(source, "blockdev-mirror",
          json_pack("{s:s, s:s, s:s, s:s}", "job-id", "copy-vda", "device", "vda", "target", "peer",
                    "sync", "full"));
}

static void spill(struct vm *vm, const char *bitmap, const char *name)
{
    const struct bf_live_spill_item item = {
        .node = "vda", .bitmap = bitmap, .name = name, .granularity_bytes = GRANULE_BYTES};
    const struct bf_live_spill spill_to = {.path = rig_path(vm->rig, "carrier"),
                                           .size_bytes = DISK_BYTES,
                                           .items = &item,
                                           .nr_items = 1};
    struct outcome outcome = {.done = false};

    assert_int_equal(
        bf_live_spill(vm->live, &spill_to, AMPLE_MS, outcome_take, &outcome, NULL, NULL), 0);
    expect_done(vm, &outcome);
}

static void start_load(struct vm *vm, const char *name, struct outcome *outcome)
{
    const struct bf_live_load_item item = {
        .name = name, .bitmap = ours("snapshot.0"), .granularity_bytes = GRANULE_BYTES};
    const struct bf_live_load load = {
        .path = rig_path(vm->rig, "carrier"), .node = "vda", .items = &item, .nr_items = 1};

    *outcome = (struct outcome){.done = false};
    assert_int_equal(bf_live_load(vm->live, &load, AMPLE_MS, outcome_take, outcome, NULL, NULL), 0);
}

static void record(struct vm *vm, const char *name)
{
    struct bf_live_actions actions;

    bf_live_actions_begin(&actions);
    bf_live_actions_record(&actions, "vda", name, GRANULE_BYTES);
    run_actions(vm, &actions);
}

static void publish(struct vm *vm, const char *name, bool persistent)
{
    const struct bf_live_publish wanted = {
        .final = {.node = "vda",
                  .name = name,
                  .granularity_bytes = GRANULE_BYTES,
                  .recording = true,
                  .persistent = persistent},
        .snapshot = ours("snapshot.0"),
        .tracker = ours("tracker.0"),
    };
    struct bf_live_actions actions;

    bf_live_actions_begin(&actions);
    bf_live_actions_publish(&actions, &wanted);
    bf_live_actions_remove(&actions, "vda", ours("tracker.0"));
    run_actions(vm, &actions);
}

/* From `pre-switchover` to the guest running there, as an orchestrator does it. */
static void switch_over(struct watcher *there, struct watcher *here)
{
    struct rig *rig = here->vm->rig;

    vm_do(there->vm, "migrate-incoming",
          json_pack("{s:o}", "uri", json_sprintf("unix:%s", rig_path(rig, "ram"))));
    vm_do(here->vm, "migrate",
          json_pack("{s:o}", "uri", json_sprintf("unix:%s", rig_path(rig, "ram"))));
    watcher_await_migration(here, BF_LIVE_MIGRATION_PRE_SWITCHOVER);
    vm_do(here->vm, "block-job-cancel", json_pack("{s:s}", "device", "copy-vda"));
    assert_true(watcher_await(here, BF_LIVE_MIRROR_GONE)->fact.clean);
    vm_do(here->vm, "migrate-continue", json_pack("{s:s}", "state", "pre-switchover"));
    watcher_await_migration(here, BF_LIVE_MIGRATION_COMPLETED);
    (void)watcher_await(there, BF_LIVE_GUEST_RUNS);
}

static void a_bitmap_is_handed_over_with_the_guests_writes(void **state)
{
    struct rig *rig = *state;
    struct vm *source = start_source(rig);
    struct vm *dest = start_destination(rig, true);
    struct watcher here, there;
    struct bf_live_measure snapshot_there, snapshot_here, final;
    struct outcome outcome;

    vm_add_bitmap(source, "vda", "chk", true, true);
    vm_write(source, "guest-vda", 10, 20);
    watcher_start(&here, source, disks);
    watcher_start(&there, dest, (const char *const[]){NULL});
    start_mirror(source);
    (void)watcher_await(&here, BF_LIVE_MIRROR_READY);
    record(dest, ours("tracker.0"));
    assert_false(bf_live_watch_guest_ran(there.watch));
    vm_write(source, "guest-vda", 100, 3);
    snapshot(source, "vda", ours("snapshot.0"), "chk");
    vm_write(source, "guest-vda", 200, 5);
    spill(source, ours("snapshot.0"), "chk");
    start_load(dest, "chk", &outcome);
    expect_done(dest, &outcome);
    snapshot_here = measure_one(source, "vda", ours("snapshot.0"));
    snapshot_there = measure_one(dest, "vda", ours("snapshot.0"));
    assert_int_equal(snapshot_here.summary.nr_dirty_bits, 23);
    assert_true(snapshot_here.digested && snapshot_there.digested);
    assert_true(bf_summary_equal(&snapshot_here.summary, &snapshot_there.summary));
    assert_false(measure_one(dest, "vda", "chk").found);

    switch_over(&there, &here);
    vm_write(dest, "vda", 300, 7);
    publish(dest, "chk", true);
    final = measure_one(dest, "vda", "chk");
    assert_true(final.recording && final.persistent);
    assert_int_equal(final.summary.nr_dirty_bits, 20 + 3 + 5 + 7);
    expect_nothing_of_ours(dest);
    vm_write(dest, "vda", 400, 1);
    assert_int_equal(measure_one(dest, "vda", "chk").summary.nr_dirty_bits, 36);
    clean(source);
    expect_nothing_of_ours(source);
    watcher_stop(&here);
    watcher_stop(&there);
}

/* What the source has at the end, to the bit: its digest after the same writes. */
static void the_handed_over_bitmap_has_the_sources_digest(void **state)
{
    struct rig *rig = *state;
    struct vm *source = start_source(rig);
    struct vm *dest = start_destination(rig, true);
    struct watcher here, there;
    struct bf_live_measure before, after;
    struct outcome outcome;

    vm_add_bitmap(source, "vda", "chk", true, true);
    vm_write(source, "guest-vda", 10, 20);
    watcher_start(&here, source, disks);
    watcher_start(&there, dest, (const char *const[]){NULL});
    start_mirror(source);
    (void)watcher_await(&here, BF_LIVE_MIRROR_READY);
    record(dest, ours("tracker.0"));
    snapshot(source, "vda", ours("snapshot.0"), "chk");
    vm_write(source, "guest-vda", 700, 11);
    before = measure_one(source, "vda", "chk");
    spill(source, ours("snapshot.0"), "chk");
    start_load(dest, "chk", &outcome);
    expect_done(dest, &outcome);
    clean(source);
    switch_over(&there, &here);
    publish(dest, "chk", false);
    after = measure_one(dest, "vda", "chk");
    assert_false(after.persistent);
    assert_true(before.digested && bf_summary_equal(&before.summary, &after.summary));
    watcher_stop(&here);
    watcher_stop(&there);
}

static void an_incoming_qemu_without_an_nbd_server_loads_too(void **state)
{
    struct rig *rig = *state;
    struct vm *source = start_source(rig);
    struct vm *dest = start_destination(rig, false);
    struct outcome outcome;

    vm_add_bitmap(source, "vda", "chk", true, true);
    vm_write(source, "guest-vda", 0, 9);
    snapshot(source, "vda", ours("snapshot.0"), "chk");
    spill(source, ours("snapshot.0"), "chk");
    start_load(dest, "chk", &outcome);
    expect_done(dest, &outcome);
    assert_int_equal(measure_one(dest, "vda", ours("snapshot.0")).summary.nr_dirty_bits, 9);
    vm_do(dest, "nbd-server-start", json_pack("{s:o}", "addr", unix_address(rig, "nbd")));
    vm_do(dest, "nbd-server-stop", NULL);
    clean(dest);
    expect_nothing_of_ours(dest);
}

static void a_refused_load_leaves_nothing(void **state)
{
    struct rig *rig = *state;
    struct vm *source = start_source(rig);
    struct vm *dest = start_destination(rig, true);
    struct outcome outcome;

    vm_add_bitmap(source, "vda", "chk", true, false);
    spill(source, "chk", "chk");
    start_load(dest, "other", &outcome);
    expect_end(dest, &outcome, BF_LIVE_REFUSED, BF_E_QMP_ERROR, "'other' not found");
    expect_nothing_of_ours(dest);
    rig_run((const char *const[]){"truncate", "-s", "70000", rig_path(rig, "carrier"), NULL});
    start_load(dest, "chk", &outcome);
    outcome_await(dest, &outcome);
    assert_int_equal(outcome.end, BF_LIVE_REFUSED);
    expect_nothing_of_ours(dest);
}

static void a_load_into_a_killed_qemu_ends_unknown(void **state)
{
    struct rig *rig = *state;
    struct vm *source = start_source(rig);
    struct vm *dest = start_destination(rig, true);
    struct outcome outcome;

    vm_add_bitmap(source, "vda", "chk", true, false);
    spill(source, "chk", "chk");
    vm_signal(dest, SIGSTOP);
    start_load(dest, "chk", &outcome);
    vm_signal(dest, SIGKILL);
    expect_end(dest, &outcome, BF_LIVE_UNKNOWN, BF_E_PEER, "'blockdev-add' was under way");
    (void)unlink(rig_path(rig, "nbd"));
}

int main(void)
{
#define RIG_TEST(test) cmocka_unit_test_setup_teardown(test, rig_set_up, rig_tear_down)
    const struct CMUnitTest tests[] = {
        RIG_TEST(a_bitmap_is_handed_over_with_the_guests_writes),
        RIG_TEST(the_handed_over_bitmap_has_the_sources_digest),
        RIG_TEST(an_incoming_qemu_without_an_nbd_server_loads_too),
        RIG_TEST(a_refused_load_leaves_nothing),
        RIG_TEST(a_load_into_a_killed_qemu_ends_unknown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
