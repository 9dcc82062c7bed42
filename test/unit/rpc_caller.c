/* Finding a peer: again and again until the deadline, and giving up at once where that is of no
 * use. */
#include "rpc_bench.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

/* A port on which nobody listens. */
static uint16_t free_port(struct bench *bench)
{
    uint16_t port;

    bench_listen(bench);
    port = bf_rpc_listener_port(bench->listener);
    bf_rpc_listener_close(bench->listener);
    bench->listener = NULL;
    (void)uv_run(&bench->loop, UV_RUN_NOWAIT);
    return port;
}

static void on_opened(void *ctx, struct bf_rpc_peer *peer)
{
    struct bench_end *end = ctx;

    (void)peer;
    end->nr_opened++;
}

static void on_closed(void *ctx, const struct bf_error *err)
{
    struct bench_end *end = ctx;

    end->nr_closed++;
    end->err = *err;
}

static void call(struct bench *bench, const char *host, uint16_t port, uint64_t deadline_ms)
{
    struct bf_rpc_peer_handlers handlers = {on_opened, NULL, on_closed, &bench->client};
    struct bf_error err = BF_ERROR_INIT;

    if (bf_rpc_connect(&bench->loop, &bench->client_settings, host, port, NULL, deadline_ms,
                       &handlers, &bench->client.peer, &err) < 0)
        fail_msg("%s", err.text);
}

static void a_name_is_looked_up(void **state)
{
    struct bench *bench = *state;

    bench_listen(bench);
    bench_connect(bench, "localhost", BENCH_DEADLINE_MS); /* ::1 is tried too, where nobody is */
    BENCH_RUN_UNTIL(bench, bench->client.nr_opened);
    assert_string_equal(bf_rpc_peer_host(bench->client.peer), "127.0.0.1");
}

static void nobody_is_reported_at_the_deadline(void **state)
{
    struct bench *bench = *state;
    uint64_t begin_ms = uv_now(&bench->loop);

    call(bench, "127.0.0.1", free_port(bench), 700);
    BENCH_RUN_UNTIL(bench, bench->client.nr_closed);
    assert_true(uv_now(&bench->loop) - begin_ms >= 699);
    assert_int_equal(bench->client.err.code, BF_E_DEADLINE);
    assert_non_null(strstr(bench->client.err.text, "127.0.0.1 port "));
    assert_non_null(strstr(bench->client.err.text, "cannot be reached (3 attempts in 700 ms): "
                                                   "connection refused"));
    assert_int_equal(bench->client.nr_opened, 0);
}

static void a_late_listener_is_found(void **state)
{
    struct bench *bench = *state;
    uint16_t port = free_port(bench);
    struct bf_rpc_listener_handlers handlers = {on_opened, NULL, &bench->server};
    uint64_t begin_ms;

    call(bench, "127.0.0.1", port, BENCH_DEADLINE_MS);
    begin_ms = uv_now(&bench->loop);
    BENCH_RUN_UNTIL(bench, uv_now(&bench->loop) > begin_ms + 300); /* after two attempts */
    handlers.opened = on_opened;
    assert_int_equal(bf_rpc_listen(&bench->loop, &bench->server_settings, "127.0.0.1", port,
                                   &handlers, &bench->listener, NULL),
                     0);
    BENCH_RUN_UNTIL(bench, bench->client.nr_opened);
    assert_int_equal(bench->client.nr_closed, 0);
}

static void an_unknown_name_is_reported(void **state)
{
    struct bench *bench = *state;

    call(bench, "no-such-host.invalid", 1, 300);
    BENCH_RUN_UNTIL(bench, bench->client.nr_closed);
    assert_int_equal(bench->client.err.code, BF_E_DEADLINE);
    assert_non_null(
        strstr(bench->client.err.text, "no-such-host.invalid port 1 cannot be reached"));
}

/* All that came on the first connection, which its caller has closed. */
static ssize_t read_first(int listening)
{
    int fd = accept(listening, NULL, NULL);
    uint8_t bytes[64];
    ssize_t nr_bytes;

    assert_true(fd >= 0);
    nr_bytes = recv(fd, bytes, sizeof bytes, 0);
    (void)close(fd);
    return nr_bytes;
}

/* Somebody accepts and says nothing: each attempt has its own deadline, and gives nothing away. */
static void a_mute_server_is_tried_again(void **state)
{
    struct bench *bench = *state;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t address_bytes = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(fd, 8), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &address_bytes), 0);
    bench->client_settings.handshake_ms = 200;
    call(bench, "127.0.0.1", ntohs(address.sin_port), 1000);
    BENCH_RUN_UNTIL(bench, bench->client.nr_closed);
    assert_int_equal(bench->client.err.code, BF_E_DEADLINE);
    assert_non_null(strstr(bench->client.err.text, "has not finished greeting in time"));
    assert_null(strstr(bench->client.err.text, "(1 attempts"));
    assert_int_equal(read_first(fd), 0);
    (void)close(fd);
}

static void plain_tcp_stays_on_this_host(void **state)
{
    struct bench *bench = *state;
    struct bf_rpc_listener_handlers handlers = {0};
    struct bf_error err = BF_ERROR_INIT;
    static const char *const others[] = {"0.0.0.0", "::", "192.0.2.1", "::ffff:192.0.2.1"};

    call(bench, "192.0.2.1", 1, BENCH_DEADLINE_MS);
    BENCH_RUN_UNTIL(bench, bench->client.nr_closed);
    assert_int_equal(bench->client.err.code, BF_E_PERMISSION);
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        bf_error_clear(&err);
        assert_true(bf_rpc_listen(&bench->loop, &bench->server_settings, others[i], 0, &handlers,
                                  &bench->listener, &err) < 0);
        assert_int_equal(err.code, BF_E_PERMISSION);
    }
}

static void plain_tcp_must_be_allowed(void **state)
{
    struct bench *bench = *state;
    struct bf_rpc_listener_handlers listener_handlers = {0};
    struct bf_rpc_peer_handlers handlers = {0};
    struct bf_error err = BF_ERROR_INIT;

    bench->server_settings.plain_on_loopback = bench->client_settings.plain_on_loopback = false;
    assert_true(bf_rpc_listen(&bench->loop, &bench->server_settings, "127.0.0.1", 0,
                              &listener_handlers, &bench->listener, &err) < 0);
    assert_int_equal(err.code, BF_E_INVALID);
    assert_true(bf_rpc_connect(&bench->loop, &bench->client_settings, "127.0.0.1", 1, NULL, 1000,
                               &handlers, &bench->client.peer, NULL) < 0);
}

static void a_port_in_use_is_reported(void **state)
{
    struct bench *bench = *state;
    struct bf_rpc_listener_handlers handlers = {0};
    struct bf_rpc_listener *second = NULL;
    struct bf_error err = BF_ERROR_INIT;

    bench_listen(bench);
    assert_true(bf_rpc_listen(&bench->loop, &bench->server_settings, "127.0.0.1",
                              bf_rpc_listener_port(bench->listener), &handlers, &second, &err) < 0);
    assert_int_equal(err.code, BF_E_IO);
    assert_non_null(strstr(err.text, "address already in use"));
    assert_null(second);
}

static void no_address_to_listen_on(void **state)
{
    struct bench *bench = *state;
    struct bf_rpc_listener_handlers handlers = {0};
    struct bf_error err = BF_ERROR_INIT;

    assert_true(bf_rpc_listen(&bench->loop, &bench->server_settings, "localhost", 0, &handlers,
                              &bench->listener, &err) < 0);
    assert_int_equal(err.code, BF_E_INVALID);
}

/* Given up before the name is known, between attempts, and before anything at all. */
static void a_caller_can_give_up_at_any_time(void **state)
{
    struct bench *bench = *state;
    uint16_t port = free_port(bench);

    call(bench, "localhost", port, BENCH_DEADLINE_MS);
    bench_close_end(&bench->client);
    call(bench, "localhost", port, BENCH_DEADLINE_MS);
    for (int i = 0; i < 3; i++)
        (void)uv_run(&bench->loop, UV_RUN_NOWAIT);
    bench_close_end(&bench->client);
    call(bench, "127.0.0.1", port, BENCH_DEADLINE_MS);
    for (int i = 0; i < 20; i++)
        (void)uv_run(&bench->loop, UV_RUN_NOWAIT);
    bench_close_end(&bench->client);
    assert_int_equal(bench->client.nr_closed, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, bench_setup, bench_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_name_is_looked_up),          TEST(nobody_is_reported_at_the_deadline),
        TEST(a_late_listener_is_found),     TEST(an_unknown_name_is_reported),
        TEST(a_mute_server_is_tried_again), TEST(plain_tcp_stays_on_this_host),
        TEST(plain_tcp_must_be_allowed),    TEST(a_port_in_use_is_reported),
        TEST(no_address_to_listen_on),      TEST(a_caller_can_give_up_at_any_time),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
