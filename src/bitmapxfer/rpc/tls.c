#include "tls.h"

#include "trust.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

enum { HANDSHAKE_MAX_BYTES = 32 << 10 }; /* of one message: a chain of several large certificates */

static ssize_t on_pull(gnutls_transport_ptr_t ptr, void *to, size_t max_bytes)
{
    struct bf_rpc_tls *tls = ptr;
    size_t nr_bytes = tls->in_bytes < max_bytes ? tls->in_bytes : max_bytes;

    if (nr_bytes == 0) {
        gnutls_transport_set_errno(tls->session, EAGAIN);
        return -1;
    }
    memcpy(to, tls->in, nr_bytes);
    tls->in += nr_bytes;
    tls->in_bytes -= nr_bytes;
    return (ssize_t)nr_bytes;
}

static ssize_t on_push(gnutls_transport_ptr_t ptr, const void *bytes, size_t nr_bytes)
{
    struct bf_rpc_tls *tls = ptr;

    tls->push(tls->ctx, bytes, nr_bytes);
    return (ssize_t)nr_bytes;
}

static int say_no(struct bf_rpc_tls *tls, gnutls_alert_description_t alert)
{
    (void)gnutls_alert_send(tls->session, GNUTLS_AL_FATAL, alert);
    return GNUTLS_E_CERTIFICATE_ERROR;
}

/* Called by GnuTLS within the handshake, before anything of ours has been sent. */
static int on_certificate(gnutls_session_t session)
{
    struct bf_rpc_tls *tls = gnutls_session_get_ptr(session);
    gnutls_alert_description_t alert = GNUTLS_A_BAD_CERTIFICATE;

    return bf_rpc_trust_certificate(tls, &alert, tls->why) < 0 ? say_no(tls, alert) : 0;
}

static bool is_about_auth(gnutls_alert_description_t alert)
{
    static const gnutls_alert_description_t alerts[] = {
        GNUTLS_A_BAD_CERTIFICATE,      GNUTLS_A_UNSUPPORTED_CERTIFICATE,
        GNUTLS_A_CERTIFICATE_REVOKED,  GNUTLS_A_CERTIFICATE_EXPIRED,
        GNUTLS_A_CERTIFICATE_UNKNOWN,  GNUTLS_A_UNKNOWN_CA,
        GNUTLS_A_ACCESS_DENIED,        GNUTLS_A_DECRYPT_ERROR,
        GNUTLS_A_CERTIFICATE_REQUIRED, GNUTLS_A_UNKNOWN_PSK_IDENTITY,
        GNUTLS_A_HANDSHAKE_FAILURE,    GNUTLS_A_INSUFFICIENT_SECURITY,

    };

    for (size_t i = 0; i < sizeof alerts / sizeof alerts[0]; i++) {
        if (alerts[i] == alert)
            return true;
    }
    return false;
}

static int judge_alert(const struct bf_rpc_tls *tls, struct bf_error *err)
{
    gnutls_alert_description_t alert = gnutls_alert_get(tls->session);
    const char *name = gnutls_alert_get_name(alert);

    /* What GnuTLS says of a wrong key. */
    if (is_about_auth(alert) ||
        (tls->credentials->psk_client && alert == GNUTLS_A_ILLEGAL_PARAMETER))
        return bf_error_set(err, BF_E_AUTH, "the peer refused us: %s", name);
    return bf_error_set(err, BF_E_PROTOCOL, "the peer ended TLS: %s",
                        name ? name : "unknown alert");
}

static int judge(const struct bf_rpc_tls *tls, int code, struct bf_error *err)
{
    switch (code) {
    case GNUTLS_E_FATAL_ALERT_RECEIVED:
        return judge_alert(tls, err);
    case GNUTLS_E_SESSION_EOF:
        return bf_error_set(err, BF_E_PEER, "the peer closed the connection");
    case GNUTLS_E_CERTIFICATE_ERROR:
    case GNUTLS_E_CERTIFICATE_VERIFICATION_ERROR:
        return bf_error_set(err, BF_E_AUTH, "the peer's certificate is refused");
    case GNUTLS_E_NO_CERTIFICATE_FOUND:
    case GNUTLS_E_CERTIFICATE_REQUIRED:
        return bf_error_set(err, BF_E_AUTH, "the peer showed no certificate");
    case GNUTLS_E_NO_CIPHER_SUITES:
    case GNUTLS_E_INSUFFICIENT_CREDENTIALS:
        return bf_error_set(
            err, BF_E_AUTH,
            "there is no common ground: the peer does not speak TLS 1.3, or one side "
            "uses certificates and the other keys");
    case GNUTLS_E_RECEIVED_ILLEGAL_PARAMETER:
        if (tls->credentials->x509)
            break;
        return bf_error_set(err, BF_E_AUTH, "the peer's key or its name is wrong");
    default:
        break;
    }
    return bf_error_set(err, BF_E_PROTOCOL, "the peer does not speak TLS as it should: %s",
                        gnutls_strerror(code));
}

/* Whoever has proven himself speaks TLS: what does not decrypt was damaged on its way, and another
 * connection may do better. */
static int judge_open(const struct bf_rpc_tls *tls, int code, struct bf_error *err)
{
    if (code == GNUTLS_E_FATAL_ALERT_RECEIVED || code == GNUTLS_E_SESSION_EOF)
        return judge(tls, code, err);
    return bf_error_set(err, BF_E_PEER, "what came was damaged on its way: %s",
                        gnutls_strerror(code));
}

static int set_credentials(struct bf_rpc_tls *tls)
{
    const struct bf_rpc_credentials *credentials = tls->credentials;

    if (credentials->psk_server)
        return gnutls_credentials_set(tls->session, GNUTLS_CRD_PSK, credentials->psk_server);
    if (credentials->psk_client)
        return gnutls_credentials_set(tls->session, GNUTLS_CRD_PSK, credentials->psk_client);
    gnutls_session_set_verify_function(tls->session, on_certificate);
    if (credentials->side == BF_RPC_SERVER) {
        gnutls_certificate_server_set_request(tls->session, GNUTLS_CERT_REQUIRE);
        /* Without a list of our authorities a client shows what it has, and the log can name it. */
        gnutls_certificate_send_x509_rdn_sequence(tls->session, 1);
    }
    return gnutls_credentials_set(tls->session, GNUTLS_CRD_CERTIFICATE, credentials->x509);
}

int bf_rpc_tls_init(struct bf_rpc_tls *tls, const struct bf_rpc_credentials *credentials,
                    const char *host, void (*push)(void *, const uint8_t *, size_t), void *ctx,
                    struct bf_error *err)
{
    unsigned flags = GNUTLS_NONBLOCK | GNUTLS_NO_SIGNAL | GNUTLS_NO_TICKETS |
                     (credentials->side == BF_RPC_SERVER ? GNUTLS_SERVER : GNUTLS_CLIENT);

    *tls = (struct bf_rpc_tls){.credentials = credentials, .host = host, .push = push, .ctx = ctx};
    if (gnutls_init(&tls->session, flags) < 0)
        return bf_error_set(err, BF_E_NO_MEMORY, "no memory for a TLS session");
    gnutls_session_set_ptr(tls->session, tls);
    gnutls_transport_set_ptr(tls->session, tls);
    gnutls_transport_set_pull_function(tls->session, on_pull);
    gnutls_transport_set_push_function(tls->session, on_push);
    gnutls_handshake_set_max_packet_length(tls->session, HANDSHAKE_MAX_BYTES);
    if (gnutls_priority_set(tls->session, credentials->priority) < 0 || set_credentials(tls) < 0) {
        bf_rpc_tls_release(tls);
        return bf_error_set(err, BF_E_NO_MEMORY, "no memory for a TLS session");
    }
    return 0;
}

void bf_rpc_tls_release(struct bf_rpc_tls *tls)
{
    if (tls->session)
        gnutls_deinit(tls->session);
    tls->session = NULL;
}

void bf_rpc_tls_feed(struct bf_rpc_tls *tls, const uint8_t *bytes, size_t nr_bytes)
{
    tls->in = bytes;
    tls->in_bytes = nr_bytes;
}

/* GnuTLS asks for a certificate itself, but a key's name is ours to judge. */
static int check_identity(struct bf_rpc_tls *tls, struct bf_error *err)
{
    gnutls_alert_description_t alert = GNUTLS_A_ACCESS_DENIED;
    int r;

    if (!tls->credentials->psk_server)
        return 0;
    r = bf_rpc_trust_identity(tls, &alert, err);
    if (r < 0)
        (void)say_no(tls, alert);
    return r;
}

int bf_rpc_tls_handshake(struct bf_rpc_tls *tls, struct bf_error *err)
{
    struct bf_error why = BF_ERROR_INIT;
    int r;

    tls->why = &why;
    do {
        r = gnutls_handshake(tls->session);
    } while (r < 0 && !gnutls_error_is_fatal(r) && r != GNUTLS_E_AGAIN);
    tls->why = NULL;
    if (r == GNUTLS_E_AGAIN)
        return 0;
    if (r == 0) {
        r = check_identity(tls, err);
        return r < 0 ? r : 1;
    }
    if (why.code != BF_E_NONE)
        return bf_error_set(err, why.code, "%s", why.text);
    if (r != GNUTLS_E_FATAL_ALERT_RECEIVED)
        (void)gnutls_alert_send_appropriate(tls->session, r);
    return judge(tls, r, err);
}

int bf_rpc_tls_read(struct bf_rpc_tls *tls, uint8_t *space, size_t space_bytes,
                    size_t *ret_nr_bytes, struct bf_error *err)
{
    ssize_t r;

    do {
        r = gnutls_record_recv(tls->session, space, space_bytes);
    } while (r < 0 && !gnutls_error_is_fatal((int)r) && r != GNUTLS_E_AGAIN);
    if (r == GNUTLS_E_AGAIN)
        return 0;
    if (r <= 0)
        return judge_open(tls, r == 0 ? GNUTLS_E_SESSION_EOF : (int)r, err);
    *ret_nr_bytes = (size_t)r;
    return 1;
}

int bf_rpc_tls_write(struct bf_rpc_tls *tls, const uint8_t *bytes, size_t nr_bytes,
                     struct bf_error *err)
{
    while (nr_bytes > 0) {
        ssize_t r = gnutls_record_send(tls->session, bytes, nr_bytes);

        if (r < 0)
            return judge(tls, (int)r, err);
        bytes += r;
        nr_bytes -= (size_t)r;
    }
    return 0;
}

void bf_rpc_tls_bye(struct bf_rpc_tls *tls)
{
    (void)gnutls_bye(tls->session, GNUTLS_SHUT_WR);
}
