#include "nbd/endpoint.h"

#include "uri.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <unistd.h>

/* libnbd says "no credentials" much later for a folder that is mistyped. */
static int check_ca(const char *folder, struct bf_error *err)
{
    char path[PATH_MAX];

    if (snprintf(path, sizeof path, "%s/ca-cert.pem", folder) >= (int)sizeof path)
        return bf_error_set(err, BF_E_USAGE, "the name of the TLS certificate folder is too long");
    if (access(path, R_OK) != 0)
        return bf_error_set_errno(err, errno, "TLS needs the certificate authority in '%s'", path);
    return 0;
}

static int check_keys(const struct bf_nbd_endpoint *endpoint, struct bf_error *err)
{
    if (!endpoint->tls_psk_name)
        return bf_error_set(err, BF_E_USAGE, "nobody says whose key of '%s' is to be shown",
                            endpoint->tls_psk_file);
    if (access(endpoint->tls_psk_file, R_OK) != 0)
        return bf_error_set_errno(err, errno, "TLS needs the keys in '%s'", endpoint->tls_psk_file);
    return 0;
}

static int check_tls(const struct bf_nbd_endpoint *endpoint, const struct bf_nbd_uri *uri,
                     struct bf_error *err)
{
    if (uri->tls && !uri->tcp)
        return bf_error_set(err, BF_E_USAGE,
                            "'%s' asks for TLS without a host name that a certificate could prove; "
                            "use nbds://HOST/ (TCP), or nbd+unix:// without TLS",
                            endpoint->uri);
    if (!endpoint->tls_certificates && !endpoint->tls_psk_file)
        return 0;
    if (!uri->tls)
        return bf_error_set(
            err, BF_E_USAGE,
            "TLS certificates or keys are given but '%s' would go unencrypted; use nbds://",
            endpoint->uri);
    /* What stands in the URI would quietly win: another folder, or no check of the peer. */
    if (bf_nbd_uri_has_parameter(uri, "tls-") ||
        (endpoint->tls_certificates && endpoint->tls_psk_file))
        return bf_error_set(err, BF_E_USAGE,
                            "TLS is set up twice for '%s'; a certificate folder, a file of keys or "
                            "the URI's own parameters: drop all but one",
                            endpoint->uri);
    return endpoint->tls_psk_file ? check_keys(endpoint, err)
                                  : check_ca(endpoint->tls_certificates, err);
}

int bf_nbd_endpoint_check(const struct bf_nbd_endpoint *endpoint, struct bf_error *err)
{
    struct bf_nbd_uri uri;
    int r = bf_nbd_uri_parse(endpoint->uri, &uri, err);

    if (r < 0)
        return r;
    if (!uri.tcp && !uri.unix_socket)
        return bf_error_set(err, BF_E_USAGE,
                            "'%s': only TCP and Unix sockets are supported (nbd://, nbds://, "
                            "nbd+unix://)",
                            endpoint->uri);
    if (uri.unix_socket && !bf_nbd_uri_has_parameter(&uri, "socket="))
        return bf_error_set(err, BF_E_USAGE, "'%s' names no socket; add ?socket=PATH",
                            endpoint->uri);
    if (endpoint->deadline_ms == 0)
        return bf_error_set(err, BF_E_USAGE, "the deadline for '%s' must be more than 0 ms",
                            endpoint->uri);
    return check_tls(endpoint, &uri, err);
}
