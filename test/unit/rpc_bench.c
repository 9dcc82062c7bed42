#include "rpc_bench.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <cmocka.h>

static uint8_t drops[BF_RPC_BITMAPS_MAX];
static uint8_t move_id[BF_RPC_ID_BYTES] = {7};

static void on_word(void *ctx, const Bitferry__Envelope *envelope)
{
    struct bench_end *end = ctx;

    end->nr_words++;
    end->last_epoch = envelope->epoch;
    end->word_bytes += envelope->word->drops.len;
    if (end->on_word)
        end->on_word(end);
}

static void on_closed(void *ctx, const struct bf_error *err)
{
    struct bench_end *end = ctx;

    end->nr_closed++;
    end->err = *err;
    if (end->on_closed)
        end->on_closed(end);
}

static void on_client_opened(void *ctx, struct bf_rpc_peer *peer)
{
    struct bench_end *end = ctx;

    assert_ptr_equal(peer, end->peer);
    end->nr_opened++;
    if (end->on_opened)
        end->on_opened(end);
}

static void on_server_opened(void *ctx, struct bf_rpc_peer *peer)
{
    struct bench *bench = ctx;
    struct bf_rpc_peer_handlers handlers = {
        .word = on_word, .closed = on_closed, .ctx = &bench->server};

    bench_close_end(&bench->server);
    bench->server.peer = peer;
    bench->server.nr_opened++;
    bf_rpc_peer_set_handlers(peer, &handlers);
    if (bench->server.on_opened)
        bench->server.on_opened(&bench->server);
}

static void on_refused(void *ctx, const char *address, const struct bf_error *err)
{
    struct bench *bench = ctx;

    assert_non_null(strstr(address, " port "));
    bench->nr_refused++;
    bench->refused_err = *err;
}

int bench_setup(void **state)
{
    struct bench *bench = calloc(1, sizeof *bench);
    struct bf_rpc_settings settings = {.plain_on_loopback = true};

    assert_non_null(bench);
    (void)signal(SIGPIPE, SIG_IGN);
    assert_int_equal(uv_loop_init(&bench->loop), 0);
    assert_int_equal(uv_timer_init(&bench->loop, &bench->watchdog), 0);
    bench->watchdog.data = bench;
    settings.role = BITFERRY__ROLE__ROLE_DEST;
    settings.program = "bitferry-dest 9";
    settings.boot_id[0] = 'd';
    bench->server_settings = settings;
    settings.role = BITFERRY__ROLE__ROLE_SOURCE;
    settings.program = "bitferry-source 9";
    settings.boot_id[0] = 's';
    bench->client_settings = settings;
    *state = bench;
    return 0;
}

int bench_teardown(void **state)
{
    struct bench *bench = *state;

    bench_close_end(&bench->client);
    bench_close_end(&bench->server);
    if (bench->listener)
        bf_rpc_listener_close(bench->listener);
    bench_watch(bench);
    uv_unref((uv_handle_t *)&bench->watchdog);
    (void)uv_run(&bench->loop, UV_RUN_DEFAULT);
    uv_close((uv_handle_t *)&bench->watchdog, NULL);
    (void)uv_run(&bench->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&bench->loop), 0);
    free(bench);
    return 0;
}

/* It ticks, because uv_run() may run a timer first and then wait for the next thing to happen. */
static void on_watchdog(uv_timer_t *timer)
{
    struct bench *bench = timer->data;

    if (uv_now(&bench->loop) >= bench->expires_ms)
        fail_msg("waited %d ms in vain", BENCH_DEADLINE_MS);
}

void bench_watch(struct bench *bench)
{
    uv_update_time(&bench->loop);
    bench->expires_ms = uv_now(&bench->loop) + BENCH_DEADLINE_MS;
    (void)uv_timer_start(&bench->watchdog, on_watchdog, BENCH_TICK_MS, BENCH_TICK_MS);
}

void bench_unwatch(struct bench *bench)
{
    (void)uv_timer_stop(&bench->watchdog);
}

void bench_listen(struct bench *bench)
{
    struct bf_rpc_listener_handlers handlers = {on_server_opened, on_refused, bench};
    struct bf_error err = BF_ERROR_INIT;

    if (bf_rpc_listen(&bench->loop, &bench->server_settings, "127.0.0.1", 0, &handlers,
                      &bench->listener, &err) < 0)
        fail_msg("%s", err.text);
}

void bench_connect(struct bench *bench, const char *host, uint64_t deadline_ms)
{
    struct bf_rpc_peer_handlers handlers = {on_client_opened, on_word, on_closed, &bench->client};
    struct bf_error err = BF_ERROR_INIT;
    uint16_t port = bf_rpc_listener_port(bench->listener);

    if (bf_rpc_connect(&bench->loop, &bench->client_settings, host, port, bench->tls_name,
                       deadline_ms, &handlers, &bench->client.peer, &err) < 0)
        fail_msg("%s", err.text);
    assert_int_equal(bench->client.nr_opened + bench->client.nr_closed, 0);
}

void bench_open(struct bench *bench)
{
    bench_listen(bench);
    bench_connect(bench, "127.0.0.1", BENCH_DEADLINE_MS);
    BENCH_RUN_UNTIL(bench, bench->client.nr_opened && bench->server.nr_opened);
}

void bench_close_end(struct bench_end *end)
{
    if (end->peer)
        bf_rpc_peer_close(end->peer);
    end->peer = NULL;
}

int bench_say(struct bench_end *end, bool as_source, uint32_t epoch, size_t nr_drops,
              struct bf_error *err)
{
    Bitferry__Envelope envelope = BITFERRY__ENVELOPE__INIT;
    Bitferry__Word word = BITFERRY__WORD__INIT;

    word.step = as_source ? BITFERRY__STEP__STEP_SEAL : BITFERRY__STEP__STEP_ARM;
    word.drops = (ProtobufCBinaryData){nr_drops, drops};
    envelope.move_id = (ProtobufCBinaryData){sizeof move_id, move_id};
    envelope.epoch = epoch;
    envelope.body_case = BITFERRY__ENVELOPE__BODY_WORD;
    envelope.word = &word;
    return bf_rpc_send(end->peer, &envelope, err);
}

int bench_raw_connect(struct bench *bench)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons(bf_rpc_listener_port(bench->listener)),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    return fd;
}

void bench_raw_send(int fd, const void *bytes, size_t nr_bytes)
{
    assert_int_equal(send(fd, bytes, nr_bytes, MSG_NOSIGNAL), (ssize_t)nr_bytes);
}

uint8_t *bench_hello(struct bench *bench, size_t *ret_bytes)
{
    const struct bf_rpc_settings *settings = &bench->client_settings;
    Bitferry__Envelope envelope = BITFERRY__ENVELOPE__INIT;
    Bitferry__Hello hello = BITFERRY__HELLO__INIT;
    uint8_t *frame = NULL;

    hello.version_min = settings->version_min ? settings->version_min : BF_RPC_VERSION_MIN;
    hello.version_max = settings->version_max ? settings->version_max : BF_RPC_VERSION_MAX;
    hello.program = (char *)(uintptr_t)settings->program;
    hello.boot_id = (ProtobufCBinaryData){BF_RPC_ID_BYTES, move_id};
    hello.role = settings->role;
    envelope.body_case = BITFERRY__ENVELOPE__BODY_HELLO;
    envelope.hello = &hello;
    assert_int_equal(bf_rpc_frame_pack(&envelope, settings->role, &frame, ret_bytes, NULL), 0);
    return frame;
}

ssize_t bench_raw_read(int fd, uint8_t *bytes, size_t max_bytes, bool *ret_ended)
{
    ssize_t nr_bytes = recv(fd, bytes, max_bytes, MSG_DONTWAIT);

    *ret_ended = nr_bytes == 0;
    return nr_bytes;
}
