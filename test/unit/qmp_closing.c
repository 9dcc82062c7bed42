/* Closing at any time, from any callback: nobody is called later. */
#include "qmp_bench.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

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
    const struct CMUnitTest tests[] = {
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
