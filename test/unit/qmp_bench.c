#include "qmp_bench.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <cmocka.h>

void assert_error(const struct bf_error *err, enum bf_code code, const char *text)
{
    if (err->code != code || !strstr(err->text, text))
        fail_msg("expected %s '%s', got %s '%s'", bf_code_name(code), text, bf_code_name(err->code),
                 err->text);
}

struct write {
    uv_write_t req;
    char bytes[];
};

static void on_watchdog(uv_timer_t *timer)
{
    (void)timer;
    fail_msg("what the test waits for did not happen within %d ms", BENCH_DEADLINE_MS);
}

void bench_watch(struct bench *bench)
{
    (void)uv_timer_start(&bench->watchdog, on_watchdog, BENCH_DEADLINE_MS, 0);
}

/* The peer */

static void on_written(uv_write_t *req, int status)
{
    (void)status;
    free(req->data);
}

void bench_say_bytes(struct bench *bench, const char *bytes, size_t nr_bytes)
{
    struct write *write = malloc(sizeof *write + nr_bytes);
    uv_buf_t buf;

    assert_non_null(write);
    memcpy(write->bytes, bytes, nr_bytes);
    write->req.data = write;
    buf = (uv_buf_t){.base = write->bytes, .len = nr_bytes};
    assert_int_equal(uv_write(&write->req, (uv_stream_t *)&bench->peer, &buf, 1, on_written), 0);
}

void bench_say(struct bench *bench, const char *format, ...)
{
    char *text = NULL;
    va_list args;
    int nr_bytes;

    va_start(args, format);
    nr_bytes = vasprintf(&text, format, args);
    va_end(args);
    assert_true(nr_bytes >= 0);
    bench_say_bytes(bench, text, (size_t)nr_bytes);
    free(text);
}

static void say_answer(struct bench *bench, const char *answer, const char *id)
{
    const char *hole = answer ? strstr(answer, "%s") : NULL;

    if (hole)
        bench_say(bench, "%.*s%s%s\r\n", (int)(hole - answer), answer, id, hole + 2);
    else if (answer)
        bench_say(bench, "%s\r\n", answer);
}

static void hear_command(struct bench *bench, const char *line, size_t line_bytes)
{
    json_t *command = json_loadb(line, line_bytes, 0, NULL);
    const char *name = json_string_value(json_object_get(command, "execute"));
    const char *id = json_string_value(json_object_get(command, "id"));

    assert_non_null(name);
    assert_non_null(id);
    if (strcmp(name, "qmp_capabilities") == 0) {
        assert_null(json_object_get(command, "arguments")); /* no oob */
        say_answer(bench, bench->capabilities, id);
    } else if (strcmp(name, "query-commands") == 0) {
        say_answer(bench, bench->commands, id);
    } else {
        assert_true(bench->nr_commands < BENCH_COMMANDS_MAX);
        (void)snprintf(bench->ids[bench->nr_commands++], sizeof bench->ids[0], "%s", id);
    }
    json_decref(command);
}

static void on_peer_space(uv_handle_t *handle, size_t suggested_bytes, uv_buf_t *buf)
{
    struct bench *bench = handle->data;

    (void)suggested_bytes;
    assert_int_equal(bf_qmp_framing_reserve(&bench->peer_lines, &buf->base, &buf->len), 0);
}

static void on_peer_read(uv_stream_t *stream, ssize_t nr_bytes, const uv_buf_t *buf)
{
    struct bench *bench = stream->data;
    const char *line;
    size_t line_bytes;

    (void)buf;
    if (nr_bytes < 0) {
        (void)uv_read_stop(stream);
        return;
    }
    bf_qmp_framing_commit(&bench->peer_lines, (size_t)nr_bytes);
    while (bf_qmp_framing_next(&bench->peer_lines, &line, &line_bytes) == 1)
        hear_command(bench, line, line_bytes);
}

void bench_hang_up(struct bench *bench)
{
    if (bench->peer_open)
        uv_close((uv_handle_t *)&bench->peer, NULL);
    bench->peer_open = false;
}

/* The client */

static void on_ready(void *ctx, const struct bf_error *err)
{
    struct bench *bench = ctx;

    bench->nr_ready++;
    if (err)
        bench->ready_err = *err;
    if (bench->on_ready)
        bench->on_ready(bench);
}

static void on_event(void *ctx, const char *name, const json_t *data)
{
    struct bench *bench = ctx;

    bench->nr_events++;
    (void)snprintf(bench->last_event, sizeof bench->last_event, "%s", name);
    bench->last_event_has_data = data != NULL;
    if (bench->on_event)
        bench->on_event(bench);
}

static void on_closed(void *ctx, const struct bf_error *err)
{
    struct bench *bench = ctx;

    assert_non_null(err);
    bench->nr_closed++;
    bench->closed_err = *err;
    if (bench->on_closed)
        bench->on_closed(bench);
}

void bench_open(struct bench *bench)
{
    struct bf_qmp_handlers handlers = {
        .ready = on_ready, .event = on_event, .closed = on_closed, .ctx = bench};
    struct bf_error err = BF_ERROR_INIT;
    int fds[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    assert_int_equal(uv_pipe_init(&bench->loop, &bench->peer, 0), 0);
    assert_int_equal(uv_pipe_open(&bench->peer, fds[1]), 0);
    bench->peer.data = bench;
    bench->peer_open = true;
    assert_int_equal(uv_read_start((uv_stream_t *)&bench->peer, on_peer_space, on_peer_read), 0);
    if (bench->greeting)
        bench_say(bench, "%s\r\n", bench->greeting);
    assert_int_equal(
        bf_qmp_open_fd(&bench->loop, fds[0], bench->open_deadline_ms, &handlers, &bench->qmp, &err),
        0);
    assert_int_equal(bench->nr_ready, 0); /* no callback inside the call */
    bench->qmp->inflight.connection = 0;  /* tests know the ids */
}

void bench_open_ready(struct bench *bench)
{
    bench_open(bench);
    BENCH_RUN_UNTIL(bench, bench->nr_ready);
    assert_int_equal(bench->ready_err.code, BF_E_NONE);
    assert_true(bf_qmp_is_ready(bench->qmp));
}

static void on_reply(void *ctx, const json_t *result, const struct bf_error *err)
{
    struct bench_reply *reply = ctx;

    assert_true(!result != !err);
    reply->nr_calls++;
    if (result)
        reply->result = json_deep_copy(result);
    else
        reply->err = *err;
    if (reply->then)
        reply->then(reply);
}

void bench_send(struct bench *bench, const char *command, uint64_t deadline_ms,
                struct bench_reply *reply)
{
    struct bf_error err = BF_ERROR_INIT;
    unsigned nr_calls = reply->nr_calls;

    reply->bench = bench;
    assert_int_equal(bf_qmp_send(bench->qmp, command, NULL, deadline_ms, on_reply, reply, &err), 0);
    assert_int_equal(reply->nr_calls, nr_calls); /* no callback inside the call */
}

void bench_reply_release(struct bench_reply *reply)
{
    json_decref(reply->result);
    reply->result = NULL;
}

void bench_close(struct bench *bench)
{
    bf_qmp_close(bench->qmp);
    bench->qmp = NULL;
}

void bench_run_out(struct bench *bench)
{
    (void)uv_timer_stop(&bench->watchdog);
    assert_int_equal(uv_run(&bench->loop, UV_RUN_DEFAULT), 0);
}

int bench_setup(void **state)
{
    struct bench *bench = calloc(1, sizeof *bench);

    (void)signal(SIGPIPE, SIG_IGN);
    if (!bench || uv_loop_init(&bench->loop) < 0)
        return -1;
    (void)uv_timer_init(&bench->loop, &bench->watchdog);
    bf_qmp_framing_init(&bench->peer_lines, 64 << 20);
    bench->open_deadline_ms = BENCH_DEADLINE_MS;
    bench->greeting = "{\"QMP\": {\"version\": {\"qemu\": {\"micro\": 22, \"minor\": 2, "
                      "\"major\": 7}, \"package\": \"\"}, \"capabilities\": [\"oob\"]}}";
    bench->capabilities = "{\"return\": {}, \"id\": \"%s\"}";
    bench->commands = "{\"return\": [{\"name\": \"stop\"}, {\"name\": \"cont\"}], \"id\": \"%s\"}";
    *state = bench;
    return 0;
}

int bench_teardown(void **state)
{
    struct bench *bench = *state;

    if (bench->qmp)
        bench_close(bench);
    bench_hang_up(bench);
    uv_close((uv_handle_t *)&bench->watchdog, NULL);
    assert_int_equal(uv_run(&bench->loop, UV_RUN_DEFAULT), 0);
    assert_int_equal(uv_loop_close(&bench->loop), 0);
    bf_qmp_framing_release(&bench->peer_lines);
    free(bench);
    return 0;
}
