/** Where an NBD server is and how to trust it.
 *
 * Endpoints are NBD URIs (nbd://, nbds://, nbd+unix://, nbds+unix:// is refused: libnbd 1.14 accepts any
 * certificate over a Unix socket, CVE-2024-7383).  Source: the NBD URI specification, libnbd's
 * nbd_connect_uri(3).
 */
#ifndef NBD_ENDPOINT_H
#define NBD_ENDPOINT_H

#include "base/error.h"

#include <stdbool.h>
#include <stdint.h>

struct bf_nbd_endpoint {
    const char *uri;              /* borrowed */
    const char *tls_certificates; /* folder with ca-cert.pem and, to show ourselves, client-*.pem;
                                     borrowed; NULL: none.  Given: TLS is required. */
    uint64_t deadline_ms;         /* for connecting, and for every stretch without progress */
};

/** Is it written as an NBD URI (as opposed to a path)? */
bool bf_nbd_is_uri(const char *text);

/** Errors: USAGE for what is no NBD URI or asks for TLS over a Unix socket. */
int bf_nbd_endpoint_check(const struct bf_nbd_endpoint *endpoint, struct bf_error *err);

/** The export name that @uri asks for, decoded, into *ret_name (free() it); "" for none. */
int bf_nbd_uri_export(const char *uri, char **ret_name, struct bf_error *err);

/** @uri with the export name replaced, encoded as a URI wants it; *ret_uri is the caller's to free(). */
int bf_nbd_uri_with_export(const char *uri, const char *export_name, char **ret_uri,
                           struct bf_error *err);

#endif
