/* Two peers over plain loopback TCP: greeting, words, silence, the end. */
#include "rpc_bench.h"

#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include <cmocka.h>

static void peers_greet_and_know_each_other(void **state)
{
    struct bench *bench = *state;
    const struct bf_rpc_greeting *greeting;

    bench_open(bench);
    greeting = bf_rpc_peer_greeting(bench->server.peer);
    assert_int_equal(greeting->version, BF_RPC_VERSION_MAX);
    assert_int_equal(greeting->role, BITFERRY__ROLE__ROLE_SOURCE);
    assert_string_equal(greeting->program, "bitferry-source 9");
    assert_int_equal(greeting->boot_id[0], 's');
    greeting = bf_rpc_peer_greeting(bench->client.peer);
    assert_string_equal(greeting->program, "bitferry-dest 9");
    assert_int_equal(greeting->boot_id[0], 'd');
    assert_string_equal(bf_rpc_peer_host(bench->server.peer), "127.0.0.1");
    assert_string_equal(bf_rpc_peer_name(bench->server.peer), "");
    assert_string_equal(bf_rpc_peer_state_name(bench->server.peer), "open");
    assert_int_equal(bf_rpc_listener_unopened(bench->listener), 0);
}

static void words_travel_both_ways(void **state)
{
    struct bench *bench = *state;

    bench_open(bench);
    for (uint32_t epoch = 1; epoch <= 100; epoch++) {
        assert_int_equal(bench_say(&bench->client, true, epoch, epoch, NULL), 0);
        assert_int_equal(bench_say(&bench->server, false, epoch + 1000, 1, NULL), 0);
    }
    BENCH_RUN_UNTIL(bench, bench->client.nr_words == 100 && bench->server.nr_words == 100);
    assert_int_equal(bench->server.word_bytes, 5050);
    assert_int_equal(bench->server.last_epoch, 100);
    assert_int_equal(bench->client.last_epoch, 1100);
}

/* Far more than the kernel takes at once: the rest waits in the queue, in order. */
static void what_waits_arrives_whole(void **state)
{
    enum { NR_WORDS = 700 };
    struct bench *bench = *state;

    bench_open(bench);
    for (uint32_t epoch = 1; epoch <= NR_WORDS; epoch++)
        assert_int_equal(bench_say(&bench->client, true, epoch, BF_RPC_BITMAPS_MAX, NULL), 0);
    BENCH_RUN_UNTIL(bench, bench->server.nr_words == NR_WORDS);
    assert_int_equal(bench->server.word_bytes, (size_t)NR_WORDS * BF_RPC_BITMAPS_MAX);
    assert_int_equal(bench->server.last_epoch, NR_WORDS);
}

static void the_queue_has_an_end(void **state)
{
    struct bench *bench = *state;
    struct bf_error err = BF_ERROR_INIT;
    int r = 0;

    bench->client_settings.queue_max_bytes = 1 << 20;
    bench_open(bench);
    for (unsigned i = 0; r == 0 && i < 10000; i++) /* the loop does not run, so nobody reads */
        r = bench_say(&bench->client, true, 1, BF_RPC_BITMAPS_MAX, &err);
    assert_int_equal(r, -E2BIG);
    assert_non_null(strstr(err.text, "bytes wait already for the peer at 127.0.0.1 port "));
}

static void what_was_said_before_closing_arrives(void **state)
{
    enum { NR_WORDS = 300 };
    struct bench *bench = *state;

    bench_open(bench);
    for (uint32_t epoch = 1; epoch <= NR_WORDS; epoch++)
        assert_int_equal(bench_say(&bench->client, true, epoch, BF_RPC_BITMAPS_MAX, NULL), 0);
    bench_close_end(&bench->client);
    BENCH_RUN_UNTIL(bench, bench->server.nr_closed);
    assert_int_equal(bench->server.nr_words, NR_WORDS);
    assert_int_equal(bench->server.err.code, BF_E_PEER);
    assert_string_equal(bench->server.err.text, "the peer closed the connection");
    assert_int_equal(bench_say(&bench->server, false, 1, 0, &bench->server.err), -ECONNABORTED);
}

static void only_words_can_be_sent(void **state)
{
    struct bench *bench = *state;
    Bitferry__Envelope envelope = BITFERRY__ENVELOPE__INIT;
    Bitferry__Heartbeat heartbeat = BITFERRY__HEARTBEAT__INIT;

    bench_open(bench);
    envelope.body_case = BITFERRY__ENVELOPE__BODY_HEARTBEAT;
    envelope.heartbeat = &heartbeat;
    assert_int_equal(bf_rpc_send(bench->client.peer, &envelope, NULL), -EPROTO);
}

static void words_of_the_other_side_are_not_sent(void **state)
{
    struct bench *bench = *state;
    Bitferry__Envelope envelope = BITFERRY__ENVELOPE__INIT;
    Bitferry__Word word = BITFERRY__WORD__INIT;
    uint8_t id[BF_RPC_ID_BYTES] = {1};

    bench_open(bench);
    word.step = BITFERRY__STEP__STEP_RETIRED;
    envelope.move_id = (ProtobufCBinaryData){sizeof id, id};
    envelope.epoch = 1;
    envelope.body_case = BITFERRY__ENVELOPE__BODY_WORD;
    envelope.word = &word;
    assert_int_equal(bf_rpc_send(bench->server.peer, &envelope, NULL), -EPROTO);
    assert_int_equal(bf_rpc_send(bench->client.peer, &envelope, NULL), 0);
}

/* Versions */

static void the_highest_common_version_is_spoken(void **state)
{
    struct bench *bench = *state;

    bench->server_settings.version_min = 2;
    bench->server_settings.version_max = 5;
    bench->client_settings.version_min = 1;
    bench->client_settings.version_max = 3;
    bench_open(bench);
    assert_int_equal(bf_rpc_peer_greeting(bench->server.peer)->version, 3);
    assert_int_equal(bf_rpc_peer_greeting(bench->client.peer)->version, 3);
}

static void no_common_version_is_said_on_both_sides(void **state)
{
    struct bench *bench = *state;
    static const char text[] = "bitferry-dest 9 speaks the protocol versions 6 to 7, "
                               "bitferry-source 9 speaks 1 to 5: update bitferry-source 9";

    bench->server_settings.version_min = 6;
    bench->server_settings.version_max = 7;
    bench->client_settings.version_min = 1;
    bench->client_settings.version_max = 5;
    bench_listen(bench);
    bench_connect(bench, "127.0.0.1", BENCH_DEADLINE_MS);
    BENCH_RUN_UNTIL(bench, bench->client.nr_closed && bench->nr_refused);
    assert_int_equal(bench->client.err.code, BF_E_VERSION);
    assert_int_equal(bench->refused_err.code, BF_E_VERSION);
    assert_non_null(strstr(bench->client.err.text, text));
    assert_non_null(strstr(bench->refused_err.text, "update bitferry-source 9"));
    assert_int_equal(bench->server.nr_opened + bench->client.nr_opened, 0);
}

static void two_of_the_same_kind_part_again(void **state)
{
    struct bench *bench = *state;

    bench->client_settings.role = bench->server_settings.role;
    bench_listen(bench);
    bench_connect(bench, "127.0.0.1", BENCH_DEADLINE_MS);
    BENCH_RUN_UNTIL(bench, bench->client.nr_closed && bench->nr_refused);
    assert_int_equal(bench->client.err.code, BF_E_PROTOCOL);
    assert_int_equal(bench->refused_err.code, BF_E_PROTOCOL);
    assert_non_null(strstr(bench->refused_err.text, "play the same part"));
}

/* Silence */

static void heartbeats_keep_an_idle_connection(void **state)
{
    struct bench *bench = *state;
    uint64_t until_ms;

    bench->client_settings.heartbeat_ms = bench->server_settings.heartbeat_ms = 50;
    bench->client_settings.silent_ms = bench->server_settings.silent_ms = 400;
    bench_open(bench);
    until_ms = uv_now(&bench->loop) + 1200; /* three times what would lose a silent peer */
    BENCH_RUN_UNTIL(bench, uv_now(&bench->loop) >= until_ms);
    assert_int_equal(bench->client.nr_closed + bench->server.nr_closed, 0);
    assert_int_equal(bench->client.nr_words + bench->server.nr_words, 0);
}

static void a_peer_without_heartbeats_is_lost(void **state)
{
    struct bench *bench = *state;

    bench->server_settings.heartbeat_ms = 50;
    bench->server_settings.silent_ms = 300;
    bench_open(bench); /* the client's heartbeat would come after 5 s */
    BENCH_RUN_UNTIL(bench, bench->server.nr_closed && bench->client.nr_closed);
    assert_int_equal(bench->server.err.code, BF_E_PEER);
    assert_non_null(strstr(bench->server.err.text, "the peer has been silent for 3"));
    assert_int_equal(bench->client.err.code, BF_E_PEER);
}

/* In a child: a caller of its own that runs until it is killed. */
static void run_child(uint16_t port)
{
    struct bf_rpc_settings settings = {.plain_on_loopback = true,
                                       .role = BITFERRY__ROLE__ROLE_SOURCE,
                                       .program = "child",
                                       .heartbeat_ms = 50};
    struct bf_rpc_peer_handlers handlers = {0};
    struct bf_rpc_peer *peer;
    uv_loop_t loop;

    if (uv_loop_init(&loop) == 0 && bf_rpc_connect(&loop, &settings, "127.0.0.1", port, NULL, 5000,
                                                   &handlers, &peer, NULL) == 0)
        (void)uv_run(&loop, UV_RUN_DEFAULT);
    _exit(0);
}

static void a_stopped_peer_is_lost(void **state)
{
    struct bench *bench = *state;
    uint64_t stopped_ms;
    pid_t child;

    bench->server_settings.heartbeat_ms = 50;
    bench->server_settings.silent_ms = 500;
    bench_listen(bench);
    child = fork();
    if (child == 0)
        run_child(bf_rpc_listener_port(bench->listener));
    assert_true(child > 0);
    BENCH_RUN_UNTIL(bench, bench->server.nr_opened);
    assert_int_equal(kill(child, SIGSTOP), 0);
    stopped_ms = uv_now(&bench->loop);
    BENCH_RUN_UNTIL(bench, bench->server.nr_closed);
    assert_int_equal(bench->server.err.code, BF_E_PEER);
    assert_non_null(strstr(bench->server.err.text, "silent"));
    assert_true(uv_now(&bench->loop) - stopped_ms < 5000);
    assert_int_equal(kill(child, SIGKILL), 0);
    assert_int_equal(waitpid(child, NULL, 0), child);
}

/* Whoever was stopped himself does not blame his peer for it. */
static void time_that_was_not_ours_does_not_count(void **state)
{
    struct bench *bench = *state;
    uint64_t until_ms;

    bench->client_settings.heartbeat_ms = bench->server_settings.heartbeat_ms = 50;
    bench->client_settings.silent_ms = bench->server_settings.silent_ms = 400;
    bench_open(bench);
    (void)poll(NULL, 0, 1000); /* nothing runs, as after SIGSTOP */
    until_ms = uv_hrtime() / 1000000 + 500;
    BENCH_RUN_UNTIL(bench, uv_hrtime() / 1000000 >= until_ms);
    assert_int_equal(bench->client.nr_closed + bench->server.nr_closed, 0);
}

/* The end, from within callbacks */

static void close_it(struct bench_end *end)
{
    bench_close_end(end);
}

static void an_end_can_be_closed_in_any_callback(void **state)
{
    struct bench *bench = *state;

    bench->server.on_opened = close_it;
    bench->client.on_closed = close_it;
    bench_listen(bench);
    bench_connect(bench, "127.0.0.1", BENCH_DEADLINE_MS);
    BENCH_RUN_UNTIL(bench, bench->client.nr_closed);
    assert_null(bench->client.peer);
    bench->server.on_opened = NULL;
    bench->client = (struct bench_end){.on_opened = close_it};
    bench_connect(bench, "127.0.0.1", BENCH_DEADLINE_MS);
    BENCH_RUN_UNTIL(bench, bench->server.nr_closed);
}

static void no_word_comes_after_closing(void **state)
{
    struct bench *bench = *state;

    bench_open(bench);
    bench->server.on_word = close_it;
    for (uint32_t epoch = 1; epoch <= 10; epoch++)
        assert_int_equal(bench_say(&bench->client, true, epoch, 1, NULL), 0);
    BENCH_RUN_UNTIL(bench, bench->client.nr_closed);
    assert_int_equal(bench->server.nr_words, 1);
    assert_int_equal(bench->server.nr_closed, 0);
}

static void an_open_peer_outlives_its_listener(void **state)
{
    struct bench *bench = *state;

    bench_open(bench);
    bf_rpc_listener_close(bench->listener);
    bench->listener = NULL;
    assert_int_equal(bench_say(&bench->client, true, 1, 1, NULL), 0);
    BENCH_RUN_UNTIL(bench, bench->server.nr_words == 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, bench_setup, bench_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(peers_greet_and_know_each_other),
        TEST(words_travel_both_ways),
        TEST(what_waits_arrives_whole),
        TEST(the_queue_has_an_end),
        TEST(what_was_said_before_closing_arrives),
        TEST(only_words_can_be_sent),
        TEST(words_of_the_other_side_are_not_sent),
        TEST(the_highest_common_version_is_spoken),
        TEST(no_common_version_is_said_on_both_sides),
        TEST(two_of_the_same_kind_part_again),
        TEST(heartbeats_keep_an_idle_connection),
        TEST(a_peer_without_heartbeats_is_lost),
        TEST(a_stopped_peer_is_lost),
        TEST(time_that_was_not_ours_does_not_count),
        TEST(an_end_can_be_closed_in_any_callback),
        TEST(no_word_comes_after_closing),
        TEST(an_open_peer_outlives_its_listener),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
