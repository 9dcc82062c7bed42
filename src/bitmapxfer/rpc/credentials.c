#include "tls.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include <gnutls/crypto.h>

/* No version with a handshake in clear text, no renegotiation, no compression. */
#define PRIORITY_X509 "NORMAL:-VERS-ALL:+VERS-TLS1.3"
#define PRIORITY_PSK  PRIORITY_X509 ":-KX-ALL:+ECDHE-PSK:+DHE-PSK"

enum { FILE_MAX_BYTES = 1 << 20 }; /* a CRL of some 25,000 certificates */

static int no_memory(struct bf_error *err)
{
    return bf_error_set(err, BF_E_NO_MEMORY, "no memory for TLS credentials");
}

/* A key that others can read is no secret. */
static int check_secret(int fd, const char *path, struct bf_error *err)
{
    struct stat st;

    if (fstat(fd, &st) < 0)
        return bf_error_set_errno(err, errno, "cannot look at %s", path);
    if (st.st_mode & (S_IWGRP | S_IRWXO))
        return bf_error_set(err, BF_E_PERMISSION,
                            "%s has mode %04o, others could read or change the key: chmod 0640 or "
                            "0600",
                            path, st.st_mode & 07777);
    return 0;
}

static int read_all(int fd, const char *path, size_t max_bytes, gnutls_datum_t *ret_text,
                    struct bf_error *err)
{
    BF_CLEANUP(bf_freep) unsigned char *text = malloc(max_bytes + 1);
    size_t filled = 0;
    ssize_t nr = 1;

    if (!text)
        return no_memory(err);
    while (nr > 0 && filled < max_bytes) {
        nr = read(fd, text + filled, max_bytes - filled);
        if (nr > 0)
            filled += (size_t)nr;
    }
    if (nr < 0)
        return bf_error_set_errno(err, errno, "cannot read %s", path);
    if (filled == max_bytes)
        return bf_error_set(err, BF_E_INVALID, "%s has more than %zu bytes", path, max_bytes - 1);
    text[filled] = '\0';
    ret_text->data = bf_steal_ptr(&text);
    ret_text->size = (unsigned)filled;
    return 0;
}

/* With a NUL behind it. */
static int read_file(const char *path, bool secret, size_t max_bytes, gnutls_datum_t *ret_text,
                     struct bf_error *err)
{
    BF_CLEANUP(bf_fd_closep) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    int r = 0;

    if (fd < 0)
        return bf_error_set_errno(err, errno, "cannot open %s", path);
    if (secret)
        r = check_secret(fd, path, err);
    return r < 0 ? r : read_all(fd, path, max_bytes, ret_text, err);
}

static void datum_release(gnutls_datum_t *datum)
{
    if (datum->data)
        explicit_bzero(datum->data, datum->size);
    free(datum->data);
}

static int read_pem(const char *folder, const char *name, bool secret, gnutls_datum_t *ret_pem,
                    struct bf_error *err)
{
    char path[PATH_MAX];

    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    return read_file(path, secret, FILE_MAX_BYTES, ret_pem, err);
}

static int broken_file(const char *folder, const char *name, int code, struct bf_error *err)
{
    return bf_error_set(err, BF_E_INVALID, "%s/%s cannot be used: %s", folder, name,
                        gnutls_strerror(code));
}

static int load_authorities(gnutls_certificate_credentials_t x509, const char *folder,
                            struct bf_error *err)
{
    BF_CLEANUP(datum_release) gnutls_datum_t authorities = {0};
    BF_CLEANUP(datum_release) gnutls_datum_t revoked = {0};
    struct bf_error why = BF_ERROR_INIT;
    int r = read_pem(folder, "ca-cert.pem", false, &authorities, err);

    if (r < 0)
        return r;
    r = gnutls_certificate_set_x509_trust_mem(x509, &authorities, GNUTLS_X509_FMT_PEM);
    if (r <= 0)
        return broken_file(folder, "ca-cert.pem", r < 0 ? r : GNUTLS_E_NO_CERTIFICATE_FOUND, err);
    r = read_pem(folder, "ca-crl.pem", false, &revoked, &why);
    if (r < 0)
        return why.code == BF_E_NOT_FOUND ? 0 : bf_error_set(err, why.code, "%s", why.text);
    r = gnutls_certificate_set_x509_crl_mem(x509, &revoked, GNUTLS_X509_FMT_PEM);
    return r <= 0 ? broken_file(folder, "ca-crl.pem", r < 0 ? r : GNUTLS_E_PARSING_ERROR, err) : 0;
}

static int load_own(gnutls_certificate_credentials_t x509, const char *folder,
                    enum bf_rpc_side side, struct bf_error *err)
{
    const char *cert_name = side == BF_RPC_SERVER ? "server-cert.pem" : "client-cert.pem";
    const char *key_name = side == BF_RPC_SERVER ? "server-key.pem" : "client-key.pem";
    BF_CLEANUP(datum_release) gnutls_datum_t cert = {0};
    BF_CLEANUP(datum_release) gnutls_datum_t key = {0};
    int r = read_pem(folder, cert_name, false, &cert, err);

    if (r == 0)
        r = read_pem(folder, key_name, true, &key, err);
    if (r < 0)
        return r;
    r = gnutls_certificate_set_x509_key_mem2(x509, &cert, &key, GNUTLS_X509_FMT_PEM, NULL, 0);
    return r < 0 ? broken_file(folder, cert_name, r, err) : 0;
}

static int load_x509(struct bf_rpc_credentials *credentials, const char *folder,
                     struct bf_error *err)
{
    int r;

    if (gnutls_certificate_allocate_credentials(&credentials->x509) < 0)
        return no_memory(err);
    r = load_authorities(credentials->x509, folder, err);
    return r < 0 ? r : load_own(credentials->x509, folder, credentials->side, err);
}

/* GnuTLS asks for the key of a client's identity; the answer is its to gnutls_free().  An unknown
 * one gets a key that nobody has, so that names cannot be tried out. */
static int on_psk_wanted(gnutls_session_t session, const char *name, gnutls_datum_t *ret_key)
{
    const struct bf_rpc_tls *tls = gnutls_session_get_ptr(session);
    const struct bf_psk_entry *entry = bf_psk_find(&tls->credentials->keys, name);
    size_t key_bytes = entry ? entry->key_bytes : BF_PSK_KEY_MAX_BYTES;

    ret_key->data = gnutls_malloc(key_bytes);
    if (!ret_key->data)
        return -1;
    ret_key->size = (unsigned)key_bytes;
    if (entry)
        memcpy(ret_key->data, entry->key, key_bytes);
    else if (gnutls_rnd(GNUTLS_RND_KEY, ret_key->data, key_bytes) < 0)
        return -1;
    return 0;
}

static int use_key(struct bf_rpc_credentials *credentials,
                   const struct bf_rpc_credentials_spec *spec, struct bf_error *err)
{
    const struct bf_psk_entry *entry = bf_psk_find(&credentials->keys, spec->psk_identity);
    gnutls_datum_t key;

    if (!entry)
        return bf_error_set(err, BF_E_NOT_FOUND, "%s has no key of the name '%s'", spec->psk_file,
                            spec->psk_identity);
    key = (gnutls_datum_t){(unsigned char *)(uintptr_t)entry->key, (unsigned)entry->key_bytes};
    if (gnutls_psk_allocate_client_credentials(&credentials->psk_client) < 0 ||
        gnutls_psk_set_client_credentials(credentials->psk_client, entry->name, &key,
                                          GNUTLS_PSK_KEY_RAW) < 0)
        return no_memory(err);
    return 0;
}

static int load_psk(struct bf_rpc_credentials *credentials,
                    const struct bf_rpc_credentials_spec *spec, struct bf_error *err)
{
    BF_CLEANUP(datum_release) gnutls_datum_t text = {0};
    int r = read_file(spec->psk_file, true, BF_PSK_FILE_MAX_BYTES, &text, err);

    if (r == 0)
        r = bf_psk_parse(spec->psk_file, (const char *)text.data, &credentials->keys, err);
    if (r < 0)
        return r;
    if (spec->side == BF_RPC_CLIENT)
        return use_key(credentials, spec, err);
    if (gnutls_psk_allocate_server_credentials(&credentials->psk_server) < 0)
        return no_memory(err);
    gnutls_psk_set_server_credentials_function(credentials->psk_server, on_psk_wanted);
    return 0;
}

static int copy_allowed(struct bf_rpc_credentials *credentials,
                        const struct bf_rpc_credentials_spec *spec, struct bf_error *err)
{
    if (spec->nr_allowed == 0)
        return 0;
    credentials->allowed = calloc(spec->nr_allowed, sizeof *credentials->allowed);
    if (!credentials->allowed)
        return no_memory(err);
    for (; credentials->nr_allowed < spec->nr_allowed; credentials->nr_allowed++) {
        char *copy = strdup(spec->allowed[credentials->nr_allowed]);

        if (!copy)
            return no_memory(err);
        credentials->allowed[credentials->nr_allowed] = copy;
    }
    return 0;
}

static int load(struct bf_rpc_credentials *credentials, const struct bf_rpc_credentials_spec *spec,
                struct bf_error *err)
{
    int r = copy_allowed(credentials, spec, err);

    if (r < 0)
        return r;
    if (gnutls_priority_init(&credentials->priority, spec->folder ? PRIORITY_X509 : PRIORITY_PSK,
                             NULL) < 0)
        return bf_error_set(err, BF_E_UNSUPPORTED,
                            "this GnuTLS does not speak TLS 1.3, or the "
                            "system's policy forbids it");
    return spec->folder ? load_x509(credentials, spec->folder, err)
                        : load_psk(credentials, spec, err);
}

int bf_rpc_credentials_load(const struct bf_rpc_credentials_spec *spec,
                            struct bf_rpc_credentials **ret_credentials, struct bf_error *err)
{
    BF_CLEANUP(bf_rpc_credentials_freep) struct bf_rpc_credentials *credentials = NULL;
    int r;

    if (!spec->folder == !spec->psk_file)
        return bf_error_set(err, BF_E_INVALID,
                            "TLS needs a folder of certificates or a file of keys, and only one");
    credentials = calloc(1, sizeof *credentials);
    if (!credentials)
        return no_memory(err);
    credentials->side = spec->side;
    r = load(credentials, spec, err);
    if (r < 0)
        return r;
    *ret_credentials = bf_steal_ptr(&credentials);
    return 0;
}

const char *bf_rpc_credentials_psk_name(const struct bf_rpc_credentials *credentials)
{
    return credentials->keys.nr_entries > 0 ? credentials->keys.entries[0].name : NULL;
}

void bf_rpc_credentials_free(struct bf_rpc_credentials *credentials)
{
    if (credentials->x509)
        gnutls_certificate_free_credentials(credentials->x509);
    if (credentials->psk_server)
        gnutls_psk_free_server_credentials(credentials->psk_server);
    if (credentials->psk_client)
        gnutls_psk_free_client_credentials(credentials->psk_client);
    if (credentials->priority)
        gnutls_priority_deinit(credentials->priority);
    bf_psk_release(&credentials->keys);
    for (size_t i = 0; i < credentials->nr_allowed; i++)
        free(credentials->allowed[i]);
    free(credentials->allowed);
    free(credentials);
}
