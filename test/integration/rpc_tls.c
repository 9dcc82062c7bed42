/* Who is let in, and what everybody else gets: an error of the right kind on both sides, and
 * nothing of ours. */
#include "rpc_certificates.h"

#include "rpc_bench.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

/* What differs from a good certificate; NULL, what does not. */
static const struct {
    const char *name, *ca, *purpose, *dns_name, *address, *activation, *expiration;
} certificates[] = {
    {"s-good", "ca", "tls_www_server", "localhost", "127.0.0.1", NULL, NULL},
    {"s-revoked", "ca", "tls_www_server", "localhost", "127.0.0.1", NULL, NULL},
    {"s-foreign", "ca2", "tls_www_server", "localhost", "127.0.0.1", NULL, NULL},
    {"s-elsewhere", "ca", "tls_www_server", "localhost.example.org", "127.0.0.2", NULL, NULL},
    {"s-expired", "ca", "tls_www_server", "localhost", "127.0.0.1", NULL, "2021-01-01"},
    {"s-early", "ca", "tls_www_server", "localhost", "127.0.0.1", "2097-01-01", NULL},
    {"c-good", "ca", "tls_www_client", "source1.example.org", "192.0.2.17", NULL, NULL},
    {"c-revoked", "ca", "tls_www_client", "source1.example.org", NULL, NULL, NULL},
    {"c-foreign", "ca2", "tls_www_client", "source1.example.org", NULL, NULL, NULL},
    {"c-nameless", "ca", "tls_www_client", NULL, NULL, NULL, NULL},
    {"c-expired", "ca", "tls_www_client", "source1.example.org", NULL, NULL, "2021-01-01"},
    {"c-early", "ca", "tls_www_client", "source1.example.org", NULL, "2097-01-01", NULL},
};

static int make_all(void **state)
{
    (void)state;
    certificates_begin();
    make_authority("ca");
    make_authority("ca2");
    for (size_t i = 0; i < sizeof certificates / sizeof certificates[0]; i++) {
        struct certificate_spec spec = {.ca = certificates[i].ca,
                                        .purpose = certificates[i].purpose,
                                        .dns_name = certificates[i].dns_name,
                                        .address = certificates[i].address,
                                        .common_name = "a common name",
                                        .activation = certificates[i].activation,
                                        .expiration = certificates[i].expiration};

        make_certificate(certificates[i].name, &spec);
    }
    make_revocation("ca", "s-revoked");
    run("mv ca-crl.pem servers-crl.pem");
    make_revocation("ca", "c-revoked");
    run("mv ca-crl.pem clients-crl.pem");
    make_psk("keys", "source1");
    run("cp -p keys other-keys");
    make_psk("wrong-keys", "source1");
    make_psk("other-keys", "source2");
    return 0;
}

static int remove_all(void **state)
{
    (void)state;
    certificates_end();
    return 0;
}

/* One side of a connection: a certificate, the authority it trusts, a CRL; or a file of keys. */
struct side {
    const char *certificate, *trusts, *crl;
    const char *keys, *identity;
    const char *allowed; /* one pattern */
};

#define SERVER                                                                                     \
    {                                                                                              \
        .certificate = "s-good", .trusts = "ca"                                                    \
    }
#define CLIENT                                                                                     \
    {                                                                                              \
        .certificate = "c-good", .trusts = "ca"                                                    \
    }
#define KEYS                                                                                       \
    {                                                                                              \
        .keys = "keys"                                                                             \
    }

struct row {
    const char *what;
    struct side server, client;
    const char *host; /* NULL: localhost */
    enum bf_code server_code, client_code;
    const char *server_text, *client_text; /* parts of the errors */
};

static const struct row rows[] = {
    {"both are right", SERVER, CLIENT, NULL, BF_E_NONE, BF_E_NONE, NULL, NULL},
    {"the server is known by its address", SERVER, CLIENT, "127.0.0.1", BF_E_NONE, BF_E_NONE, NULL,
     NULL},
    {"the CRLs revoke others",
     {.certificate = "s-good", .trusts = "ca", .crl = "clients"},
     {.certificate = "c-good", .trusts = "ca", .crl = "servers"},
     NULL,
     BF_E_NONE,
     BF_E_NONE,
     NULL,
     NULL},

    {"the server's authority is not the client's",
     {.certificate = "s-foreign", .trusts = "ca"},
     CLIENT,
     NULL,
     BF_E_AUTH,
     BF_E_AUTH,
     "the peer refused us: ",
     "issuer is unknown"},
    {"the client trusts another authority",
     SERVER,
     {.certificate = "c-good", .trusts = "ca2"},
     NULL,
     BF_E_AUTH,
     BF_E_AUTH,
     "the peer refused us: ",
     "the certificate of the server localhost"},
    {"the server has expired",
     {.certificate = "s-expired", .trusts = "ca"},
     CLIENT,
     NULL,
     BF_E_AUTH,
     BF_E_AUTH,
     "Certificate is expired",
     "expired"},
    {"the server is not valid yet",
     {.certificate = "s-early", .trusts = "ca"},
     CLIENT,
     NULL,
     BF_E_AUTH,
     BF_E_AUTH,
     "the peer refused us: ",
     "not yet valid"},
    {"the server is revoked",
     {.certificate = "s-revoked", .trusts = "ca"},
     {.certificate = "c-good", .trusts = "ca", .crl = "servers"},
     NULL,
     BF_E_AUTH,
     BF_E_AUTH,
     "revoked",
     "revoked"},
    {"the server has another name",
     {.certificate = "s-elsewhere", .trusts = "ca"},
     CLIENT,
     NULL,
     BF_E_AUTH,
     BF_E_AUTH,
     "the peer refused us: ",
     "name in the certificate does not match"},
    {"the server has another address",
     {.certificate = "s-elsewhere", .trusts = "ca"},
     CLIENT,
     "127.0.0.1",
     BF_E_AUTH,
     BF_E_AUTH,
     "the peer refused us: ",
     "name in the certificate does not match"},
    {"the server shows a client's certificate",
     {.certificate = "c-good", .trusts = "ca"},
     CLIENT,
     "source1.example.org",
     BF_E_AUTH,
     BF_E_AUTH,
     "the peer refused us: ",
     "intended purpose"},
    {"the client does not want this server",
     SERVER,
     {.certificate = "c-good", .trusts = "ca", .allowed = "dest*.example.org"},
     NULL,
     BF_E_AUTH,
     BF_E_AUTH,
     "the peer refused us: Access was denied",
     "'localhost' is not on the list"},

    {"the client's authority is not the server's",
     SERVER,
     {.certificate = "c-foreign", .trusts = "ca"},
     NULL,
     BF_E_AUTH,
     BF_E_AUTH,
     "issuer is unknown",
     "the peer refused us: CA is unknown"},
    {"the client has expired",
     SERVER,
     {.certificate = "c-expired", .trusts = "ca"},
     NULL,
     BF_E_AUTH,
     BF_E_AUTH,
     "expired",
     "the peer refused us: Certificate is expired"},
    {"the client is not valid yet",
     SERVER,
     {.certificate = "c-early", .trusts = "ca"},
     NULL,
     BF_E_AUTH,
     BF_E_AUTH,
     "not yet valid",
     "the peer refused us: "},
    {"the client is revoked",
     {.certificate = "s-good", .trusts = "ca", .crl = "clients"},
     {.certificate = "c-revoked", .trusts = "ca"},
     NULL,
     BF_E_AUTH,
     BF_E_AUTH,
     "revoked",
     "the peer refused us: Certificate was revoked"},
    {"the client shows a server's certificate",
     SERVER,
     {.certificate = "s-good", .trusts = "ca"},
     NULL,
     BF_E_AUTH,
     BF_E_AUTH,
     "intended purpose",
     "the peer refused us: "},
    {"the client is not on the list",
     {.certificate = "s-good", .trusts = "ca", .allowed = "source2.example.org"},
     CLIENT,
     NULL,
     BF_E_AUTH,
     BF_E_AUTH,
     "'source1.example.org' is not on the list",
     "the peer refused us: Access was denied"},
    {"the client is on the list",
     {.certificate = "s-good", .trusts = "ca", .allowed = "*.example.org"},
     CLIENT,
     NULL,
     BF_E_NONE,
     BF_E_NONE,
     NULL,
     NULL},
    {"the client's address is on the list",
     {.certificate = "s-good", .trusts = "ca", .allowed = "192.0.2.17"},
     CLIENT,
     NULL,
     BF_E_NONE,
     BF_E_NONE,
     NULL,
     NULL},
    {"a common name counts without another",
     {.certificate = "s-good", .trusts = "ca", .allowed = "a common name"},
     {.certificate = "c-nameless", .trusts = "ca"},
     NULL,
     BF_E_NONE,
     BF_E_NONE,
     NULL,
     NULL},
    {"a common name does not count beside another",
     {.certificate = "s-good", .trusts = "ca", .allowed = "a common name"},
     CLIENT,
     NULL,
     BF_E_AUTH,
     BF_E_AUTH,
     "is not on the list",
     "the peer refused us: Access was denied"},

    {"keys are the same", KEYS, KEYS, NULL, BF_E_NONE, BF_E_NONE, NULL, NULL},
    {"the client's key has another name on the list",
     {.keys = "keys", .allowed = "source2"},
     KEYS,
     NULL,
     BF_E_AUTH,
     BF_E_AUTH,
     "'source1' is not on the list",
     "the peer refused us: Access was denied"},
    {"the client picks a key by name",
     {.keys = "other-keys", .allowed = "source2"},
     {.keys = "other-keys", .identity = "source2"},
     NULL,
     BF_E_NONE,
     BF_E_NONE,
     NULL,
     NULL},
    {"the key is wrong",
     KEYS,
     {.keys = "wrong-keys"},
     NULL,
     BF_E_AUTH,
     BF_E_AUTH,
     "",
     "the peer refused us: "},
    {"the key has an unknown name",
     KEYS,
     {.keys = "other-keys", .identity = "source2"},
     NULL,
     BF_E_AUTH,
     BF_E_AUTH,
     "",
     ""},
    {"keys on this side, certificates on that", KEYS, CLIENT, NULL, BF_E_AUTH, BF_E_AUTH, "",
     "the peer refused us: "},
    {"certificates on this side, keys on that", SERVER, KEYS, NULL, BF_E_AUTH, BF_E_AUTH, "",
     "there is no common ground"},
};

static struct bf_rpc_credentials *load(const struct side *side, enum bf_rpc_side kind)
{
    const char *name = kind == BF_RPC_SERVER ? "server" : "client";
    struct bf_rpc_credentials_spec spec = {.side = kind,
                                           .psk_file = side->keys,
                                           .psk_identity = side->identity,
                                           .allowed = &side->allowed,
                                           .nr_allowed = side->allowed != NULL};
    struct bf_rpc_credentials *credentials = NULL;
    struct bf_error err = BF_ERROR_INIT;

    if (!side->keys) {
        run("rm -rf %s", name);
        make_folder(name, side->trusts, name, side->certificate, side->crl);
        spec.folder = name;
    }
    if (bf_rpc_credentials_load(&spec, &credentials, &err) < 0)
        fail_msg("%s", err.text);
    return credentials;
}

/* All that is wrong is said before the test fails. */
static unsigned nr_wrong;

static void expect(const struct row *row, const char *side, const struct bf_error *err,
                   enum bf_code code, const char *text)
{
    if (err->code == code && (!text || strstr(err->text, text)))
        return;
    print_error("%s: the %s says %s: %s\n", row->what, side, bf_code_name(err->code), err->text);
    nr_wrong++;
}

static void run_row(const struct row *row)
{
    struct bf_rpc_credentials *server = load(&row->server, BF_RPC_SERVER);
    struct bf_rpc_credentials *client = load(&row->client, BF_RPC_CLIENT);
    struct bench *bench;
    void *state;

    assert_int_equal(bench_setup(&state), 0);
    bench = state;
    bench->server_settings.credentials = server;
    bench->client_settings.credentials = client;
    bench->server_settings.plain_on_loopback = bench->client_settings.plain_on_loopback = false;
    bench->tls_name = row->host ? row->host : "localhost";
    bench_listen(bench);
    bench_connect(bench, "127.0.0.1", BENCH_DEADLINE_MS);
    BENCH_RUN_UNTIL(bench, bench->client.nr_opened + bench->client.nr_closed > 0 &&
                               bench->server.nr_opened + bench->nr_refused > 0);
    expect(row, "server", &bench->refused_err, row->server_code, row->server_text);
    expect(row, "client", &bench->client.err, row->client_code, row->client_text);
    nr_wrong += bench->server.nr_opened != (row->server_code == BF_E_NONE);
    nr_wrong += bench->client.nr_opened != (row->client_code == BF_E_NONE);
    if (bench->server.nr_opened && bench->client.nr_opened) {
        assert_int_equal(bench_say(&bench->client, true, 1, 7, NULL), 0);
        BENCH_RUN_UNTIL(bench, bench->server.nr_words == 1);
        assert_int_equal(bench->server.word_bytes, 7);
    }
    assert_int_equal(bench_teardown(&state), 0);
    bf_rpc_credentials_free(server);
    bf_rpc_credentials_free(client);
}

static void only_the_right_ones_are_let_in(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        run_row(&rows[i]);
    assert_int_equal(nr_wrong, 0);
}

/* Other clients: real tools and raw bytes. */

static struct bench *listen_with(const struct side *side, struct bf_rpc_credentials **credentials,
                                 void **state)
{
    struct bench *bench;

    *credentials = load(side, BF_RPC_SERVER);
    assert_int_equal(bench_setup(state), 0);
    bench = *state;
    bench->server_settings.credentials = *credentials;
    bench_listen(bench);
    return bench;
}

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
    struct bf_rpc_credentials *credentials = load(&client, BF_RPC_CLIENT);
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
    struct bf_rpc_credentials *client_credentials = load(&client, BF_RPC_CLIENT);
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

/* Files */

static void expect_refusal(const struct bf_rpc_credentials_spec *spec, enum bf_code code,
                           const char *text)
{
    struct bf_rpc_credentials *credentials = NULL;
    struct bf_error err = BF_ERROR_INIT;

    assert_true(bf_rpc_credentials_load(spec, &credentials, &err) < 0);
    if (err.code != code || !strstr(err.text, text))
        fail_msg("%s: %s", bf_code_name(err.code), err.text);
    assert_null(credentials);
}

static void unusable_files_are_named(void **state)
{
    struct bf_rpc_credentials_spec spec = {.side = BF_RPC_SERVER, .folder = "bad"};
    struct bf_rpc_credentials_spec keys = {.side = BF_RPC_CLIENT, .psk_file = "bad-keys"};

    (void)state;
    make_folder("bad", "ca", "server", "s-good", NULL);
    run("chmod 0644 bad/server-key.pem");
    expect_refusal(&spec, BF_E_PERMISSION, "bad/server-key.pem has mode 0644");
    run("chmod 0660 bad/server-key.pem");
    expect_refusal(&spec, BF_E_PERMISSION, "bad/server-key.pem has mode 0660");
    run("install -m 0600 c-good-key.pem bad/server-key.pem");
    expect_refusal(&spec, BF_E_INVALID, "bad/server-cert.pem cannot be used");
    run("echo garbage >bad/ca-crl.pem");
    expect_refusal(&spec, BF_E_INVALID, "bad/ca-crl.pem cannot be used");
    run(": >bad/ca-cert.pem");
    expect_refusal(&spec, BF_E_INVALID, "bad/ca-cert.pem cannot be used");
    run("rm bad/ca-cert.pem");
    expect_refusal(&spec, BF_E_NOT_FOUND, "bad/ca-cert.pem");
    run("cp -p keys bad-keys && chmod 0604 bad-keys");
    expect_refusal(&keys, BF_E_PERMISSION, "bad-keys has mode 0604");
    run("chmod 0600 bad-keys");
    keys.psk_identity = "nobody";
    expect_refusal(&keys, BF_E_NOT_FOUND, "bad-keys has no key of the name 'nobody'");
    keys.folder = "bad";
    expect_refusal(&keys, BF_E_INVALID, "only one");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_the_right_ones_are_let_in),
        cmocka_unit_test(a_client_without_certificate_is_refused),
        cmocka_unit_test(old_tls_is_refused),
        cmocka_unit_test(anonymous_tls_is_refused),
        cmocka_unit_test(plain_clients_get_nothing_from_a_tls_server),
        cmocka_unit_test(tls_clients_give_nothing_to_a_plain_server),
        cmocka_unit_test(a_slow_handshake_ends_at_the_deadline),
        cmocka_unit_test(words_travel_through_tls),
        cmocka_unit_test(unusable_files_are_named),
    };

    return cmocka_run_group_tests(tests, make_all, remove_all);
}
