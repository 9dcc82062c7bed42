/* Commands, answers, deadlines and events, with a peer that behaves as QEMU may. */
#include "inflight.h"
#include "qmp_bench.h"

#include "qmp/call.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

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

int main(void)
{
    const struct CMUnitTest tests[] = {
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
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
