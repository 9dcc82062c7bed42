/* Callers who break the rules, slowly or quickly: closed with a clear reason, at a bounded cost. */
#include "rpc_bench.h"

#include "base/endian.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cmocka.h>

enum { NR_FLOOD = 500 };

/* Run until the listener has closed @fd; returns how many bytes it had sent. */
static size_t read_to_end(struct bench *bench, int fd)
{
    uint8_t bytes[1024];
    size_t nr_bytes = 0;
    bool ended = false;

    bench_watch(bench);
    while (!ended) {
        ssize_t nr = bench_raw_read(fd, bytes, sizeof bytes, &ended);

        if (nr > 0)
            nr_bytes += (size_t)nr;
        else if (!ended)
            (void)uv_run(&bench->loop, UV_RUN_NOWAIT);
    }
    bench_unwatch(bench);
    (void)close(fd);
    return nr_bytes;
}

static size_t server_hello_bytes(struct bench *bench)
{
    int fd = bench_raw_connect(bench);
    unsigned nr_refused = bench->nr_refused;
    size_t nr_bytes;

    bench_raw_send(fd, "\0\0\0\0", 4);
    nr_bytes = read_to_end(bench, fd);
    assert_int_equal(bench->nr_refused, nr_refused + 1);
    return nr_bytes;
}

static const struct {
    const char *bytes;
    size_t nr_bytes;
    const char *refusal;
} rules[] = {
#define RULE(text, refusal)                                                                        \
    {                                                                                              \
        text, sizeof(text) - 1, refusal                                                            \
    }
    RULE("\0\0\0\0", "a frame of 0 bytes came instead of 1 to 512"),
    RULE("\xff\xff\xff\xff", "a frame of 4294967295 bytes came"),
    RULE("\0\0\x02\x01", "a frame of 513 bytes came"),
    RULE("GET / HTTP/1.1\r\n\r\n", "a frame of 1195725856 bytes came"),
    RULE("\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03", "a frame of 369295618 bytes came"),
    RULE("\0\0\0\x01\xff", "a frame of 1 bytes holds no message"),
    RULE("\0\0\0\x03\x8a\x01\0", "the peer began with Heartbeat instead of Hello"),
    RULE("\0\0\0\x03\x82\x01\0", "Hello: the boot id has 0 bytes"),
    RULE("\0\0\0\x02\x10\x01", "the peer began with unknown instead of Hello"),
    RULE("\0\0\0\x03\x92\x01\0", "Word: the epoch is missing"),
};

static void strangers_who_break_a_rule_are_closed(void **state)
{
    struct bench *bench = *state;
    size_t hello_bytes;

    bench_listen(bench);
    hello_bytes = server_hello_bytes(bench);
    for (size_t i = 0; i < sizeof rules / sizeof rules[0]; i++) {
        int fd = bench_raw_connect(bench);

        bench_raw_send(fd, rules[i].bytes, rules[i].nr_bytes);
        assert_int_equal(read_to_end(bench, fd), hello_bytes); /* nothing else was sent */
        assert_int_equal(bench->nr_refused, i + 2);
        assert_int_equal(bench->refused_err.code, BF_E_PROTOCOL);
        if (!strstr(bench->refused_err.text, rules[i].refusal))
            fail_msg("rule %zu: %s", i, bench->refused_err.text);
    }
    assert_int_equal(bench->server.nr_opened, 0);
}

static void a_flood_of_parts_before_the_greeting_costs_little(void **state)
{
    struct bench *bench = *state;
    uint8_t frame[4 + 512] = {0, 0, 2, 0};
    int fd;

    for (size_t i = 4; i < sizeof frame; i += 2)
        frame[i] = 0x78; /* field 15, unknown, kept for later by the decoder */
    bench_listen(bench);
    fd = bench_raw_connect(bench);
    bench_raw_send(fd, frame, sizeof frame);
    (void)read_to_end(bench, fd);
    assert_int_equal(bench->refused_err.code, BF_E_LIMIT);
    assert_string_equal(bench->refused_err.text,
                        "the message takes more than 1024 bytes of memory");
}

/* A greeted connection that then breaks a rule. */
static void guests_who_break_a_rule_are_closed(void **state)
{
    static const struct {
        const char *bytes;
        size_t nr_bytes;
        const char *refusal;
    } rows[] = {
        RULE("\0\0\0\0", "a frame of 0 bytes came instead of 1 to 4194304"),
        RULE("\0\x40\0\x01", "a frame of 4194305 bytes came"),
        RULE("\0\0\0\x05garba", "a frame of 5 bytes holds no message"),
        RULE("\0\0\0\x03\x92\x01\0", "Word: the epoch is missing"),
    };
    struct bench *bench = *state;

    bench_listen(bench);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        size_t hello_bytes = 0;
        uint8_t *hello = bench_hello(bench, &hello_bytes);
        int fd = bench_raw_connect(bench);

        bench_raw_send(fd, hello, hello_bytes);
        bench_raw_send(fd, rows[i].bytes, rows[i].nr_bytes);
        (void)read_to_end(bench, fd);
        free(hello);
        assert_int_equal(bench->server.nr_opened, i + 1);
        assert_int_equal(bench->server.nr_closed, i + 1);
        assert_int_equal(bench->server.err.code, BF_E_PROTOCOL);
        if (!strstr(bench->server.err.text, rows[i].refusal))
            fail_msg("row %zu: %s", i, bench->server.err.text);
        bench_close_end(&bench->server);
    }
}

static void greeting_twice_is_a_broken_rule(void **state)
{
    struct bench *bench = *state;
    size_t hello_bytes = 0;
    uint8_t *hello = bench_hello(bench, &hello_bytes);
    int fd;

    bench_listen(bench);
    fd = bench_raw_connect(bench);
    bench_raw_send(fd, hello, hello_bytes);
    bench_raw_send(fd, hello, hello_bytes);
    (void)read_to_end(bench, fd);
    free(hello);
    assert_string_equal(bench->server.err.text, "the peer greeted twice");
}

static void unknown_messages_are_ignored(void **state)
{
    struct bench *bench = *state;
    size_t hello_bytes = 0;
    uint8_t *hello = bench_hello(bench, &hello_bytes);
    int fd;

    bench_listen(bench);
    fd = bench_raw_connect(bench);
    bench_raw_send(fd, hello, hello_bytes);
    bench_raw_send(fd, "\0\0\0\x05\xfa\x01\x02\x08\x01", 9); /* body 31 */
    bench_raw_send(fd, hello, hello_bytes);                  /* reached only if that was ignored */
    (void)read_to_end(bench, fd);
    free(hello);
    assert_string_equal(bench->server.err.text, "the peer greeted twice");
    assert_int_equal(bench->server.nr_words, 0);
}

/* Bytes one by one, the loop running in between. */
static void a_greeting_in_single_bytes_is_one(void **state)
{
    struct bench *bench = *state;
    size_t hello_bytes = 0;
    uint8_t *hello = bench_hello(bench, &hello_bytes);
    int fd;

    bench_listen(bench);
    fd = bench_raw_connect(bench);
    for (size_t i = 0; i < hello_bytes; i++) {
        assert_int_equal(bench->server.nr_opened, 0);
        bench_raw_send(fd, hello + i, 1);
        (void)uv_run(&bench->loop, UV_RUN_NOWAIT);
    }
    BENCH_RUN_UNTIL(bench, bench->server.nr_opened);
    free(hello);
    (void)close(fd);
    BENCH_RUN_UNTIL(bench, bench->server.nr_closed);
    assert_int_equal(bench->server.err.code, BF_E_PEER);
}

static void the_end_within_a_frame_is_a_lost_peer(void **state)
{
    struct bench *bench = *state;
    size_t hello_bytes = 0;
    uint8_t *hello = bench_hello(bench, &hello_bytes);
    int fd;

    bench_listen(bench);
    fd = bench_raw_connect(bench);
    bench_raw_send(fd, hello, hello_bytes - 1);
    (void)close(fd);
    free(hello);
    BENCH_RUN_UNTIL(bench, bench->nr_refused);
    assert_int_equal(bench->refused_err.code, BF_E_PEER);
}

/* Whoever dribbles bytes, just enough never to be silent, does not buy time with them. */
static void a_slow_greeting_ends_at_the_deadline(void **state)
{
    struct bench *bench = *state;
    uint64_t begin_ms, sent_ms;
    int fd;

    bench->server_settings.handshake_ms = 500;
    bench_listen(bench);
    fd = bench_raw_connect(bench);
    bench_raw_send(fd, "\0\0\x01", 3);
    uv_update_time(&bench->loop);
    begin_ms = sent_ms = uv_now(&bench->loop);
    bench_watch(bench);
    while (!bench->nr_refused) {
        (void)uv_run(&bench->loop, UV_RUN_ONCE);
        if (uv_now(&bench->loop) - sent_ms >= 20 && !bench->nr_refused) {
            bench_raw_send(fd, "\x10", 1);
            sent_ms = uv_now(&bench->loop);
        }
    }
    bench_unwatch(bench);
    assert_int_equal(bench->refused_err.code, BF_E_DEADLINE);
    assert_string_equal(bench->refused_err.text, "the peer has not finished greeting in time");
    assert_true(uv_now(&bench->loop) - begin_ms < 5000);
    (void)close(fd);
}

static unsigned max_unopened;

static void note_unopened(struct bench *bench)
{
    unsigned nr = bf_rpc_listener_unopened(bench->listener);

    max_unopened = nr > max_unopened ? nr : max_unopened;
}

static long resident_kib(void)
{
    struct rusage usage;

    assert_int_equal(getrusage(RUSAGE_SELF, &usage), 0);
    return usage.ru_maxrss;
}

static void flood(struct bench *bench, unsigned expected_unopened)
{
    static int fds[NR_FLOOD];
    long before_kib = resident_kib();

    max_unopened = 0;
    bench_listen(bench);
    for (int i = 0; i < NR_FLOOD; i++) {
        fds[i] = bench_raw_connect(bench);
        (void)uv_run(&bench->loop, UV_RUN_NOWAIT);
        note_unopened(bench);
    }
    BENCH_RUN_UNTIL(bench, bench->nr_refused >= NR_FLOOD - expected_unopened);
    assert_int_equal(bench->nr_refused, NR_FLOOD - expected_unopened);
    assert_int_equal(max_unopened, expected_unopened);
    assert_int_equal(bench->refused_err.code, BF_E_LIMIT);
    assert_true(resident_kib() - before_kib < 8192);
    for (int i = 0; i < NR_FLOOD; i++)
        (void)close(fds[i]);
    BENCH_RUN_UNTIL(bench, bf_rpc_listener_unopened(bench->listener) == 0);
}

static void a_flood_from_one_address_is_bounded(void **state)
{
    struct bench *bench = *state;

    flood(bench, 8);
    bench_connect(bench, "127.0.0.1", BENCH_DEADLINE_MS); /* and then it is as before */
    BENCH_RUN_UNTIL(bench, bench->client.nr_opened);
}

static void a_flood_from_everywhere_is_bounded(void **state)
{
    struct bench *bench = *state;

    bench->server_settings.unopened_per_address_max = 1000;
    flood(bench, 64);
}

/* In the middle of a flood a caller gets in as soon as there is a place. */
static void a_caller_waits_for_his_place(void **state)
{
    struct bench *bench = *state;
    int fds[8];

    bench->server_settings.handshake_ms = 1000;
    bench_listen(bench);
    for (int i = 0; i < 8; i++)
        fds[i] = bench_raw_connect(bench);
    bench_connect(bench, "127.0.0.1", BENCH_DEADLINE_MS);
    BENCH_RUN_UNTIL(bench, bench->client.nr_opened);
    assert_true(bench->nr_refused > 8);
    for (int i = 0; i < 8; i++)
        (void)close(fds[i]);
}

static void strangers_go_with_their_listener(void **state)
{
    struct bench *bench = *state;
    int fd;

    bench_listen(bench);
    fd = bench_raw_connect(bench);
    BENCH_RUN_UNTIL(bench, bf_rpc_listener_unopened(bench->listener) == 1);
    bf_rpc_listener_close(bench->listener);
    bench->listener = NULL;
    (void)read_to_end(bench, fd);
    assert_int_equal(bench->nr_refused, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, bench_setup, bench_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(strangers_who_break_a_rule_are_closed),
        TEST(a_flood_of_parts_before_the_greeting_costs_little),
        TEST(guests_who_break_a_rule_are_closed),
        TEST(greeting_twice_is_a_broken_rule),
        TEST(unknown_messages_are_ignored),
        TEST(a_greeting_in_single_bytes_is_one),
        TEST(the_end_within_a_frame_is_a_lost_peer),
        TEST(a_slow_greeting_ends_at_the_deadline),
        TEST(a_flood_from_one_address_is_bounded),
        TEST(a_flood_from_everywhere_is_bounded),
        TEST(a_caller_waits_for_his_place),
        TEST(strangers_go_with_their_listener),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
