/* Who is let in, and what everybody else gets: an error of the right kind on both sides. */
#include "rpc_certificates.h"
#include "rpc_sides.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

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
    struct bf_rpc_credentials *server = load_side(&row->server, BF_RPC_SERVER);
    struct bf_rpc_credentials *client = load_side(&row->client, BF_RPC_CLIENT);
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
        cmocka_unit_test(unusable_files_are_named),
    };

    return cmocka_run_group_tests(tests, sides_begin, sides_end);
}
