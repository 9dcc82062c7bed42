#include "rig.h"

#include "qmp/call.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

enum { ARGS_MAX = 40, NR_PATHS = 8 };

/* The rig */

int rig_set_up(void **state)
{
    struct rig *rig = calloc(1, sizeof *rig);

    (void)signal(SIGPIPE, SIG_IGN);
    if (!rig || uv_loop_init(&rig->loop) < 0)
        return -1;
    strcpy(rig->folder, "/tmp/bitferry-test.XXXXXX");
    if (!mkdtemp(rig->folder))
        return -1;
    for (unsigned i = 0; i < VMS_MAX; i++) {
        rig->vms[i].rig = rig;
        (void)snprintf(rig->vms[i].socket_path, sizeof rig->vms[i].socket_path, "%s/qmp%u",
                       rig->folder, i);
    }
    *state = rig;
    return 0;
}

static void remove_folder(const char *path)
{
    DIR *folder = opendir(path);
    struct dirent *entry;

    assert_non_null(folder);
    while ((entry = readdir(folder))) {
        if (entry->d_name[0] != '.')
            assert_int_equal(unlinkat(dirfd(folder), entry->d_name, 0), 0);
    }
    assert_int_equal(closedir(folder), 0);
    assert_int_equal(rmdir(path), 0);
}

int rig_tear_down(void **state)
{
    struct rig *rig = *state;

    for (unsigned i = 0; i < VMS_MAX; i++) {
        if (rig->vms[i].pid > 0)
            vm_signal(&rig->vms[i], SIGKILL);
        vm_close(&rig->vms[i]);
    }
    assert_int_equal(uv_run(&rig->loop, UV_RUN_DEFAULT), 0);
    assert_int_equal(uv_loop_close(&rig->loop), 0);
    remove_folder(rig->folder);
    free(rig);
    return 0;
}

const char *rig_path(const struct rig *rig, const char *name)
{
    static char paths[NR_PATHS][96];
    static unsigned next;
    char *path = paths[next++ % NR_PATHS];

    (void)snprintf(path, sizeof paths[0], "%s/%s", rig->folder, name);
    return path;
}

static pid_t spawn(const char *const argv[])
{
    posix_spawn_file_actions_t actions;
    pid_t pid;

    assert_int_equal(posix_spawn_file_actions_init(&actions), 0);
    assert_int_equal(posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0), 0);
    assert_int_equal(posix_spawnp(&pid, argv[0], &actions, NULL, (char *const *)argv, environ), 0);
    assert_int_equal(posix_spawn_file_actions_destroy(&actions), 0);
    return pid;
}

void rig_run(const char *const argv[])
{
    pid_t pid = spawn(argv);
    int status;

    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

void rig_make_image(const struct rig *rig, const char *name)
{
    char size[24];

    (void)snprintf(size, sizeof size, "%d", DISK_BYTES);
    rig_run((const char *const[]){"qemu-img", "create", "-q", "-f", "qcow2", rig_path(rig, name),
                                  size, NULL});
}

/* A QEMU and its session */

void vm_spawn(struct vm *vm, const char *const more[])
{
    char qmp[96];
    const char *argv[ARGS_MAX] = {"qemu-system-x86_64",
                                  "-machine",
                                  "none",
                                  "-nodefaults",
                                  "-display",
                                  "none",
                                  "-accel",
                                  "tcg",
                                  "-name",
                                  "ferry",
                                  "-uuid",
                                  RIG_UUID,
                                  "-qmp",
                                  qmp};
    unsigned nr_args = 14;

    (void)snprintf(qmp, sizeof qmp, "unix:%s,server=on,wait=off", vm->socket_path);
    for (; more && *more; more++) {
        assert_true(nr_args < ARGS_MAX - 1);
        argv[nr_args++] = *more;
    }
    vm->pid = spawn(argv);
}

static void on_ready(void *ctx, const struct bf_live_identity *identity, const struct bf_error *err)
{
    struct vm *vm = ctx;

    assert_true(!identity == !!err);
    vm->answered = true;
    vm->ready_err = err ? *err : (struct bf_error)BF_ERROR_INIT;
}

static void on_closed(void *ctx, const struct bf_error *err)
{
    struct vm *vm = ctx;

    assert_non_null(err);
    vm->nr_closed++;
}

/* One try; QEMU makes its socket some time after its start. */
static bool try_open(struct vm *vm, const struct bf_live_target *target)
{
    const struct bf_live_handlers handlers = {.ready = on_ready, .closed = on_closed, .ctx = vm};
    struct bf_error err = BF_ERROR_INIT;

    if (bf_live_open(&vm->rig->loop, target, AMPLE_MS, &handlers, &vm->live, &err) == 0)
        return true;
    assert_int_equal(err.code, BF_E_PEER);
    assert_int_equal(waitpid(vm->pid, NULL, WNOHANG), 0);
    return false;
}

void vm_open(struct vm *vm, const char *uuid, const char *start)
{
    const struct bf_live_target target = {
        .socket_path = vm->socket_path, .uuid = uuid, .start = start, .tag = RIG_TAG};
    const struct timespec pause = {.tv_nsec = 10 * 1000000L};
    uint64_t end_ns = uv_hrtime() + AMPLE_MS * 1000000ULL;

    vm->answered = false;
    vm->nr_closed = 0;
    while (!try_open(vm, &target)) {
        assert_true(uv_hrtime() < end_ns);
        (void)nanosleep(&pause, NULL);
    }
    await_flag(vm, &vm->answered);
}

void vm_start(struct vm *vm, const char *const more[])
{
    vm_spawn(vm, more);
    vm_open(vm, RIG_UUID, NULL);
    assert_string_equal(vm->ready_err.text, "");
}

void vm_signal(struct vm *vm, int number)
{
    int status;

    assert_int_equal(kill(vm->pid, number), 0);
    if (number == SIGSTOP)
        assert_int_equal(waitpid(vm->pid, &status, WUNTRACED), vm->pid);
    if (number != SIGKILL)
        return;
    assert_int_equal(waitpid(vm->pid, &status, 0), vm->pid);
    vm->pid = 0;
}

void vm_reap(struct vm *vm)
{
    assert_int_equal(waitpid(vm->pid, NULL, 0), vm->pid);
    vm->pid = 0;
}

void vm_close(struct vm *vm)
{
    if (vm->watch)
        bf_live_watch_free(vm->watch);
    vm->watch = NULL;
    if (vm->live)
        bf_live_close(vm->live);
    vm->live = NULL;
    (void)uv_run(&vm->rig->loop, UV_RUN_NOWAIT);
}

void await_flag(struct vm *vm, const bool *flag)
{
    while (!*flag)
        assert_true(uv_run(&vm->rig->loop, UV_RUN_ONCE) != 0 || *flag);
}

/* QEMU's own commands */

json_t *vm_call(struct vm *vm, const char *command, json_t *arguments)
{
    struct bf_error err = BF_ERROR_INIT;
    json_t *result = NULL;

    if (bf_qmp_call(bf_live_qmp(vm->live), command, arguments, AMPLE_MS, &result, &err) < 0)
        fail_msg("%s", err.text);
    assert_non_null(result);
    return result;
}

void vm_do(struct vm *vm, const char *command, json_t *arguments)
{
    json_decref(vm_call(vm, command, arguments));
}

void vm_add_disk(struct vm *vm, const char *node, const char *image)
{
    vm_do(vm, "blockdev-add",
          json_pack("{s:s, s:s, s:{s:s, s:s}}", "driver", "qcow2", "node-name", node, "file",
                    "driver", "file", "filename", rig_path(vm->rig, image)));
}

static json_t *vm_say(struct vm *vm, const char *line)
{
    return vm_call(vm, "human-monitor-command", json_pack("{s:s}", "command-line", line));
}

void vm_add_guest_disk(struct vm *vm, const char *node, const char *image)
{
    char line[192];
    json_t *answer;

    (void)snprintf(line, sizeof line,
                   "drive_add 0 if=none,id=guest-%s,node-name=%s,format=qcow2,file=%s", node, node,
                   rig_path(vm->rig, image));
    answer = vm_say(vm, line);
    assert_string_equal(json_string_value(answer), "OK\r\n");
    json_decref(answer);
}

void vm_add_bitmap(struct vm *vm, const char *node, const char *name, bool persistent,
                   bool recording)
{
    vm_do(vm, "block-dirty-bitmap-add",
          json_pack("{s:s, s:s, s:i, s:b, s:b}", "node", node, "name", name, "granularity",
                    GRANULE_BYTES, "persistent", persistent, "disabled", !recording));
}

void vm_write(struct vm *vm, const char *disk, unsigned first_granule, unsigned nr_granules)
{
    char line[128];
    json_t *answer;

    (void)snprintf(line, sizeof line, "qemu-io %s \"write -P 7 %uk %uk\"", disk,
                   first_granule * (GRANULE_BYTES >> 10), nr_granules * (GRANULE_BYTES >> 10));
    answer = vm_say(vm, line);
    assert_null(strstr(json_string_value(answer), "rror")); /* what it says goes to its stdout */
    json_decref(answer);
}

/* Operations */

void outcome_take(void *ctx, enum bf_live_end end, const struct bf_error *err)
{
    struct outcome *outcome = ctx;

    assert_false(outcome->done);
    assert_true((end == BF_LIVE_DONE) == !err);
    outcome->done = true;
    outcome->end = end;
    if (err)
        outcome->err = *err;
}

void outcome_await(struct vm *vm, struct outcome *outcome)
{
    await_flag(vm, &outcome->done);
}

void expect_done(struct vm *vm, struct outcome *outcome)
{
    outcome_await(vm, outcome);
    assert_string_equal(outcome->err.text, "");
    assert_int_equal(outcome->end, BF_LIVE_DONE);
}

void expect_end(struct vm *vm, struct outcome *outcome, enum bf_live_end end, enum bf_code code,
                const char *part_of_text)
{
    outcome_await(vm, outcome);
    if (outcome->end != end || outcome->err.code != code ||
        !strstr(outcome->err.text, part_of_text))
        fail_msg("not as expected: %d %s '%s'", (int)outcome->end, bf_code_name(outcome->err.code),
                 outcome->err.text);
}

void run_actions(struct vm *vm, struct bf_live_actions *actions)
{
    struct outcome outcome = {.done = false};

    assert_int_equal(bf_live_run(vm->live, actions, AMPLE_MS, outcome_take, &outcome, NULL), 0);
    expect_done(vm, &outcome);
}

void snapshot(struct vm *vm, const char *node, const char *name, const char *source)
{
    struct bf_live_actions actions;

    bf_live_actions_begin(&actions);
    bf_live_actions_snapshot(&actions, node, name, source, GRANULE_BYTES);
    run_actions(vm, &actions);
}

struct measured {
    bool done;
    struct bf_live_measure *measures;
};

static void take_measures(void *ctx, const struct bf_live_measure *measures, uint32_t nr_measures,
                          const struct bf_error *err)
{
    struct measured *measured = ctx;

    assert_null(err);
    memcpy(measured->measures, measures, nr_measures * sizeof *measures);
    measured->done = true;
}

void measure(struct vm *vm, const struct bf_live_place *places, uint32_t nr_places,
             struct bf_live_measure *ret_measures)
{
    struct measured measured = {.measures = ret_measures};

    assert_int_equal(bf_live_measure(vm->live, places, nr_places, BF_LIVE_DIGESTS, AMPLE_MS,
                                     take_measures, &measured, NULL),
                     0);
    await_flag(vm, &measured.done);
}

struct bf_live_measure measure_one(struct vm *vm, const char *node, const char *name)
{
    const struct bf_live_place place = {node, name};
    struct bf_live_measure result;

    measure(vm, &place, 1, &result);
    return result;
}

struct surveyed {
    bool done;
    struct bf_live_survey survey;
};

static void take_survey(void *ctx, struct bf_live_survey *taken, const struct bf_error *err)
{
    struct surveyed *surveyed = ctx;

    assert_null(err);
    surveyed->survey = *taken;
    *taken = (struct bf_live_survey){.nr_disks = 0};
    surveyed->done = true;
}

struct bf_live_survey survey(struct vm *vm, const struct bf_live_disk_wish *disks,
                             uint32_t nr_disks)
{
    struct surveyed surveyed = {.done = false};

    assert_int_equal(
        bf_live_survey(vm->live, disks, nr_disks, AMPLE_MS, take_survey, &surveyed, NULL), 0);
    await_flag(vm, &surveyed.done);
    return surveyed.survey;
}

void clean(struct vm *vm)
{
    struct outcome outcome = {.done = false};

    assert_int_equal(bf_live_clean(vm->live, OURS, AMPLE_MS, outcome_take, &outcome, NULL), 0);
    expect_done(vm, &outcome);
}

void expect_nothing_of_ours(struct vm *vm)
{
    static const char *const queries[] = {"query-named-block-nodes", "query-block-exports"};

    for (unsigned i = 0; i < 2; i++) {
        json_t *answer = vm_call(vm, queries[i], NULL);
        char *text = json_dumps(answer, 0);

        assert_null(strstr(text, "bitferry-tmp."));
        assert_null(strstr(text, "bf-0123456789"));
        free(text);
        json_decref(answer);
    }
}
