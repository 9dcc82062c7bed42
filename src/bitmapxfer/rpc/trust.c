#include "trust.h"

#include "rpc/allow.h"

#include <arpa/inet.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include <gnutls/x509.h>

static gnutls_alert_description_t alert_of(unsigned status)
{
    if (status & GNUTLS_CERT_REVOKED)
        return GNUTLS_A_CERTIFICATE_REVOKED;
    if (status & (GNUTLS_CERT_EXPIRED | GNUTLS_CERT_NOT_ACTIVATED))
        return GNUTLS_A_CERTIFICATE_EXPIRED;
    if (status & (GNUTLS_CERT_SIGNER_NOT_FOUND | GNUTLS_CERT_SIGNER_NOT_CA))
        return GNUTLS_A_UNKNOWN_CA;
    if (status & GNUTLS_CERT_PURPOSE_MISMATCH)
        return GNUTLS_A_UNSUPPORTED_CERTIFICATE;
    return GNUTLS_A_BAD_CERTIFICATE;
}

static int refuse(const struct bf_rpc_tls *tls, unsigned status, struct bf_error *err)
{
    gnutls_datum_t text = {0};
    const char *side = tls->host ? "server" : "client";

    (void)gnutls_certificate_verification_status_print(status, GNUTLS_CRT_X509, &text, 0);
    while (text.size > 0 && strchr(". ", text.data[text.size - 1]))
        text.data[--text.size] = '\0';
    (void)bf_error_set(err, BF_E_AUTH, "the certificate of the %s%s%s is refused: %s", side,
                       tls->host ? " " : "", tls->host ? tls->host : "",
                       text.data ? (const char *)text.data : "it is not valid");
    gnutls_free(text.data);
    return -bf_code_errno(BF_E_AUTH);
}

static bool is_allowed(const struct bf_rpc_tls *tls, const char *name)
{
    for (size_t i = 0; i < tls->credentials->nr_allowed; i++) {
        if (bf_rpc_pattern_matches(tls->credentials->allowed[i], name))
            return true;
    }
    return tls->credentials->nr_allowed == 0;
}

/* The first name is kept until one is allowed.  False: no more are needed. */
static bool try_name(struct bf_rpc_tls *tls, const char *name, bool *ret_allowed)
{
    *ret_allowed = is_allowed(tls, name);
    if (*ret_allowed || tls->peer_name[0] == '\0')
        (void)snprintf(tls->peer_name, sizeof tls->peer_name, "%s", name);
    return !*ret_allowed;
}

/* An address as text, a DNS name as it is; false for any other kind of name, or one that lies about
 * its length. */
static bool name_of(int kind, const char *raw, size_t raw_bytes, char *buf, size_t buf_bytes)
{
    if (kind == GNUTLS_SAN_IPADDRESS)
        return inet_ntop(raw_bytes == 4 ? AF_INET : AF_INET6, raw, buf, (socklen_t)buf_bytes) &&
               (raw_bytes == 4 || raw_bytes == 16);
    if (kind != GNUTLS_SAN_DNSNAME || raw_bytes >= buf_bytes || memchr(raw, '\0', raw_bytes))
        return false;
    memcpy(buf, raw, raw_bytes);
    buf[raw_bytes] = '\0';
    return true;
}

/* The common name counts only where there is no other name. */
static bool names_allowed(struct bf_rpc_tls *tls, gnutls_x509_crt_t cert)
{
    char raw[BF_RPC_NAME_MAX_BYTES + 1];
    char name[BF_RPC_NAME_MAX_BYTES + 1];
    size_t raw_bytes = sizeof raw;
    bool allowed = false;
    bool has_names = false;
    int kind = 0;

    for (unsigned i = 0; !allowed; i++) {
        raw_bytes = sizeof raw;
        kind = gnutls_x509_crt_get_subject_alt_name(cert, i, raw, &raw_bytes, NULL);
        if (kind < 0 && kind != GNUTLS_E_SHORT_MEMORY_BUFFER)
            break;
        if (kind >= 0 && name_of(kind, raw, raw_bytes, name, sizeof name)) {
            has_names = true;
            (void)try_name(tls, name, &allowed);
        }
    }
    raw_bytes = sizeof raw;
    if (!has_names &&
        gnutls_x509_crt_get_dn_by_oid(cert, GNUTLS_OID_X520_COMMON_NAME, 0, 0, raw, &raw_bytes) ==
            0 &&
        name_of(GNUTLS_SAN_DNSNAME, raw, raw_bytes, name, sizeof name))
        (void)try_name(tls, name, &allowed);
    return allowed;
}

static int check_allowed(struct bf_rpc_tls *tls, gnutls_alert_description_t *ret_alert,
                         struct bf_error *err)
{
    unsigned nr_certs = 0;
    const gnutls_datum_t *certs = gnutls_certificate_get_peers(tls->session, &nr_certs);
    gnutls_x509_crt_t cert = NULL;
    bool allowed = false;

    if (certs && nr_certs > 0 && gnutls_x509_crt_init(&cert) == 0) {
        allowed = gnutls_x509_crt_import(cert, &certs[0], GNUTLS_X509_FMT_DER) == 0 &&
                  names_allowed(tls, cert);
        gnutls_x509_crt_deinit(cert);
    }
    if (allowed || tls->credentials->nr_allowed == 0)
        return 0;
    *ret_alert = GNUTLS_A_ACCESS_DENIED;
    return bf_error_set(err, BF_E_AUTH, "the peer '%s' is not on the list of those allowed",
                        tls->peer_name);
}

int bf_rpc_trust_certificate(struct bf_rpc_tls *tls, gnutls_alert_description_t *ret_alert,
                             struct bf_error *err)
{
    const char *purpose = tls->host ? GNUTLS_KP_TLS_WWW_SERVER : GNUTLS_KP_TLS_WWW_CLIENT;
    gnutls_typed_vdata_st wanted[2] = {
        {.type = GNUTLS_DT_KEY_PURPOSE_OID, .data = (unsigned char *)(uintptr_t)purpose},
        {.type = GNUTLS_DT_DNS_HOSTNAME, .data = (unsigned char *)(uintptr_t)tls->host},
    };
    unsigned status = 0;
    int r = gnutls_certificate_verify_peers(tls->session, wanted, tls->host ? 2 : 1, &status);

    if (r < 0) {
        *ret_alert = r == GNUTLS_E_NO_CERTIFICATE_FOUND ? GNUTLS_A_CERTIFICATE_REQUIRED
                                                        : GNUTLS_A_BAD_CERTIFICATE;
        return bf_error_set(err, BF_E_AUTH, "the peer's certificate cannot be checked: %s",
                            gnutls_strerror(r));
    }
    if (status != 0) {
        *ret_alert = alert_of(status);
        return refuse(tls, status, err);
    }
    return check_allowed(tls, ret_alert, err);
}

int bf_rpc_trust_identity(struct bf_rpc_tls *tls, gnutls_alert_description_t *ret_alert,
                          struct bf_error *err)
{
    const char *name = gnutls_psk_server_get_username(tls->session);
    bool allowed = false;

    if (name)
        (void)try_name(tls, name, &allowed);
    if (allowed)
        return 0;
    *ret_alert = GNUTLS_A_ACCESS_DENIED;
    return bf_error_set(err, BF_E_AUTH, "the peer '%s' is not on the list of those allowed",
                        tls->peer_name);
}
