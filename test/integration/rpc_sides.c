#include "rpc_sides.h"

#include "rpc_certificates.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

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

int sides_begin(void **state)
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

int sides_end(void **state)
{
    (void)state;
    certificates_end();
    return 0;
}

struct bf_rpc_credentials *load_side(const struct side *side, enum bf_rpc_side kind)
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

struct bench *listen_with(const struct side *side, struct bf_rpc_credentials **credentials,
                          void **state)
{
    struct bench *bench;

    *credentials = load_side(side, BF_RPC_SERVER);
    assert_int_equal(bench_setup(state), 0);
    bench = *state;
    bench->server_settings.credentials = *credentials;
    bench_listen(bench);
    return bench;
}
