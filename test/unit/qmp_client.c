/* The client's states, deadlines and callbacks, against a peer that behaves as QEMU may. */
#include "inflight.h"
#include "qmp_bench.h"

#include "qmp/call.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

enum {
    AMPLE_MS = BENCH_DEADLINE_MS,
    SHORT_MS = 30,
};

static void assert_error(const struct bf_error *err, enum bf_code code, const char *text)
{
    if (err->code != code || !strstr(err->text, text))
        fail_msg("expected %s '%s', got %s '%s'", bf_code_name(code), text, bf_code_name(err->code),
                 err->text);
}

/* Opening */

static void negotiation_tells_version_and_commands(void **state)
{
    struct bench *bench = *state;

    bench_open(bench);
    assert_string_equal(bf_qmp_state_name(bench->qmp), "greeting");
    assert_false(bf_qmp_has_command(bench->qmp, "stop"));
    BENCH_RUN_UNTIL(bench, bench->nr_ready);
    assert_string_equal(bf_qmp_state_name(bench->qmp), "ready");
    assert_int_equal(bf_qmp_version(bench->qmp).major, 7);
    assert_int_equal(bf_qmp_version(bench->qmp).minor, 2);
    assert_int_equal(bf_qmp_version(bench->qmp).micro, 22);
    assert_true(bf_qmp_has_command(bench->qmp, "stop"));
    assert_true(bf_qmp_has_command(bench->qmp, "cont"));
    assert_false(bf_qmp_has_command(bench->qmp, "sto"));
    assert_null(bf_qmp_end_error(bench->qmp));
}

static void expect_open_error(struct bench *bench, enum bf_code code, const char *text)
{
    BENCH_RUN_UNTIL(bench, bench->nr_ready);
    assert_error(&bench->ready_err, code, text);
    assert_error(bf_qmp_end_error(bench->qmp), code, text);
    assert_string_equal(bf_qmp_state_name(bench->qmp), "ended");
    assert_int_equal(bench->nr_ready, 1);
    assert_int_equal(bench->nr_closed, 0);
}

static void without_a_greeting_opening_reaches_its_deadline(void **state)
{
    struct bench *bench = *state;

    bench->greeting = NULL;
    bench->open_deadline_ms = SHORT_MS;
    bench_open(bench);
    expect_open_error(bench, BF_E_DEADLINE, "waited 30 ms in vain for the QMP greeting");
}

static void without_capabilities_opening_reaches_its_deadline(void **state)
{
    struct bench *bench = *state;

    bench->capabilities = NULL;
    bench->open_deadline_ms = SHORT_MS;
    bench_open(bench);
    expect_open_error(bench, BF_E_DEADLINE, "the list of commands");
}

static void without_commands_opening_reaches_its_deadline(void **state)
{
    struct bench *bench = *state;

    bench->commands = NULL;
    bench->open_deadline_ms = SHORT_MS;
    bench_open(bench);
    expect_open_error(bench, BF_E_DEADLINE, "the list of commands");
}

static void a_greeting_over_several_lines_is_refused(void **state)
{
    struct bench *bench = *state;

    bench->greeting = "{\"QMP\":\r\n{}}";
    bench_open(bench);
    expect_open_error(bench, BF_E_PROTOCOL, "a monitor with pretty=on cannot be used");
}

static void silence_and_the_end_is_a_lost_peer(void **state)
{
    struct bench *bench = *state;

    bench->greeting = NULL;
    bench_open(bench);
    bench_hang_up(bench);
    expect_open_error(bench, BF_E_PEER, "QEMU closed the QMP connection before its greeting");
}

static void the_end_during_negotiation_names_its_command(void **state)
{
    struct bench *bench = *state;

    bench->capabilities = NULL;
    bench_open(bench);
    BENCH_RUN_UNTIL(bench, strcmp(bf_qmp_state_name(bench->qmp), "negotiating") == 0);
    bench_hang_up(bench);
    expect_open_error(bench, BF_E_PEER, "while 'qmp_capabilities' was under way");
}

static void a_second_greeting_during_negotiation_is_no_matter(void **state)
{
    struct bench *bench = *state;
    char twice[512];

    (void)snprintf(twice, sizeof twice, "%s\r\n%s", bench->greeting, bench->greeting);
    bench->greeting = twice;
    bench_open_ready(bench);
}

static void refused_capabilities_end_the_client(void **state)
{
    struct bench *bench = *state;

    bench->capabilities =
        "{\"error\": {\"class\": \"GenericError\", \"desc\": \"no\"}, \"id\": \"%s\"}";
    bench_open(bench);
    expect_open_error(bench, BF_E_QMP_ERROR, "qmp_capabilities: no (GenericError)");
}

static void a_list_of_commands_that_is_none_ends_the_client(void **state)
{
    static const char *const lists[] = {"{}", "[]", "[1]", "[{}]", "[{\"name\": 1}]", "null"};

    (void)state;
    for (unsigned i = 0; i < sizeof lists / sizeof lists[0]; i++) {
        void *one;
        struct bench *bench;
        char answer[80];

        assert_int_equal(bench_setup(&one), 0);
        bench = one;
        (void)snprintf(answer, sizeof answer, "{\"return\": %s, \"id\": \"%%s\"}", lists[i]);
        bench->commands = answer;
        bench_open(bench);
        expect_open_error(bench, BF_E_PROTOCOL, "query-commands");
        assert_int_equal(bench_teardown(&one), 0);
    }
}

static void nothing_is_sent_before_ready_or_after_the_end(void **state)
{
    struct bench *bench = *state;
    struct bf_error err = BF_ERROR_INIT;

    bench_open(bench);
    assert_true(bf_qmp_send(bench->qmp, "stop", json_object(), 1, NULL, NULL, &err) < 0);
    assert_error(&err, BF_E_PEER, "'stop' cannot be sent: the QMP connection is greeting");
    BENCH_RUN_UNTIL(bench, bench->nr_ready);
    bench_hang_up(bench);
    BENCH_RUN_UNTIL(bench, bench->nr_closed);
    bf_error_clear(&err);
    assert_true(bf_qmp_send(bench->qmp, "stop", json_object(), 1, NULL, NULL, &err) < 0);
    assert_error(&err, BF_E_PEER, "'stop' cannot be sent: QEMU closed the QMP connection");
}

/* Opening by path, and what cannot be opened */

static void fill_address(struct sockaddr_un *address, const char *folder)
{
    address->sun_family = AF_UNIX;
    (void)snprintf(address->sun_path, sizeof address->sun_path, "%s/s", folder);
}

/* Open @path, which must fail later than at once. */
static void expect_connect_error(struct bench *bench, const char *path, enum bf_code code,
                                 const char *text)
{
    struct bf_error err = BF_ERROR_INIT;

    assert_int_equal(bf_qmp_open_path(&bench->loop, path, AMPLE_MS, NULL, &bench->qmp, &err), 0);
    assert_string_equal(bf_qmp_state_name(bench->qmp), "connecting");
    assert_true(bf_qmp_wait_ready(bench->qmp, &err) < 0);
    assert_error(&err, code, text);
    assert_non_null(strstr(err.text, path));
    bf_qmp_close_wait(bench->qmp);
    bench->qmp = NULL;
}

static void a_socket_without_a_listener_is_a_lost_peer(void **state)
{
    char folder[] = "/tmp/bitferry-test.XXXXXX";
    struct sockaddr_un address;
    int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_non_null(mkdtemp(folder));
    fill_address(&address, folder);
    expect_connect_error(*state, address.sun_path, BF_E_PEER, "no such file");
    assert_int_equal(bind(listener, (struct sockaddr *)&address, sizeof address), 0);
    expect_connect_error(*state, address.sun_path, BF_E_PEER, "connection refused");
    assert_int_equal(close(listener), 0);
    assert_int_equal(unlink(address.sun_path), 0);
    assert_int_equal(rmdir(folder), 0);
}

static void a_socket_with_a_full_queue_says_that_others_wait(void **state)
{
    char folder[] = "/tmp/bitferry-test.XXXXXX";
    struct sockaddr_un address;
    int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int waiting = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_non_null(mkdtemp(folder));
    fill_address(&address, folder);
    assert_int_equal(bind(listener, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(listener, 0), 0);
    assert_int_equal(connect(waiting, (struct sockaddr *)&address, sizeof address), 0);
    expect_connect_error(*state, address.sun_path, BF_E_PEER, "other clients wait for it");
    assert_int_equal(close(waiting), 0);
    assert_int_equal(close(listener), 0);
    assert_int_equal(unlink(address.sun_path), 0);
    assert_int_equal(rmdir(folder), 0);
}

static void a_path_that_no_socket_can_have_is_refused_at_once(void **state)
{
    struct bench *bench = *state;
    struct bf_error err = BF_ERROR_INIT;
    struct bf_qmp *qmp = NULL;
    char path[sizeof((struct sockaddr_un *)NULL)->sun_path + 1];

    memset(path, 'x', sizeof path - 1);
    path[sizeof path - 1] = '\0';
    assert_int_equal(bf_qmp_open_path(&bench->loop, path, 1, NULL, &qmp, &err), -EINVAL);
    assert_error(&err, BF_E_INVALID, "1 to 107 bytes");
    bf_error_clear(&err);
    assert_int_equal(bf_qmp_open_path(&bench->loop, "", 1, NULL, &qmp, &err), -EINVAL);
    assert_null(qmp);
    path[sizeof path - 2] = '\0';
    expect_connect_error(bench, path, BF_E_PEER, "cannot connect");
}

static void expect_fd_refused(struct bench *bench, int fd)
{
    struct bf_error err = BF_ERROR_INIT;
    struct bf_qmp *qmp = NULL;

    assert_true(bf_qmp_open_fd(&bench->loop, fd, 1, NULL, &qmp, &err) < 0);
    assert_error(&err, BF_E_INVALID, "no stream socket");
    assert_null(qmp);
    assert_int_equal(fcntl(fd, F_GETFD), -1); /* taken over and closed */
}

static void a_descriptor_that_is_no_stream_socket_is_refused_and_closed(void **state)
{
    expect_fd_refused(*state, open("/dev/null", O_RDWR | O_CLOEXEC));
    expect_fd_refused(*state, socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
}

/* Commands */

static void a_command_gets_its_result_or_its_error(void **state)
{
    struct bench *bench = *state;
    struct bench_reply good = {0}, bad = {0};

    bench_open_ready(bench);
    bench_send(bench, "query-status", AMPLE_MS, &good);
    bench_send(bench, "transaction", AMPLE_MS, &bad);
    BENCH_RUN_UNTIL(bench, bench->nr_commands == 2);
    bench_say(bench,
              "{\"id\": \"%s\", \"return\": {\"running\": true}}\r\n"
              "{\"id\": \"%s\", \"error\": {\"class\": \"GenericError\", \"desc\": \"busy\"}}\r\n",
              bench->ids[0], bench->ids[1]);
    BENCH_RUN_UNTIL(bench, bad.nr_calls);
    assert_int_equal(good.nr_calls, 1);
    assert_true(json_is_true(json_object_get(good.result, "running")));
    assert_error(&bad.err, BF_E_QMP_ERROR, "transaction: busy (GenericError)");
    assert_true(bf_qmp_is_ready(bench->qmp));
    bench_reply_release(&good);
}

static void a_late_answer_is_dropped_and_the_client_goes_on(void **state)
{
    struct bench *bench = *state;
    struct bench_reply late = {0}, next = {0};

    bench_open_ready(bench);
    bench_send(bench, "transaction", SHORT_MS, &late);
    BENCH_RUN_UNTIL(bench, late.nr_calls);
    assert_error(&late.err, BF_E_DEADLINE, "QEMU has not answered 'transaction' within 30 ms");
    bench_send(bench, "stop", AMPLE_MS, &next);
    BENCH_RUN_UNTIL(bench, bench->nr_commands == 2);
    bench_say(bench, "{\"id\": \"%s\", \"return\": 1}\n{\"id\": \"%s\", \"return\": 2}\n",
              bench->ids[0], bench->ids[1]);
    BENCH_RUN_UNTIL(bench, next.nr_calls);
    assert_int_equal(json_integer_value(next.result), 2);
    assert_int_equal(late.nr_calls, 1);
    assert_int_equal(bench->nr_closed, 0);
    bench_reply_release(&next);
}

static void an_answer_for_an_earlier_connection_is_dropped(void **state)
{
    struct bench *bench = *state;
    struct bench_reply reply = {0};

    bench_open_ready(bench);
    bench_send(bench, "stop", AMPLE_MS, &reply);
    BENCH_RUN_UNTIL(bench, bench->nr_commands == 1);
    bench_say(bench, "{\"id\": \"77.3\", \"return\": 1}\n{\"id\": \"%s\", \"return\": 2}\n",
              bench->ids[0]);
    BENCH_RUN_UNTIL(bench, reply.nr_calls);
    assert_int_equal(json_integer_value(reply.result), 2);
    assert_int_equal(bench->nr_closed, 0);
    bench_reply_release(&reply);
}

static void two_connections_never_use_the_same_ids(void **state)
{
    struct bench *bench = *state;
    struct bf_error err = BF_ERROR_INIT;
    uint64_t connections[2];

    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(
            bf_qmp_open_path(&bench->loop, "/nonexistent", AMPLE_MS, NULL, &bench->qmp, &err), 0);
        connections[i] = bench->qmp->inflight.connection;
        bf_qmp_close_wait(bench->qmp);
        bench->qmp = NULL;
    }
    assert_true(connections[0] != connections[1]);
}

static void the_second_answer_to_a_late_one_is_one_too_many(void **state)
{
    struct bench *bench = *state;
    struct bench_reply late = {0};

    bench_open_ready(bench);
    bench_send(bench, "transaction", SHORT_MS, &late);
    BENCH_RUN_UNTIL(bench, late.nr_calls && bench->nr_commands);
    bench_say(bench, "{\"id\": \"%s\", \"return\": 1}\n{\"id\": \"%s\", \"return\": 1}\n",
              bench->ids[0], bench->ids[0]);
    BENCH_RUN_UNTIL(bench, bench->nr_closed);
    assert_error(&bench->closed_err, BF_E_PROTOCOL, "that was not sent");
}

static void every_command_has_its_own_deadline(void **state)
{
    struct bench *bench = *state;
    struct bench_reply slow = {0}, quick = {0}, middle = {0};

    bench_open_ready(bench);
    bench_send(bench, "slow", AMPLE_MS, &slow);
    bench_send(bench, "middle", SHORT_MS * 3, &middle);
    bench_send(bench, "quick", SHORT_MS, &quick);
    BENCH_RUN_UNTIL(bench, quick.nr_calls && middle.nr_calls);
    assert_int_equal(slow.nr_calls, 0);
    assert_error(&quick.err, BF_E_DEADLINE, "'quick' within 30 ms");
    assert_error(&middle.err, BF_E_DEADLINE, "'middle' within 90 ms");
    bench_close(bench);
    assert_error(&slow.err, BF_E_INTERRUPTED, "");
}

static void time_spent_outside_the_loop_is_not_the_commands(void **state)
{
    struct bench *bench = *state;
    struct bench_reply reply = {0};
    uint64_t end_ns;

    bench_open_ready(bench);
    for (end_ns = uv_hrtime() + 600 * 1000000ULL; uv_hrtime() < end_ns;)
        continue;
    bench_send(bench, "stop", 500, &reply);
    BENCH_RUN_UNTIL(bench, bench->nr_commands || reply.nr_calls);
    bench_say(bench, "{\"id\": \"%s\", \"return\": {}}\n", bench->ids[0]);
    BENCH_RUN_UNTIL(bench, reply.nr_calls);
    assert_non_null(reply.result);
    bench_reply_release(&reply);
}

static void a_deadline_of_ages_does_not_wrap(void **state)
{
    struct bench *bench = *state;
    struct bench_reply reply = {0};

    bench_open_ready(bench);
    bench_send(bench, "stop", UINT64_MAX - 1, &reply);
    BENCH_RUN_UNTIL(bench, bench->nr_commands || reply.nr_calls);
    assert_int_equal(reply.nr_calls, 0);
    bench_close(bench);
    assert_error(&reply.err, BF_E_INTERRUPTED, "");
}

static void a_peer_that_owes_too_many_answers_is_given_up(void **state)
{
    static struct bench_reply replies[BF_QMP_EXPIRED_MAX + 1];
    struct bench *bench = *state;

    bench_open_ready(bench);
    for (unsigned i = 0; i <= BF_QMP_EXPIRED_MAX; i++)
        bench_send(bench, "stop", 1, &replies[i]);
    BENCH_RUN_UNTIL(bench, bench->nr_closed);
    assert_error(&bench->closed_err, BF_E_DEADLINE, "owes the answers");
    for (unsigned i = 0; i <= BF_QMP_EXPIRED_MAX; i++)
        assert_int_equal(replies[i].nr_calls, 1);
}

static void a_number_beyond_64_bits_costs_its_command_only(void **state)
{
    struct bench *bench = *state;
    struct bench_reply reply = {0}, next = {0};

    bench_open_ready(bench);
    bench_send(bench, "query-migrate", AMPLE_MS, &reply);
    bench_send(bench, "stop", AMPLE_MS, &next);
    BENCH_RUN_UNTIL(bench, bench->nr_commands == 2);
    bench_say(bench,
              "{\"id\": \"%s\", \"return\": {\"n\": 18446744073709551615}}\n"
              "{\"id\": \"%s\", \"return\": {}}\n",
              bench->ids[0], bench->ids[1]);
    BENCH_RUN_UNTIL(bench, next.nr_calls);
    assert_error(&reply.err, BF_E_PROTOCOL, "query-migrate: the answer has a number");
    assert_non_null(next.result);
    bench_reply_release(&next);
}

static void events_come_between_answers_and_before_ready(void **state)
{
    struct bench *bench = *state;
    struct bench_reply reply = {0};

    bench->capabilities = "{\"return\": {}, \"id\": \"%s\"}\r\n{\"event\": \"EARLY\"}";
    bench_open_ready(bench);
    assert_int_equal(bench->nr_events, 1);
    assert_string_equal(bench->last_event, "EARLY");
    assert_false(bench->last_event_has_data);
    bench_send(bench, "stop", AMPLE_MS, &reply);
    BENCH_RUN_UNTIL(bench, bench->nr_commands);
    bench_say(bench,
              "{\"event\": \"A\"}\n{\"id\": \"%s\", \"return\": {}}\n"
              "{\"timestamp\": {\"seconds\": 1}, \"data\": {\"x\": 1}, \"event\": \"B\"}\n",
              bench->ids[0]);
    BENCH_RUN_UNTIL(bench, bench->nr_events == 3);
    assert_int_equal(reply.nr_calls, 1);
    assert_string_equal(bench->last_event, "B");
    assert_true(bench->last_event_has_data);
    bench_reply_release(&reply);
}

static void the_end_answers_all_commands_and_names_the_oldest(void **state)
{
    struct bench *bench = *state;
    struct bench_reply first = {0}, second = {0};

    bench_open_ready(bench);
    bench_send(bench, "transaction", AMPLE_MS, &first);
    bench_send(bench, "stop", AMPLE_MS, &second);
    BENCH_RUN_UNTIL(bench, bench->nr_commands == 2);
    bench_hang_up(bench);
    BENCH_RUN_UNTIL(bench, bench->nr_closed);
    assert_error(&first.err, BF_E_PEER,
                 "QEMU closed the QMP connection while 'transaction' was under way");
    assert_string_equal(second.err.text, first.err.text);
    assert_string_equal(bench->closed_err.text, first.err.text);
    assert_int_equal(first.nr_calls + second.nr_calls + bench->nr_closed, 3);
}

static void last_words_before_the_end_are_heard(void **state)
{
    struct bench *bench = *state;
    struct bench_reply quit = {0}, after = {0};

    bench_open_ready(bench);
    bench_send(bench, "quit", AMPLE_MS, &quit);
    BENCH_RUN_UNTIL(bench, bench->nr_commands);
    bench_say(bench, "{\"id\": \"%s\", \"return\": {}}\n{\"event\": \"SHUTDOWN\"}\n",
              bench->ids[0]);
    bench_hang_up(bench);
    bench_send(bench, "stop", AMPLE_MS, &after);
    BENCH_RUN_UNTIL(bench, bench->nr_closed);
    assert_non_null(quit.result);
    assert_string_equal(bench->last_event, "SHUTDOWN");
    assert_error(&after.err, BF_E_PEER, "while 'stop' was under way");
    bench_reply_release(&quit);
}

static void megabytes_go_both_ways(void **state)
{
    enum { TEXT_BYTES = 8 << 20 };
    struct bench *bench = *state;
    struct bench_reply reply = {0};
    char *text = malloc(TEXT_BYTES + 1);
    struct bf_error err = BF_ERROR_INIT;

    assert_non_null(text);
    memset(text, 'x', TEXT_BYTES);
    text[TEXT_BYTES] = '\0';
    bench_open_ready(bench);
    assert_int_equal(bf_qmp_send(bench->qmp, "big", json_pack("{s:s}", "text", text), AMPLE_MS,
                                 NULL, NULL, &err),
                     0);
    bench_send(bench, "stop", AMPLE_MS, &reply);
    BENCH_RUN_UNTIL(bench, bench->nr_commands == 2);
    bench_say(bench, "{\"id\": \"%s\", \"return\": {}}\n{\"id\": \"%s\", \"return\": \"%s\"}\n",
              bench->ids[0], bench->ids[1], text);
    BENCH_RUN_UNTIL(bench, reply.nr_calls);
    assert_int_equal(json_string_length(reply.result), TEXT_BYTES);
    bench_reply_release(&reply);
    free(text);
}

/* Closing */

static void closing_answers_what_is_under_way_and_calls_nobody_later(void **state)
{
    struct bench *bench = *state;
    struct bench_reply first = {0}, second = {0};

    bench_open_ready(bench);
    bench_send(bench, "transaction", AMPLE_MS, &first);
    bench_send(bench, "stop", AMPLE_MS, &second);
    bench_close(bench);
    assert_error(&first.err, BF_E_INTERRUPTED, "closed on this side");
    assert_int_equal(second.nr_calls, 1);
    bench_hang_up(bench);
    bench_run_out(bench);
    assert_int_equal(first.nr_calls + second.nr_calls, 2);
    assert_int_equal(bench->nr_closed, 0);
}

static void closing_at_once_calls_nobody(void **state)
{
    struct bench *bench = *state;

    bench_open(bench);
    bench_close(bench);
    bench_hang_up(bench);
    bench_run_out(bench);
    assert_int_equal(bench->nr_ready + bench->nr_closed, 0);
}

static void closing_while_connecting_calls_nobody(void **state)
{
    struct bench *bench = *state;
    struct bf_error err = BF_ERROR_INIT;

    assert_int_equal(
        bf_qmp_open_path(&bench->loop, "/nonexistent", AMPLE_MS, NULL, &bench->qmp, &err), 0);
    bench_close(bench);
}

static void close_from_reply(struct bench_reply *reply)
{
    /* The second one comes from the answers that the first one gives. */
    bf_qmp_close(reply->bench->qmp);
}

static void assert_nobody_is_called(struct bench *bench)
{
    unsigned nr_calls = bench->nr_ready + bench->nr_closed + bench->nr_events;

    bench->qmp = NULL;
    bench_hang_up(bench);
    bench_run_out(bench);
    assert_int_equal(bench->nr_ready + bench->nr_closed + bench->nr_events, nr_calls);
}

static void a_reply_may_close_the_client(void **state)
{
    struct bench *bench = *state;
    struct bench_reply first = {.then = close_from_reply}, second = {.then = close_from_reply};

    bench_open_ready(bench);
    bench_send(bench, "stop", AMPLE_MS, &first);
    bench_send(bench, "cont", AMPLE_MS, &second);
    BENCH_RUN_UNTIL(bench, bench->nr_commands == 2);
    bench_say(bench, "{\"id\": \"%s\", \"return\": {}}\n{\"event\": \"A\"}\n{\"id\": \"%s\"}\n",
              bench->ids[0], bench->ids[1]);
    BENCH_RUN_UNTIL(bench, first.nr_calls);
    assert_int_equal(second.nr_calls, 1);
    assert_error(&second.err, BF_E_INTERRUPTED, "");
    assert_nobody_is_called(bench);
    assert_int_equal(bench->nr_events, 0);
    bench_reply_release(&first);
}

static void a_deadline_may_close_the_client(void **state)
{
    struct bench *bench = *state;
    struct bench_reply first = {.then = close_from_reply}, second = {0};

    bench_open_ready(bench);
    bench_send(bench, "stop", SHORT_MS, &first);
    bench_send(bench, "cont", SHORT_MS, &second);
    BENCH_RUN_UNTIL(bench, first.nr_calls);
    assert_error(&first.err, BF_E_DEADLINE, "");
    assert_error(&second.err, BF_E_INTERRUPTED, "");
    assert_nobody_is_called(bench);
}

static void the_lost_connection_may_close_the_client_from_a_reply(void **state)
{
    struct bench *bench = *state;
    struct bench_reply first = {.then = close_from_reply}, second = {0};

    bench_open_ready(bench);
    bench_send(bench, "stop", AMPLE_MS, &first);
    bench_send(bench, "cont", AMPLE_MS, &second);
    bench_hang_up(bench);
    BENCH_RUN_UNTIL(bench, first.nr_calls);
    assert_error(&first.err, BF_E_PEER, "");
    assert_int_equal(second.nr_calls, 1);
    assert_nobody_is_called(bench);
    assert_int_equal(bench->nr_closed, 0);
}

static void close_from_handler(struct bench *bench)
{
    bf_qmp_close(bench->qmp);
}

static void ready_may_close_the_client(void **state)
{
    struct bench *bench = *state;

    bench->on_ready = close_from_handler;
    bench_open(bench);
    BENCH_RUN_UNTIL(bench, bench->nr_ready);
    assert_nobody_is_called(bench);
}

static void a_failed_ready_may_close_the_client(void **state)
{
    struct bench *bench = *state;

    bench->on_ready = close_from_handler;
    bench->greeting = "{}";
    bench_open(bench);
    BENCH_RUN_UNTIL(bench, bench->nr_ready);
    assert_error(&bench->ready_err, BF_E_PROTOCOL, "");
    assert_nobody_is_called(bench);
}

static void an_event_may_close_the_client(void **state)
{
    struct bench *bench = *state;

    bench->on_event = close_from_handler;
    bench_open_ready(bench);
    bench_say(bench, "{\"event\": \"A\"}\n{\"event\": \"B\"}\ngarbage\n");
    BENCH_RUN_UNTIL(bench, bench->nr_events);
    assert_nobody_is_called(bench);
}

static void closed_may_close_the_client(void **state)
{
    struct bench *bench = *state;

    bench->on_closed = close_from_handler;
    bench_open_ready(bench);
    bench_hang_up(bench);
    BENCH_RUN_UNTIL(bench, bench->nr_closed);
    assert_nobody_is_called(bench);
}

static struct bench_reply chained;

static void send_one_more(struct bench_reply *reply)
{
    bench_send(reply->bench, "more", AMPLE_MS, &chained);
}

static void a_reply_may_send_the_next_command(void **state)
{
    struct bench *bench = *state;
    struct bench_reply first = {.then = send_one_more};

    bench_open_ready(bench);
    bench_send(bench, "stop", AMPLE_MS, &first);
    BENCH_RUN_UNTIL(bench, bench->nr_commands == 1);
    bench_say(bench, "{\"id\": \"%s\", \"return\": {}}\n", bench->ids[0]);
    BENCH_RUN_UNTIL(bench, bench->nr_commands == 2);
    bench_say(bench, "{\"id\": \"%s\", \"return\": {}}\n", bench->ids[1]);
    BENCH_RUN_UNTIL(bench, chained.nr_calls);
    assert_non_null(chained.result);
    bench_reply_release(&first);
    bench_reply_release(&chained);
}

int main(void)
{
#define BENCH_TEST(test) cmocka_unit_test_setup_teardown(test, bench_setup, bench_teardown)
    const struct CMUnitTest tests[] = {
        BENCH_TEST(negotiation_tells_version_and_commands),
        BENCH_TEST(without_a_greeting_opening_reaches_its_deadline),
        BENCH_TEST(without_capabilities_opening_reaches_its_deadline),
        BENCH_TEST(without_commands_opening_reaches_its_deadline),
        BENCH_TEST(a_greeting_over_several_lines_is_refused),
        BENCH_TEST(a_second_greeting_during_negotiation_is_no_matter),
        BENCH_TEST(silence_and_the_end_is_a_lost_peer),
        BENCH_TEST(the_end_during_negotiation_names_its_command),
        BENCH_TEST(refused_capabilities_end_the_client),
        cmocka_unit_test(a_list_of_commands_that_is_none_ends_the_client),
        BENCH_TEST(nothing_is_sent_before_ready_or_after_the_end),
        BENCH_TEST(a_socket_without_a_listener_is_a_lost_peer),
        BENCH_TEST(a_socket_with_a_full_queue_says_that_others_wait),
        BENCH_TEST(a_path_that_no_socket_can_have_is_refused_at_once),
        BENCH_TEST(a_descriptor_that_is_no_stream_socket_is_refused_and_closed),
        BENCH_TEST(a_command_gets_its_result_or_its_error),
        BENCH_TEST(a_late_answer_is_dropped_and_the_client_goes_on),
        BENCH_TEST(the_second_answer_to_a_late_one_is_one_too_many),
        BENCH_TEST(an_answer_for_an_earlier_connection_is_dropped),
        BENCH_TEST(two_connections_never_use_the_same_ids),
        BENCH_TEST(every_command_has_its_own_deadline),
        BENCH_TEST(time_spent_outside_the_loop_is_not_the_commands),
        BENCH_TEST(a_deadline_of_ages_does_not_wrap),
        BENCH_TEST(a_peer_that_owes_too_many_answers_is_given_up),
        BENCH_TEST(a_number_beyond_64_bits_costs_its_command_only),
        BENCH_TEST(events_come_between_answers_and_before_ready),
        BENCH_TEST(the_end_answers_all_commands_and_names_the_oldest),
        BENCH_TEST(last_words_before_the_end_are_heard),
        BENCH_TEST(megabytes_go_both_ways),
        BENCH_TEST(closing_answers_what_is_under_way_and_calls_nobody_later),
        BENCH_TEST(closing_at_once_calls_nobody),
        BENCH_TEST(closing_while_connecting_calls_nobody),
        BENCH_TEST(a_reply_may_close_the_client),
        BENCH_TEST(a_deadline_may_close_the_client),
        BENCH_TEST(the_lost_connection_may_close_the_client_from_a_reply),
        BENCH_TEST(ready_may_close_the_client),
        BENCH_TEST(a_failed_ready_may_close_the_client),
        BENCH_TEST(an_event_may_close_the_client),
        BENCH_TEST(closed_may_close_the_client),
        BENCH_TEST(a_reply_may_send_the_next_command),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
