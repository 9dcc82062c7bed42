/* A peer that breaks the rules ends the client with an error; nothing else happens. */
#include "qmp_bench.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

enum {
    NR_MUTANTS = 3000,
    NR_FAILED_ALLOCATIONS = 400, /* the whole dialogue needs fewer */
    NR_ASKED = 4,
};

/* Lines that must not come from QEMU when it is ready and owes the answer to command "0.3". */
static const char *const rule_breakers[] = {
    "",
    "{",
    "garbage",
    "[]",
    "null",
    "{}",
    "{\"id\": \"0.3\"}",
    "{\"return\": {}}",
    "{\"return\": {}, \"id\": 3}",
    "{\"return\": {}, \"id\": null}",
    "{\"return\": {}, \"id\": \"0.4\"}",
    "{\"return\": {}, \"id\": \"0.03\"}",
    "{\"return\": {}, \"id\": \"0.1\"}",
    "{\"return\": {}, \"id\": \"-18446744073709551613\"}",
    "{\"return\": {}, \"error\": {\"class\": \"a\", \"desc\": \"b\"}, \"id\": \"0.3\"}",
    "{\"return\": {}, \"event\": \"A\", \"id\": \"0.3\"}",
    "{\"return\": 1, \"return\": 2, \"id\": \"0.3\"}",
    "{\"return\": 1e999, \"id\": \"0.3\"}",
    "{\"return\": \"\\u0000\", \"id\": \"0.3\"}",
    "{\"return\": \"\xff\", \"id\": \"0.3\"}",
    "{\"return\": \"\xed\xa0\x80\", \"id\": \"0.3\"}",
    "{\"return\": {}, \"id\": \"0.3\"} trailing",
    "{\"error\": {\"class\": \"a\", \"desc\": \"b\"}}",
    "{\"error\": {\"class\": \"a\"}, \"id\": \"0.3\"}",
    "{\"error\": {\"class\": 1, \"desc\": \"b\"}, \"id\": \"0.3\"}",
    "{\"error\": \"text\", \"id\": \"0.3\"}",
    "{\"event\": 1}",
    "{\"event\": \"A\", \"data\": []}",
    "{\"QMP\": {\"version\": {\"qemu\": {\"micro\": 0, \"minor\": 0, \"major\": 8}}}}",
};

static const char *const bad_greetings[] = {
    "",
    "garbage",
    "{\"event\": \"A\"}",
    "{\"return\": {}, \"id\": \"0.1\"}",
    "{\"QMP\": 1}",
    "{\"QMP\": {\"version\": {}}}",
    "{\"QMP\": {\"version\": {\"qemu\": {\"micro\": 0, \"minor\": 0}}}}",
    "{\"QMP\": {\"version\": {\"qemu\": {\"micro\": 0, \"minor\": 0, \"major\": -1}}}}",
    "{\"QMP\": {\"version\": {\"qemu\": {\"micro\": 0, \"minor\": 0, \"major\": 4294967303}}}}",
    "{\"QMP\": {\"version\": {\"qemu\": {\"micro\": 0, \"minor\": 0, \"major\": \"7\"}}}}",
};

/* Ready, with one command under way that the peer knows. */
static struct bench *open_with_command(void **state, struct bench_reply *reply)
{
    struct bench *bench;

    assert_int_equal(bench_setup(state), 0);
    bench = *state;
    bench_open_ready(bench);
    bench_send(bench, "transaction", BENCH_DEADLINE_MS, reply);
    BENCH_RUN_UNTIL(bench, bench->nr_commands);
    assert_string_equal(bench->ids[0], "0.3");
    return bench;
}

static void expect_broken(struct bench *bench, const struct bench_reply *reply, const char *what)
{
    BENCH_RUN_UNTIL(bench, bench->nr_closed);
    if (bench->closed_err.code != BF_E_PROTOCOL || bench->nr_closed != 1)
        fail_msg("%.80s: %s", what, bench->closed_err.text);
    assert_int_equal(reply->nr_calls, 1);
    assert_string_equal(reply->err.text, bench->closed_err.text);
}

static void every_broken_rule_ends_the_client(void **state)
{
    (void)state;
    for (unsigned i = 0; i < sizeof rule_breakers / sizeof rule_breakers[0]; i++) {
        void *one;
        struct bench_reply reply = {0};
        struct bench *bench = open_with_command(&one, &reply);

        bench_say(bench, "%s\r\n", rule_breakers[i]);
        expect_broken(bench, &reply, rule_breakers[i]);
        assert_int_equal(bench_teardown(&one), 0);
    }
}

static void a_bad_greeting_ends_the_client(void **state)
{
    (void)state;
    for (unsigned i = 0; i < sizeof bad_greetings / sizeof bad_greetings[0]; i++) {
        void *one;
        struct bench *bench;

        assert_int_equal(bench_setup(&one), 0);
        bench = one;
        bench->greeting = bad_greetings[i];
        bench_open(bench);
        BENCH_RUN_UNTIL(bench, bench->nr_ready);
        if (bench->ready_err.code != BF_E_PROTOCOL)
            fail_msg("%s: %s", bad_greetings[i], bench->ready_err.text);
        assert_int_equal(bench_teardown(&one), 0);
    }
}

static void a_nul_byte_ends_the_client(void **state)
{
    struct bench_reply reply = {0};
    struct bench *bench = open_with_command(state, &reply);

    bench_say_bytes(bench, "{\"event\"\0: \"A\"}\n", 16);
    expect_broken(bench, &reply, "NUL");
    assert_int_equal(bench_teardown(state), 0);
}

static void deep_nesting_ends_the_client(void **state)
{
    static char deep[100001];
    struct bench_reply reply = {0};
    struct bench *bench = open_with_command(state, &reply);

    memset(deep, '[', sizeof deep - 1);
    deep[sizeof deep - 1] = '\n';
    bench_say_bytes(bench, deep, sizeof deep);
    expect_broken(bench, &reply, "[[[[");
    assert_int_equal(bench_teardown(state), 0);
}

static void a_line_over_the_cap_ends_the_client_before_it_ends(void **state)
{
    enum { CHUNK_BYTES = 1 << 20 };
    static char chunk[CHUNK_BYTES];
    struct bench_reply reply = {0};
    struct bench *bench = open_with_command(state, &reply);

    memset(chunk, ' ', sizeof chunk);
    for (unsigned sent = 0; sent < BF_QMP_LINE_MAX_BYTES; sent += CHUNK_BYTES)
        bench_say_bytes(bench, chunk, sizeof chunk);
    bench_say_bytes(bench, chunk, 1);
    expect_broken(bench, &reply, "overlong");
    assert_non_null(
        strstr(reply.err.text, "a line of more than 67108864 bytes while 'transaction'"));
    assert_int_equal(bench_teardown(state), 0);
}

static void the_end_within_a_line_is_a_lost_peer(void **state)
{
    struct bench_reply reply = {0};
    struct bench *bench = open_with_command(state, &reply);

    bench_say(bench, "{\"return\": {}, \"id\": \"0.3\"}");
    bench_hang_up(bench);
    BENCH_RUN_UNTIL(bench, bench->nr_closed);
    assert_int_equal(reply.err.code, BF_E_PEER);
    assert_int_equal(bench_teardown(state), 0);
}

/* What a qemu-system-x86_64 7.2 said, its list of commands shortened. */
static const char transcript[] =
    "{\"QMP\": {\"version\": {\"qemu\": {\"micro\": 22, \"minor\": 2, \"major\": 7}, \"package\": "
    "\"Debian 1:7.2+dfsg-7+deb12u18+b3\"}, \"capabilities\": [\"oob\"]}}\r\n"
    "{\"return\": {}, \"id\": \"0.1\"}\r\n"
    "{\"return\": [{\"name\": \"stop\"}, {\"name\": \"block-dirty-bitmap-merge\"}], \"id\": "
    "\"0.2\"}\r\n"
    "{\"timestamp\": {\"seconds\": 1795488705, \"microseconds\": 550480}, \"event\": \"STOP\"}\r\n"
    "{\"return\": {}, \"id\": \"0.3\"}\r\n"
    "{\"return\": {\"status\": \"paused\", \"singlestep\": false, \"running\": false}, \"id\": "
    "\"0.4\"}\r\n"
    "{\"id\": \"0.5\", \"error\": {\"class\": \"GenericError\", \"desc\": \"Cannot find "
    "device='nosuch' nor node-name='nosuch'\"}}\r\n"
    "{\"timestamp\": {\"seconds\": 1795488705, \"microseconds\": 551656}, \"event\": "
    "\"RESUME\"}\r\n"
    "{\"return\": {}, \"id\": \"0.6\"}\r\n"
    "{\"timestamp\": {\"seconds\": 1795488705, \"microseconds\": 852428}, \"event\": \"SHUTDOWN\", "
    "\"data\": {\"guest\": false, \"reason\": \"host-qmp-quit\"}}\r\n";

struct session {
    uv_loop_t loop;
    struct bf_qmp *qmp;
    unsigned nr_ready, nr_failed, nr_closed, nr_events, nr_asked, nr_results, nr_errors;
};

static void on_session_reply(void *ctx, const json_t *result, const struct bf_error *err)
{
    struct session *session = ctx;

    assert_true(!result != !err);
    if (result)
        session->nr_results++;
    else
        session->nr_errors++;
}

static void on_session_ready(void *ctx, const struct bf_error *err)
{
    struct session *session = ctx;

    session->nr_ready++;
    if (err) {
        session->nr_failed++;
        return;
    }
    for (unsigned i = 0; i < NR_ASKED; i++) {
        if (bf_qmp_send(session->qmp, "any", NULL, BENCH_DEADLINE_MS, on_session_reply, session,
                        NULL) == 0)
            session->nr_asked++;
    }
}

static void on_session_event(void *ctx, const char *name, const json_t *data)
{
    struct session *session = ctx;

    assert_non_null(name);
    assert_true(!data || json_is_object(data));
    session->nr_events++;
}

static void on_session_closed(void *ctx, const struct bf_error *err)
{
    struct session *session = ctx;

    assert_non_null(err);
    session->nr_closed++;
}

/* Let a client hear these bytes and then the end; whatever they are, the books balance. */
static struct session hear(const char *bytes, size_t nr_bytes)
{
    struct session session = {.nr_ready = 0};
    struct bf_qmp_handlers handlers = {.ready = on_session_ready,
                                       .event = on_session_event,
                                       .closed = on_session_closed,
                                       .ctx = &session};
    int fds[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    assert_int_equal(write(fds[1], bytes, nr_bytes), nr_bytes);
    assert_int_equal(shutdown(fds[1], SHUT_WR), 0);
    assert_int_equal(uv_loop_init(&session.loop), 0);
    assert_int_equal(
        bf_qmp_open_fd(&session.loop, fds[0], BENCH_DEADLINE_MS, &handlers, &session.qmp, NULL), 0);
    session.qmp->inflight.connection = 0; /* as in the transcript */
    assert_int_equal(uv_run(&session.loop, UV_RUN_DEFAULT), 0);
    assert_string_equal(bf_qmp_state_name(session.qmp), "ended");
    bf_qmp_close(session.qmp);
    assert_int_equal(uv_run(&session.loop, UV_RUN_DEFAULT), 0);
    assert_int_equal(uv_loop_close(&session.loop), 0);
    assert_int_equal(close(fds[1]), 0);
    assert_int_equal(session.nr_ready, 1);
    assert_int_equal(session.nr_failed + session.nr_closed, 1);
    assert_int_equal(session.nr_results + session.nr_errors, session.nr_asked);
    return session;
}

static void the_transcript_is_understood(void **state)
{
    struct session session = hear(transcript, sizeof transcript - 1);

    (void)state;
    assert_int_equal(session.nr_failed, 0);
    assert_int_equal(session.nr_events, 3);
    assert_int_equal(session.nr_results, 3);
    assert_int_equal(session.nr_errors, 1);
}

static void a_transcript_cut_anywhere_ends_the_client(void **state)
{
    (void)state;
    for (size_t nr_bytes = 0; nr_bytes < sizeof transcript - 1; nr_bytes++)
        (void)hear(transcript, nr_bytes);
}

static uint32_t random_below(uint64_t *seed, size_t limit)
{
    *seed = *seed * 6364136223846793005ULL + 1442695040888963407ULL;
    return (uint32_t)((*seed >> 33) % limit);
}

/* One change: a bit, a byte, or a stretch that is dropped or comes twice.  Returns the new length.
 */
static size_t mutate(char *bytes, size_t nr_bytes, uint64_t *seed)
{
    size_t at = random_below(seed, nr_bytes);
    size_t stretch = random_below(seed, nr_bytes - at) + 1;

    switch (random_below(seed, 4)) {
    case 0:
        bytes[at] = (char)(bytes[at] ^ (1 << random_below(seed, 8)));
        return nr_bytes;
    case 1:
        bytes[at] = "{}[]\":,\\\n\r\0-1e.u"[random_below(seed, 16)];
        return nr_bytes;
    case 2:
        memmove(bytes + at, bytes + at + stretch, nr_bytes - at - stretch);
        return nr_bytes - stretch;
    default:
        memmove(bytes + at + stretch, bytes + at, nr_bytes - at);
        return nr_bytes + stretch;
    }
}

static void random_damage_ends_the_client_and_nothing_else(void **state)
{
    static char bytes[sizeof transcript << 4];
    uint64_t seed = 20240229;
    unsigned nr_ready = 0;

    (void)state;
    for (unsigned i = 0; i < NR_MUTANTS; i++) {
        size_t nr_bytes = sizeof transcript - 1;
        struct session session;

        memcpy(bytes, transcript, nr_bytes);
        for (uint32_t left = 1 + random_below(&seed, 4); left > 0 && nr_bytes > 0; left--)
            nr_bytes = mutate(bytes, nr_bytes, &seed);
        session = hear(bytes, nr_bytes);
        nr_ready += session.nr_failed == 0;
    }
    assert_in_range(nr_ready, NR_MUTANTS / 20, NR_MUTANTS * 19 / 20); /* both ways are taken */
}

static unsigned allocations_left;

static void *failing_malloc(size_t nr_bytes)
{
    if (allocations_left > 0 && --allocations_left == 0)
        return NULL;
    return malloc(nr_bytes);
}

static void a_failed_json_allocation_ends_or_fails_but_never_crashes(void **state)
{
    unsigned nr_unhurt = 0;

    (void)state;
    json_set_alloc_funcs(failing_malloc, free);
    for (unsigned nth = 1; nth <= NR_FAILED_ALLOCATIONS; nth++) {
        allocations_left = nth;
        nr_unhurt += hear(transcript, sizeof transcript - 1).nr_results == 3;
    }
    allocations_left = 0;
    json_set_alloc_funcs(malloc, free);
    assert_in_range(nr_unhurt, 1, NR_FAILED_ALLOCATIONS / 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_broken_rule_ends_the_client),
        cmocka_unit_test(a_bad_greeting_ends_the_client),
        cmocka_unit_test(a_nul_byte_ends_the_client),
        cmocka_unit_test(deep_nesting_ends_the_client),
        cmocka_unit_test(a_line_over_the_cap_ends_the_client_before_it_ends),
        cmocka_unit_test(the_end_within_a_line_is_a_lost_peer),
        cmocka_unit_test(the_transcript_is_understood),
        cmocka_unit_test(a_transcript_cut_anywhere_ends_the_client),
        cmocka_unit_test(random_damage_ends_the_client_and_nothing_else),
        cmocka_unit_test(a_failed_json_allocation_ends_or_fails_but_never_crashes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
