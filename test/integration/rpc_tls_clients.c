/* What other clients get of us, real tools and raw bytes: nothing; and what ours get through. */
#include "rpc_sides.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

/* gnutls-cli against the listener; its output must have @said in it and nothing of our greeting. */
static void call_by_tool(const char *options, enum bf_code code, const char *refusal,
                         const char *said)
{
    static const struct side server = SERVER;
    struct bf_rpc_credentials *credentials;
    char command[512];
    char output[16384];
    struct bench *bench;
    size_t nr_bytes;
    void *state;
    FILE *tool;

    bench = listen_with(&server, &credentials, &state);
    (void)snprintf(command, sizeof command,
                   "exec gnutls-cli --x509cafile ca-cert.pem --verify-hostname localhost %s -p %u "
                   "127.0.0.1 </dev/null 2>&1",
                   options, bf_rpc_listener_port(bench->listener));
    tool = popen(command, "r"); /* NOLINT: a test; nothing in the command is foreign */
    assert_non_null(tool);
    BENCH_RUN_UNTIL(bench, bench->nr_refused);
    nr_bytes = fread(output, 1, sizeof output - 1, tool);
    output[nr_bytes] = '\0';
    (void)pclose(tool);
    if (bench->refused_err.code != code || !strstr(bench->refused_err.text, refusal))
        fail_msg("%s: %s", options, bench->refused_err.text);
    if (!strstr(output, said) || memmem(output, nr_bytes, "bitferry-dest", 13))
        fail_msg("%s: %s", options, output);
    assert_int_equal(bench->server.nr_opened, 0);
    assert_int_equal(bench_teardown(&state), 0);
    bf_rpc_credentials_free(credentials);
}

static void a_client_without_certificate_is_refused(void **state)
{
    (void)state;
    call_by_tool("", BF_E_AUTH, "the peer showed no certificate", "Certificate is required");
}

static void old_tls_is_refused(void **state)
{
    (void)state;
    call_by_tool("--priority NORMAL:-VERS-ALL:+VERS-TLS1.2", BF_E_AUTH, "does not speak TLS 1.3",
                 "Handshake failed");
}

static void anonymous_tls_is_refused(void **state)
{
    (void)state;
    call_by_tool("--priority NORMAL:-VERS-ALL:+VERS-TLS1.2:-KX-ALL:+ANON-ECDH", BF_E_AUTH,
                 "does not speak TLS 1.3", "Handshake failed");
}

/* All that a plaintext client can get from a TLS server is an alert. */
static void plain_clients_get_nothing_from_a_tls_server(void **state)
{
    static const struct side server = SERVER;
    struct bf_rpc_credentials *credentials;
    uint8_t bytes[64];
    size_t hello_bytes = 0;
    bool ended = false;
    struct bench *bench;
    uint8_t *hello;
    ssize_t nr_bytes;
    void *one;
    int fd;

    (void)state;
    bench = listen_with(&server, &credentials, &one);
    hello = bench_hello(bench, &hello_bytes);
    fd = bench_raw_connect(bench);
    bench_raw_send(fd, hello, hello_bytes);
    free(hello);
    BENCH_RUN_UNTIL(bench, bench->nr_refused);
    assert_int_equal(bench->refused_err.code, BF_E_PROTOCOL);
    nr_bytes = bench_raw_read(fd, bytes, sizeof bytes, &ended);
    assert_true(ended || (nr_bytes == 7 && bytes[0] == 21));
    (void)close(fd);
    assert_int_equal(bench_teardown(&one), 0);
    bf_rpc_credentials_free(credentials);
}

static void tls_clients_give_nothing_to_a_plain_server(void **state)
{
    static const struct side client = CLIENT;
    struct bf_rpc_credentials *credentials = load_side(&client, BF_RPC_CLIENT);
    struct bench *bench;
    void *one;

    (void)state;
    assert_int_equal(bench_setup(&one), 0);
    bench = one;
    bench->client_settings.credentials = credentials;
    bench_listen(bench);
    bench_connect(bench, "127.0.0.1", BENCH_DEADLINE_MS);
    BENCH_RUN_UNTIL(bench, bench->client.nr_closed && bench->nr_refused);
    assert_int_equal(bench->client.err.code, BF_E_PROTOCOL);
    assert_int_equal(bench->refused_err.code, BF_E_PROTOCOL);
    assert_int_equal(bench->server.nr_opened, 0);
    assert_int_equal(bench_teardown(&one), 0);
    bf_rpc_credentials_free(credentials);
}

/* A client who never finishes TLS costs a place until the deadline, and no more. */
static void a_slow_handshake_ends_at_the_deadline(void **state)
{
    static const struct side server = SERVER;
    struct bf_rpc_credentials *credentials;
    struct bench *bench;
    void *one;
    int fd;

    (void)state;
    bench = listen_with(&server, &credentials, &one);
    bf_rpc_listener_close(bench->listener);
    bench->server_settings.handshake_ms = 300;
    bench_listen(bench);
    fd = bench_raw_connect(bench);
    bench_raw_send(fd, "\x16\x03\x01\x02\0\x01\0\x01\xfc", 9); /* a ClientHello, begun */
    BENCH_RUN_UNTIL(bench, bench->nr_refused);
    assert_int_equal(bench->refused_err.code, BF_E_DEADLINE);
    assert_string_equal(bench->refused_err.text, "the peer has not finished handshaking in time");
    (void)close(fd);
    assert_int_equal(bench_teardown(&one), 0);
    bf_rpc_credentials_free(credentials);
}

/* Many records, more than the kernel takes at once, and the name by which a peer was let in. */
static void words_travel_through_tls(void **state)
{
    enum { NR_WORDS = 300 };
    static const struct side server = SERVER;
    static const struct side client = CLIENT;
    struct bf_rpc_credentials *client_credentials = load_side(&client, BF_RPC_CLIENT);
    struct bf_rpc_credentials *credentials;
    struct bench *bench;
    void *one;

    (void)state;
    bench = listen_with(&server, &credentials, &one);
    bench->client_settings.credentials = client_credentials;
    bench_connect(bench, "localhost", BENCH_DEADLINE_MS);
    BENCH_RUN_UNTIL(bench, bench->client.nr_opened && bench->server.nr_opened);
    assert_string_equal(bf_rpc_peer_name(bench->server.peer), "source1.example.org");
    assert_string_equal(bf_rpc_peer_name(bench->client.peer), "localhost");
    for (uint32_t epoch = 1; epoch <= NR_WORDS; epoch++) {
        assert_int_equal(bench_say(&bench->client, true, epoch, BF_RPC_BITMAPS_MAX, NULL), 0);
        assert_int_equal(bench_say(&bench->server, false, epoch, 1, NULL), 0);
    }
    bench_close_end(&bench->client);
    BENCH_RUN_UNTIL(bench, bench->server.nr_closed);
    assert_int_equal(bench->server.nr_words, NR_WORDS);
    assert_int_equal(bench->server.word_bytes, (size_t)NR_WORDS * BF_RPC_BITMAPS_MAX);
    assert_int_equal(bench_teardown(&one), 0);
    bf_rpc_credentials_free(credentials);
    bf_rpc_credentials_free(client_credentials);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_client_without_certificate_is_refused),
        cmocka_unit_test(old_tls_is_refused),
        cmocka_unit_test(anonymous_tls_is_refused),
        cmocka_unit_test(plain_clients_get_nothing_from_a_tls_server),
        cmocka_unit_test(tls_clients_give_nothing_to_a_plain_server),
        cmocka_unit_test(a_slow_handshake_ends_at_the_deadline),
        cmocka_unit_test(words_travel_through_tls),
    };

    return cmocka_run_group_tests(tests, sides_begin, sides_end);
}
