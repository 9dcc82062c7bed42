/* Opening: the negotiation with a peer that behaves as QEMU may, and what cannot be opened. */
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

int main(void)
{
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
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
