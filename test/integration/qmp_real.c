/* The QMP client against qemu-storage-daemon and qemu-system-x86_64. */
#include "qmp/call.h"

#include <setjmp.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

enum {
    AMPLE_MS = 30000, /* for what is expected to happen */
    SHORT_MS = 200,   /* for what must not happen */
    INHERITED_FD = 10,
    NR_PIPELINED = 200,
    NR_BITMAPS = 300,
};

struct rig {
    uv_loop_t loop;
    struct bf_qmp *qmp;
    pid_t pid; /* 0: none */
    char folder[32];
    char socket_path[48];
    char events[256]; /* their names, one after the other */
    unsigned nr_closed;
    struct bf_error closed_err;
};

extern char **environ;

static int set_up(void **state)
{
    struct rig *rig = calloc(1, sizeof *rig);

    (void)signal(SIGPIPE, SIG_IGN);
    if (!rig || uv_loop_init(&rig->loop) < 0)
        return -1;
    strcpy(rig->folder, "/tmp/bitferry-test.XXXXXX");
    if (!mkdtemp(rig->folder))
        return -1;
    (void)snprintf(rig->socket_path, sizeof rig->socket_path, "%s/qmp", rig->folder);
    *state = rig;
    return 0;
}

static int wait_for_child(struct rig *rig)
{
    int status = 0;

    assert_int_equal(waitpid(rig->pid, &status, 0), rig->pid);
    rig->pid = 0;
    return status;
}

static int tear_down(void **state)
{
    struct rig *rig = *state;

    if (rig->pid > 0) {
        (void)kill(rig->pid, SIGKILL);
        (void)wait_for_child(rig);
    }
    if (rig->qmp)
        bf_qmp_close_wait(rig->qmp);
    assert_int_equal(uv_run(&rig->loop, UV_RUN_DEFAULT), 0);
    assert_int_equal(uv_loop_close(&rig->loop), 0);
    (void)unlink(rig->socket_path);
    assert_int_equal(rmdir(rig->folder), 0);
    free(rig);
    return 0;
}

/* Starting QEMU */

static void spawn(struct rig *rig, char *const *argv, int inherited_fd)
{
    posix_spawn_file_actions_t actions;

    assert_int_equal(posix_spawn_file_actions_init(&actions), 0);
    if (inherited_fd >= 0)
        assert_int_equal(posix_spawn_file_actions_adddup2(&actions, inherited_fd, INHERITED_FD), 0);
    assert_int_equal(posix_spawnp(&rig->pid, argv[0], &actions, NULL, argv, environ), 0);
    assert_int_equal(posix_spawn_file_actions_destroy(&actions), 0);
}

static void on_event(void *ctx, const char *name, const json_t *data)
{
    struct rig *rig = ctx;
    size_t used = strlen(rig->events);

    (void)data;
    (void)snprintf(rig->events + used, sizeof rig->events - used, "%s ", name);
}

static void on_closed(void *ctx, const struct bf_error *err)
{
    struct rig *rig = ctx;

    rig->nr_closed++;
    rig->closed_err = *err;
}

static struct bf_qmp_handlers handlers_of(struct rig *rig)
{
    return (struct bf_qmp_handlers){.event = on_event, .closed = on_closed, .ctx = rig};
}

/* One try to connect; QEMU makes its socket some time after its start. */
static bool try_open(struct rig *rig)
{
    struct bf_qmp_handlers handlers = handlers_of(rig);
    struct bf_error err = BF_ERROR_INIT;

    assert_int_equal(
        bf_qmp_open_path(&rig->loop, rig->socket_path, AMPLE_MS, &handlers, &rig->qmp, &err), 0);
    if (bf_qmp_wait_ready(rig->qmp, &err) == 0)
        return true;
    assert_int_equal(err.code, BF_E_PEER);
    bf_qmp_close_wait(rig->qmp);
    rig->qmp = NULL;
    return false;
}

static void open_path(struct rig *rig)
{
    const struct timespec pause = {.tv_nsec = 10 * 1000000L};
    uint64_t end_ns = uv_hrtime() + AMPLE_MS * 1000000ULL;

    while (!try_open(rig)) {
        assert_int_equal(waitpid(rig->pid, NULL, WNOHANG), 0);
        assert_true(uv_hrtime() < end_ns);
        (void)nanosleep(&pause, NULL);
    }
}

static void start_daemon_on_path(struct rig *rig)
{
    char chardev[96];
    char *argv[] = {"qemu-storage-daemon", "--chardev", chardev, "--monitor", "chardev=m", NULL};

    (void)snprintf(chardev, sizeof chardev, "socket,id=m,path=%s,server=on,wait=off",
                   rig->socket_path);
    spawn(rig, argv, -1);
    open_path(rig);
}

static void start_daemon_on_fd(struct rig *rig)
{
    struct bf_qmp_handlers handlers = handlers_of(rig);
    struct bf_error err = BF_ERROR_INIT;
    char chardev[32];
    char *argv[] = {"qemu-storage-daemon", "--chardev", chardev, "--monitor", "chardev=m", NULL};
    int fds[2];

    (void)snprintf(chardev, sizeof chardev, "socket,id=m,fd=%d", INHERITED_FD);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    spawn(rig, argv, fds[1]);
    assert_int_equal(close(fds[1]), 0);
    assert_int_equal(bf_qmp_open_fd(&rig->loop, fds[0], AMPLE_MS, &handlers, &rig->qmp, &err), 0);
    if (bf_qmp_wait_ready(rig->qmp, &err) < 0)
        fail_msg("%s", err.text);
}

static void start_machine(struct rig *rig)
{
    char qmp[96];
    char *argv[] = {"qemu-system-x86_64",
                    "-machine",
                    "none",
                    "-nodefaults",
                    "-display",
                    "none",
                    "-qmp",
                    qmp,
                    NULL};

    (void)snprintf(qmp, sizeof qmp, "unix:%s,server=on,wait=off", rig->socket_path);
    spawn(rig, argv, -1);
    open_path(rig);
}

/* The signal alone may arrive after the next command. */
static void stop_child(struct rig *rig)
{
    int status = 0;

    assert_int_equal(kill(rig->pid, SIGSTOP), 0);
    assert_int_equal(waitpid(rig->pid, &status, WUNTRACED), rig->pid);
    assert_true(WIFSTOPPED(status));
}

/* Commands */

static json_t *call(struct rig *rig, const char *command, json_t *arguments)
{
    struct bf_error err = BF_ERROR_INIT;
    json_t *result = NULL;

    if (bf_qmp_call(rig->qmp, command, arguments, AMPLE_MS, &result, &err) < 0)
        fail_msg("%s", err.text);
    assert_non_null(result);
    return result;
}

static void expect_failure(struct rig *rig, const char *command, json_t *arguments,
                           uint64_t deadline_ms, enum bf_code code, const char *text)
{
    struct bf_error err = BF_ERROR_INIT;

    assert_true(bf_qmp_call(rig->qmp, command, arguments, deadline_ms, NULL, &err) < 0);
    if (err.code != code || strcmp(err.text, text) != 0)
        fail_msg("expected '%s', got %s '%s'", text, bf_code_name(err.code), err.text);
}

static void expect_bitmap_commands(struct rig *rig)
{
    assert_true(bf_qmp_version(rig->qmp).major >= 7);
    assert_true(bf_qmp_has_command(rig->qmp, "block-dirty-bitmap-merge"));
    assert_true(bf_qmp_has_command(rig->qmp, "transaction"));
    assert_false(bf_qmp_has_command(rig->qmp, "frobnicate"));
    expect_failure(rig, "frobnicate", NULL, AMPLE_MS, BF_E_QMP_ERROR,
                   "frobnicate: The command frobnicate has not been found (CommandNotFound)");
    expect_failure(rig, "block-dirty-bitmap-add",
                   json_pack("{s:s, s:s}", "node", "nosuch", "name", "b"), AMPLE_MS, BF_E_QMP_ERROR,
                   "block-dirty-bitmap-add: Cannot find device='nosuch' nor node-name='nosuch' "
                   "(GenericError)");
}

/* "quit", the answer, the end of the connection, exit status 0. */
static void quit(struct rig *rig)
{
    json_decref(call(rig, "quit", NULL));
    while (!rig->nr_closed)
        (void)uv_run(&rig->loop, UV_RUN_ONCE);
    assert_int_equal(rig->closed_err.code, BF_E_PEER);
    assert_string_equal(rig->closed_err.text, "QEMU closed the QMP connection");
    assert_int_equal(wait_for_child(rig), 0);
}

static void a_storage_daemon_is_driven_over_its_socket_path(void **state)
{
    start_daemon_on_path(*state);
    expect_bitmap_commands(*state);
    quit(*state);
}

static void a_storage_daemon_is_driven_over_an_inherited_socket(void **state)
{
    start_daemon_on_fd(*state);
    expect_bitmap_commands(*state);
    quit(*state);
}

static void a_machine_is_driven_over_its_socket_path(void **state)
{
    start_machine(*state);
    expect_bitmap_commands(*state);
    quit(*state);
}

static void add_bitmaps(struct rig *rig)
{
    json_decref(call(
        rig, "blockdev-add",
        json_pack("{s:s, s:s, s:i}", "driver", "null-co", "node-name", "disk", "size", 1 << 30)));
    for (unsigned i = 0; i < NR_BITMAPS; i++) {
        char name[300];

        memset(name, 'n', sizeof name);
        (void)snprintf(name + 250, 40, "%u", i);
        json_decref(call(rig, "block-dirty-bitmap-add",
                         json_pack("{s:s, s:s}", "node", "disk", "name", name)));
    }
}

static void an_answer_of_many_bitmaps_arrives_whole(void **state)
{
    struct rig *rig = *state;
    json_t *nodes, *bitmaps;

    start_daemon_on_fd(rig);
    add_bitmaps(rig);
    nodes = call(rig, "query-named-block-nodes", NULL);
    bitmaps = json_object_get(json_array_get(nodes, 0), "dirty-bitmaps");
    assert_int_equal(json_array_size(bitmaps), NR_BITMAPS);
    json_decref(nodes);
    quit(rig);
}

static void events_arrive_in_order(void **state)
{
    struct rig *rig = *state;

    start_machine(rig);
    json_decref(call(rig, "stop", NULL));
    json_decref(call(rig, "cont", NULL));
    quit(rig);
    assert_string_equal(rig->events, "STOP RESUME SHUTDOWN ");
}

struct pipelined {
    unsigned nr_answers;
    unsigned nr_expected_next;
};

struct numbered {
    struct pipelined *all;
    unsigned number;
};

static void on_numbered(void *ctx, const json_t *result, const struct bf_error *err)
{
    struct numbered *numbered = ctx;

    assert_null(err);
    assert_non_null(json_object_get(result, "qemu"));
    assert_int_equal(numbered->number, numbered->all->nr_expected_next++);
    numbered->all->nr_answers++;
}

static void pipelined_commands_are_answered_in_order(void **state)
{
    struct rig *rig = *state;
    struct pipelined all = {0};
    struct numbered numbered[NR_PIPELINED];

    start_machine(rig);
    for (unsigned i = 0; i < NR_PIPELINED; i++) {
        numbered[i] = (struct numbered){.all = &all, .number = i};
        assert_int_equal(
            bf_qmp_send(rig->qmp, "query-version", NULL, AMPLE_MS, on_numbered, &numbered[i], NULL),
            0);
    }
    while (all.nr_answers < NR_PIPELINED && !rig->nr_closed)
        (void)uv_run(&rig->loop, UV_RUN_ONCE);
    assert_int_equal(all.nr_answers, NR_PIPELINED);
    quit(rig);
}

static void a_stopped_qemu_misses_the_deadline_and_goes_on_later(void **state)
{
    struct rig *rig = *state;

    start_machine(rig);
    stop_child(rig);
    expect_failure(rig, "query-status", NULL, SHORT_MS, BF_E_DEADLINE,
                   "QEMU has not answered 'query-status' within 200 ms");
    assert_int_equal(kill(rig->pid, SIGCONT), 0);
    json_decref(call(rig, "query-version", NULL));
    quit(rig);
}

struct reply {
    unsigned nr_calls;
    struct bf_error err;
};

static void on_reply(void *ctx, const json_t *result, const struct bf_error *err)
{
    struct reply *reply = ctx;

    assert_null(result);
    reply->nr_calls++;
    reply->err = *err;
}

static void a_killed_qemu_fails_the_command_under_way(void **state)
{
    struct rig *rig = *state;
    struct reply reply = {0};

    start_machine(rig);
    stop_child(rig);
    assert_int_equal(bf_qmp_send(rig->qmp, "transaction", json_pack("{s:[]}", "actions"), AMPLE_MS,
                                 on_reply, &reply, NULL),
                     0);
    assert_int_equal(kill(rig->pid, SIGKILL), 0);
    (void)wait_for_child(rig);
    while (!rig->nr_closed)
        (void)uv_run(&rig->loop, UV_RUN_ONCE);
    assert_int_equal(reply.nr_calls, 1);
    assert_int_equal(reply.err.code, BF_E_PEER);
    assert_string_equal(reply.err.text,
                        "QEMU closed the QMP connection while 'transaction' was under way");
}

static void a_second_client_of_a_monitor_waits_for_the_greeting(void **state)
{
    struct rig *rig = *state;
    struct bf_qmp *second = NULL;
    struct bf_error err = BF_ERROR_INIT;

    start_machine(rig);
    assert_int_equal(bf_qmp_open_path(&rig->loop, rig->socket_path, SHORT_MS, NULL, &second, &err),
                     0);
    assert_true(bf_qmp_wait_ready(second, &err) < 0);
    assert_int_equal(err.code, BF_E_DEADLINE);
    assert_non_null(strstr(err.text, "does another client hold the monitor?"));
    bf_qmp_close_wait(second);
    quit(rig);
}

int main(void)
{
#define RIG_TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        RIG_TEST(a_storage_daemon_is_driven_over_its_socket_path),
        RIG_TEST(a_storage_daemon_is_driven_over_an_inherited_socket),
        RIG_TEST(a_machine_is_driven_over_its_socket_path),
        RIG_TEST(an_answer_of_many_bitmaps_arrives_whole),
        RIG_TEST(events_arrive_in_order),
        RIG_TEST(pipelined_commands_are_answered_in_order),
        RIG_TEST(a_stopped_qemu_misses_the_deadline_and_goes_on_later),
        RIG_TEST(a_killed_qemu_fails_the_command_under_way),
        RIG_TEST(a_second_client_of_a_monitor_waits_for_the_greeting),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
