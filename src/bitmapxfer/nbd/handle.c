#include "handle.h"

#include <errno.h>
#include <string.h>

/* libnbd has no error numbers for what TLS reports; its texts name the GnuTLS function (measured on
 * 1.14: "gnutls_handshake: Error in the certificate verification. (0/1)").  Where there is a number
 * the text may hold a host name. */
static bool is_about_tls(int errnum, const char *text)
{
    return (errnum == 0 || errnum == ENOTSUP) && (strstr(text, "gnutls") || strstr(text, "TLS"));
}

static enum bf_code code_of(int errnum, const char *text)
{
    if (is_about_tls(errnum, text))
        return BF_E_AUTH;
    switch (errnum) {
    case ENOMEM:
        return BF_E_NO_MEMORY;
    case EPROTO:
        return BF_E_PROTOCOL;
    default:
        return BF_E_PEER;
    }
}

/* Without "nbd_aio_connect_uri: ", which tells users nothing. */
static const char *without_function(const char *text)
{
    const char *colon = strchr(text, ':');

    return strncmp(text, "nbd_", 4) == 0 && colon && colon[1] == ' ' ? colon + 2 : text;
}

bool bf_nbd_is_lost(struct nbd_handle *nbd)
{
    return nbd_aio_is_dead(nbd) || nbd_aio_is_closed(nbd);
}

/* libnbd 1.22 sets no error of its own when the server goes while it waits: what is there then is
 * an old "not supported" of an option that was tried (measured).  1.14 has a sentence but no errno
 * when the server goes in the middle of an answer (measured). */
static bool says_nothing_but_gone(const char *text)
{
    int errnum = nbd_get_errno();

    return !text || strstr(text, "server disconnected unexpectedly") || errnum == EPIPE ||
           errnum == ECONNRESET || errnum == ENOTCONN ||
           (errnum == ENOTSUP && !is_about_tls(errnum, text));
}

int bf_nbd_error(struct bf_error *err, const char *doing)
{
    const char *text = nbd_get_error();

    if (says_nothing_but_gone(text))
        text = "the server closed the connection";
    return bf_error_set(err, code_of(nbd_get_errno(), text), "%s: %s", doing,
                        without_function(text));
}

static int set_trust(struct nbd_handle *nbd, const struct bf_nbd_endpoint *endpoint)
{
    if (endpoint->tls_psk_file)
        return nbd_set_tls_psk_file(nbd, endpoint->tls_psk_file) < 0
                   ? -1
                   : nbd_set_tls_username(nbd, endpoint->tls_psk_name);
    if (nbd_set_tls_certificates(nbd, endpoint->tls_certificates) < 0)
        return -1;
    return nbd_set_tls_verify_peer(nbd, true);
}

static int configure(struct nbd_handle *nbd, const struct bf_nbd_endpoint *endpoint)
{
    if (nbd_set_opt_mode(nbd, true) < 0 ||
        nbd_set_uri_allow_transports(nbd,
                                     LIBNBD_ALLOW_TRANSPORT_TCP | LIBNBD_ALLOW_TRANSPORT_UNIX) < 0)
        return -1;
    /* Without a folder of ours the URI, which a person typed, may name one. */
    if (!endpoint->tls_certificates && !endpoint->tls_psk_file)
        return nbd_set_uri_allow_local_file(nbd, true);
    if (nbd_set_uri_allow_tls(nbd, LIBNBD_TLS_REQUIRE) < 0 ||
        nbd_set_tls(nbd, LIBNBD_TLS_REQUIRE) < 0)
        return -1;
    return set_trust(nbd, endpoint);
}

int bf_nbd_handle_connect(const struct bf_nbd_endpoint *endpoint, struct nbd_handle **ret_nbd,
                          struct bf_error *err)
{
    BF_CLEANUP(nbd_closep) struct nbd_handle *nbd = NULL;
    int r = bf_nbd_endpoint_check(endpoint, err);

    if (r < 0)
        return r;
    nbd = nbd_create();
    if (!nbd || configure(nbd, endpoint) < 0)
        return bf_nbd_error(err, "setting up libnbd");
    if (nbd_aio_connect_uri(nbd, endpoint->uri) < 0) {
        if (nbd_get_errno() == EINVAL || nbd_get_errno() == EPERM)
            return bf_error_set(err, BF_E_USAGE, "%s", without_function(nbd_get_error()));
        return bf_nbd_error(err, endpoint->uri);
    }
    *ret_nbd = bf_steal_ptr(&nbd);
    return 0;
}
