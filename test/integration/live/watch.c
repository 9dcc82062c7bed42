/* What a watch tells of mirrors, migrations and guests of real QEMUs. */
#include "watcher.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static const char *const two_disks[] = {"vda", "vdb", NULL};
static const char *const no_disks[] = {NULL};

static struct vm *start_with_disks(struct rig *rig)
{
    struct vm *vm = &rig->vms[0];

    rig_make_image(rig, "a.qcow2");
    rig_make_image(rig, "b.qcow2");
    rig_make_image(rig, "copy.qcow2");
    vm_start(vm, NULL);
    vm_add_disk(vm, "vda", "a.qcow2");
    vm_add_guest_disk(vm, "vdb", "b.qcow2");
    return vm;
}

/* Its id tells nothing of the disk. */
static void start_mirror(struct vm *vm, const char *target)
{
    vm_do(vm, "blockdev-mirror",
          json_pack("{s:s, s:s, s:s, s:s}", "job-id", "job7", "device", "vdb", "target", target,
                    "sync", "full"));
}

static void a_mirror_is_ready_then_gone(void **state)
{
    struct vm *vm = start_with_disks(*state);
    struct watcher watcher;

    vm_add_disk(vm, "copy", "copy.qcow2");
    vm_write(vm, "guest-vdb", 0, 100);
    watcher_start(&watcher, vm, two_disks);
    start_mirror(vm, "copy");
    assert_int_equal(watcher_await(&watcher, BF_LIVE_MIRROR_READY)->fact.disk, 1);
    vm_do(vm, "block-job-cancel", json_pack("{s:s}", "device", "job7"));
    assert_true(watcher_await(&watcher, BF_LIVE_MIRROR_GONE)->fact.clean);
    watcher_go_on(&watcher, SHORT_MS);
    assert_null(watcher_take(&watcher, BF_LIVE_MIRROR_READY));
    assert_null(watcher_take(&watcher, BF_LIVE_MIRROR_ERROR));
    assert_null(watcher_take(&watcher, BF_LIVE_MIRROR_GONE));
    watcher_stop(&watcher);
}

static void a_mirror_that_was_ready_before_the_watch_is_told(void **state)
{
    struct vm *vm = start_with_disks(*state);
    struct watcher watcher;

    vm_add_disk(vm, "copy", "copy.qcow2");
    watcher_start(&watcher, vm, two_disks);
    start_mirror(vm, "copy");
    (void)watcher_await(&watcher, BF_LIVE_MIRROR_READY);
    watcher_stop(&watcher);
    watcher_start(&watcher, vm, two_disks);
    assert_int_equal(watcher_await(&watcher, BF_LIVE_MIRROR_READY)->fact.disk, 1);
    watcher_stop(&watcher);
}

/* As libvirt starts it: an ended job stays in the list until it is dismissed. */
static void a_mirror_that_is_not_dismissed_is_gone_once(void **state)
{
    struct vm *vm = start_with_disks(*state);
    struct watcher watcher;

    vm_add_disk(vm, "copy", "copy.qcow2");
    watcher_start(&watcher, vm, two_disks);
    vm_do(vm, "blockdev-mirror",
          json_pack("{s:s, s:s, s:s, s:s, s:b}", "job-id", "vdb", "device", "vdb", "target", "copy",
                    "sync", "full", "auto-dismiss", 0));
    (void)watcher_await(&watcher, BF_LIVE_MIRROR_READY);
    vm_do(vm, "block-job-cancel", json_pack("{s:s}", "device", "vdb"));
    assert_true(watcher_await(&watcher, BF_LIVE_MIRROR_GONE)->fact.clean);
    watcher_go_on(&watcher, SHORT_MS);
    vm_do(vm, "job-dismiss", json_pack("{s:s}", "id", "vdb"));
    watcher_go_on(&watcher, SHORT_MS);
    assert_null(watcher_take(&watcher, BF_LIVE_MIRROR_GONE));
    assert_null(watcher_take(&watcher, BF_LIVE_MIRROR_READY));
    watcher_stop(&watcher);
}

static void a_mirror_cut_short_is_not_gone_clean(void **state)
{
    struct vm *vm = start_with_disks(*state);
    struct watcher watcher;

    vm_add_disk(vm, "copy", "copy.qcow2");
    watcher_start(&watcher, vm, two_disks);
    start_mirror(vm, "copy");
    (void)watcher_await(&watcher, BF_LIVE_MIRROR_READY);
    vm_do(vm, "block-job-cancel", json_pack("{s:s, s:b}", "device", "job7", "force", 1));
    assert_false(watcher_await(&watcher, BF_LIVE_MIRROR_GONE)->fact.clean);
    watcher_stop(&watcher);
}

static void a_mirror_whose_target_fails_is_told_with_its_end(void **state)
{
    struct vm *vm = start_with_disks(*state);
    struct watcher watcher;
    const struct seen *gone;

    vm_do(vm, "blockdev-add",
          json_pack("{s:s, s:s, s:{s:s, s:I}, s:[{s:s, s:s}]}", "driver", "blkdebug", "node-name",
                    "bad", "image", "driver", "null-co", "size", (json_int_t)DISK_BYTES,
                    "inject-error", "event", "none", "iotype", "write"));
    vm_write(vm, "guest-vdb", 0, 8);
    watcher_start(&watcher, vm, two_disks);
    vm_do(vm, "blockdev-mirror",
          json_pack("{s:s, s:s, s:s, s:s, s:s}", "job-id", "job7", "device", "vdb", "target", "bad",
                    "sync", "full", "on-target-error", "stop"));
    assert_int_equal(watcher_await(&watcher, BF_LIVE_MIRROR_ERROR)->fact.disk, 1);
    vm_do(vm, "block-job-cancel", json_pack("{s:s, s:b}", "device", "job7", "force", 1));
    gone = watcher_await(&watcher, BF_LIVE_MIRROR_GONE);
    assert_int_equal(gone->fact.disk, 1);
    assert_false(gone->fact.clean);
    watcher_stop(&watcher);
}

static void stops_and_runs_of_the_guest_are_told(void **state)
{
    struct rig *rig = *state;
    struct vm *vm = &rig->vms[0];
    struct watcher watcher;

    vm_start(vm, (const char *const[]){"-S", NULL});
    watcher_start(&watcher, vm, no_disks);
    assert_string_equal(watcher_await(&watcher, BF_LIVE_GUEST_STOPPED)->text, "prelaunch");
    assert_false(bf_live_watch_guest_ran(watcher.watch));
    vm_do(vm, "cont", NULL);
    vm_do(vm, "stop", NULL);
    (void)watcher_await(&watcher, BF_LIVE_GUEST_RUNS);
    assert_string_equal(watcher_await(&watcher, BF_LIVE_GUEST_STOPPED)->text, "paused");
    assert_true(bf_live_watch_guest_ran(watcher.watch));
    watcher_stop(&watcher);
}

static void a_migration_that_fails_is_told(void **state)
{
    struct rig *rig = *state;
    struct vm *vm = &rig->vms[0];
    struct watcher watcher;

    vm_start(vm, NULL);
    watcher_start(&watcher, vm, no_disks);
    watcher_await_migration(&watcher, BF_LIVE_MIGRATION_NONE);
    vm_do(vm, "migrate",
          json_pack("{s:o}", "uri", json_sprintf("unix:%s", rig_path(rig, "nobody"))));
    watcher_await_migration(&watcher, BF_LIVE_MIGRATION_FAILED);
    watcher_stop(&watcher);
}

static void a_migration_that_is_cancelled_is_told(void **state)
{
    struct rig *rig = *state;
    struct vm *vm = &rig->vms[0];
    struct watcher watcher;

    vm_start(vm, NULL);
    watcher_start(&watcher, vm, no_disks);
    vm_do(vm, "migrate-set-capabilities",
          json_pack("{s:[{s:s, s:b}]}", "capabilities", "capability", "pause-before-switchover",
                    "state", 1));
    vm_do(vm, "migrate", json_pack("{s:s}", "uri", "exec:cat >/dev/null"));
    watcher_await_migration(&watcher, BF_LIVE_MIGRATION_PRE_SWITCHOVER);
    vm_do(vm, "migrate_cancel", NULL);
    watcher_await_migration(&watcher, BF_LIVE_MIGRATION_CANCELLED);
    watcher_stop(&watcher);
}

static void a_killed_qemu_is_lost_and_gone(void **state)
{
    struct rig *rig = *state;
    struct vm *vm = &rig->vms[0];
    struct watcher watcher;
    char start[BF_LIVE_START_MAX + 1];

    vm_start(vm, NULL);
    strcpy(start, bf_live_identity(vm->live)->start);
    watcher_start(&watcher, vm, no_disks);
    (void)watcher_await(&watcher, BF_LIVE_GUEST_RUNS);
    vm_signal(vm, SIGKILL);
    (void)watcher_await(&watcher, BF_LIVE_LOST);
    assert_true(bf_live_is_gone(start));
    assert_null(watcher_take(&watcher, BF_LIVE_LOST));
    watcher_stop(&watcher);
}

/* --- an orchestrator that is quicker than the watch: our loop stands still meanwhile --- */

struct orchestrator {
    FILE *from;
    int to;
};

static void orchestrator_read(struct orchestrator *self, const char *part, char line[4096])
{
    do
        assert_non_null(fgets(line, 4096, self->from));
    while (!strstr(line, part));
}

/* The answer is in @line. */
static void orchestrator_do(struct orchestrator *self, const char *words, char line[4096])
{
    assert_int_equal(write(self->to, words, strlen(words)), strlen(words));
    orchestrator_read(self, "\"return\"", line);
}

/* Beside the session: a QMP socket serves one client. */
static struct orchestrator orchestrator_connect(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct orchestrator self = {.to = socket(AF_UNIX, SOCK_STREAM, 0)};
    char line[4096];

    (void)snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    assert_int_equal(connect(self.to, (struct sockaddr *)&address, sizeof address), 0);
    self.from = fdopen(self.to, "r");
    assert_non_null(self.from);
    orchestrator_read(&self, "\"QMP\"", line);
    orchestrator_do(&self, "{\"execute\":\"qmp_capabilities\"}", line);
    return self;
}

static void orchestrator_pause(struct orchestrator *self)
{
    char line[4096];

    orchestrator_do(self,
                    "{\"execute\":\"migrate-set-capabilities\",\"arguments\":{\"capabilities\":"
                    "[{\"capability\":\"pause-before-switchover\",\"state\":true}]}}",
                    line);
    orchestrator_do(
        self, "{\"execute\":\"migrate\",\"arguments\":{\"uri\":\"exec:cat >/dev/null\"}}", line);
    do
        orchestrator_do(self, "{\"execute\":\"query-migrate\"}", line);
    while (!strstr(line, "\"pre-switchover\""));
}

static void orchestrator_end_mirror(struct orchestrator *self)
{
    char line[4096];

    orchestrator_do(self, "{\"execute\":\"block-job-cancel\",\"arguments\":{\"device\":\"job7\"}}",
                    line);
    do
        orchestrator_do(self, "{\"execute\":\"query-block-jobs\"}", line);
    while (strstr(line, "job7"));
}

static void watch_with_orchestrator(struct rig *rig, struct watcher *watcher,
                                    struct orchestrator *orchestrator)
{
    struct vm *vm = &rig->vms[0];
    char socket[96];

    rig_make_image(rig, "b.qcow2");
    rig_make_image(rig, "copy.qcow2");
    (void)snprintf(socket, sizeof socket, "unix:%s,server=on,wait=off", rig_path(rig, "own.qmp"));
    vm_start(vm, (const char *const[]){"-qmp", socket, NULL});
    vm_add_guest_disk(vm, "vdb", "b.qcow2");
    vm_add_disk(vm, "copy", "copy.qcow2");
    watcher_start(watcher, vm, (const char *const[]){"vdb", NULL});
    start_mirror(vm, "copy");
    (void)watcher_await(watcher, BF_LIVE_MIRROR_READY);
    (void)watcher_await(watcher, BF_LIVE_GUEST_RUNS);
    *orchestrator = orchestrator_connect(rig_path(rig, "own.qmp"));
}

/* Which of these facts is told first? */
static enum bf_live_fact_kind first_of_gone_and_paused(struct watcher *watcher)
{
    const struct seen *gone = watcher_await(watcher, BF_LIVE_MIRROR_GONE);
    const struct seen *migration;

    assert_true(gone->fact.clean);
    do
        migration = watcher_await(watcher, BF_LIVE_MIGRATION);
    while (migration->fact.migration != BF_LIVE_MIGRATION_PRE_SWITCHOVER);
    return gone < migration ? BF_LIVE_MIRROR_GONE : BF_LIVE_MIGRATION;
}

static void a_mirror_that_is_ended_in_the_pause_is_told_after_it(void **state)
{
    struct orchestrator orchestrator;
    struct watcher watcher;

    watch_with_orchestrator(*state, &watcher, &orchestrator);
    orchestrator_pause(&orchestrator);
    orchestrator_end_mirror(&orchestrator);
    assert_int_equal(first_of_gone_and_paused(&watcher), BF_LIVE_MIGRATION);
    watcher_stop(&watcher);
    (void)fclose(orchestrator.from);
}

static void a_mirror_that_is_ended_before_the_pause_is_told_before_it(void **state)
{
    struct orchestrator orchestrator;
    struct watcher watcher;

    watch_with_orchestrator(*state, &watcher, &orchestrator);
    orchestrator_end_mirror(&orchestrator);
    orchestrator_pause(&orchestrator);
    assert_int_equal(first_of_gone_and_paused(&watcher), BF_LIVE_MIRROR_GONE);
    watcher_stop(&watcher);
    (void)fclose(orchestrator.from);
}

static void a_mirror_that_is_ended_while_the_guest_rests_is_told_before_it_runs(void **state)
{
    struct orchestrator orchestrator;
    struct watcher watcher;
    char line[4096];

    watch_with_orchestrator(*state, &watcher, &orchestrator);
    orchestrator_do(&orchestrator, "{\"execute\":\"stop\"}", line);
    orchestrator_end_mirror(&orchestrator);
    orchestrator_do(&orchestrator, "{\"execute\":\"cont\"}", line);
    assert_true(watcher_await(&watcher, BF_LIVE_MIRROR_GONE) <
                watcher_await(&watcher, BF_LIVE_GUEST_RUNS));
    watcher_stop(&watcher);
    (void)fclose(orchestrator.from);
}

static void a_migration_that_completes_in_a_qemu_that_quits_is_told(void **state)
{
    struct orchestrator orchestrator;
    struct watcher watcher;
    char line[4096];

    watch_with_orchestrator(*state, &watcher, &orchestrator);
    orchestrator_do(&orchestrator,
                    "{\"execute\":\"migrate\",\"arguments\":{\"uri\":\"exec:cat >/dev/null\"}}",
                    line);
    do
        orchestrator_do(&orchestrator, "{\"execute\":\"query-migrate\"}", line);
    while (!strstr(line, "\"completed\""));
    orchestrator_do(&orchestrator, "{\"execute\":\"quit\"}", line);
    vm_reap(watcher.vm);
    watcher_await_migration(&watcher, BF_LIVE_MIGRATION_COMPLETED);
    (void)watcher_await(&watcher, BF_LIVE_LOST);
    watcher_stop(&watcher);
    (void)fclose(orchestrator.from);
}

struct quitter {
    struct vm *vm;
    struct bf_live_watch *watch;
    unsigned nr_facts;
    bool done;
};

static void leave(void *ctx, const struct bf_live_fact *fact)
{
    struct quitter *quitter = ctx;

    (void)fact;
    quitter->nr_facts++;
    bf_live_watch_free(quitter->watch);
    bf_live_close(quitter->vm->live);
    quitter->vm->live = NULL;
    quitter->done = true;
}

static void everything_may_be_closed_from_within_a_fact(void **state)
{
    struct rig *rig = *state;
    struct quitter quitter = {.vm = &rig->vms[0]};
    const struct bf_live_watch_config config = {.fact = leave, .ctx = &quitter};

    vm_start(quitter.vm, NULL);
    assert_int_equal(bf_live_watch_new(quitter.vm->live, &config, &quitter.watch, NULL), 0);
    await_flag(quitter.vm, &quitter.done);
    assert_int_equal(uv_run(&rig->loop, UV_RUN_DEFAULT), 0);
    assert_int_equal(quitter.nr_facts, 1);
}

int main(void)
{
#define RIG_TEST(test) cmocka_unit_test_setup_teardown(test, rig_set_up, rig_tear_down)
    const struct CMUnitTest tests[] = {
        RIG_TEST(a_mirror_is_ready_then_gone),
        RIG_TEST(a_mirror_that_was_ready_before_the_watch_is_told),
        RIG_TEST(a_mirror_that_is_not_dismissed_is_gone_once),
        RIG_TEST(a_mirror_cut_short_is_not_gone_clean),
        RIG_TEST(a_mirror_whose_target_fails_is_told_with_its_end),
        RIG_TEST(a_mirror_that_is_ended_in_the_pause_is_told_after_it),
        RIG_TEST(a_mirror_that_is_ended_before_the_pause_is_told_before_it),
        RIG_TEST(a_mirror_that_is_ended_while_the_guest_rests_is_told_before_it_runs),
        RIG_TEST(a_migration_that_completes_in_a_qemu_that_quits_is_told),
        RIG_TEST(stops_and_runs_of_the_guest_are_told),
        RIG_TEST(a_migration_that_fails_is_told),
        RIG_TEST(a_migration_that_is_cancelled_is_told),
        RIG_TEST(a_killed_qemu_is_lost_and_gone),
        RIG_TEST(everything_may_be_closed_from_within_a_fact),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
