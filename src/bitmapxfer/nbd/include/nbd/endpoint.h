/** Where an NBD server is and how to trust it.
 *
 * Endpoints are NBD URIs: nbd://HOST[:PORT]/EXPORT, nbds:// for TLS,
 * nbd+unix:///EXPORT?socket=PATH.  TLS over a Unix socket is refused: no host name is there to be
 * checked, and libnbd 1.14 accepts any certificate (CVE-2024-7383).  Other transports (nbd+vsock,
 * nbd+ssh) are not supported.
 * Source: the NBD URI specification, libnbd's nbd_connect_uri(3).
 */
#ifndef NBD_ENDPOINT_H
#define NBD_ENDPOINT_H

#include "base/error.h"

#include <stdbool.h>
#include <stdint.h>

struct bf_nbd_endpoint {
    const char *uri;              /* borrowed */
    const char *tls_certificates; /* folder with ca-cert.pem and, to show ourselves, client-cert.pem
                                     and client-key.pem; borrowed; NULL: none.  Given: TLS is
                                     required. */
    const char *tls_psk_file; /* instead of certificates, a file of keys as psktool writes it, and
                                 ... ; borrowed; NULL: none */
    const char *tls_psk_name; /* ... whose key we show */
    uint64_t deadline_ms;     /* for every stretch without progress, connecting included; > 0 */
};

/** Is it written as an NBD URI (as opposed to a path)?  Also true for those that are refused. */
bool bf_nbd_is_uri(const char *text);

/** Without connecting.  Errors: USAGE for what is no NBD URI, for TLS over a Unix socket, for
 *  certificates or keys without TLS or given twice; NOT_FOUND, PERMISSION for the folder's
 *  ca-cert.pem or the file of keys. */
int bf_nbd_endpoint_check(const struct bf_nbd_endpoint *endpoint, struct bf_error *err);

/** The export name that @uri asks for, decoded, into *ret_name (free() it); "" for none.
 *  Errors: USAGE for no NBD URI, a malformed or zero escape, more than BF_EXPORT_NAME_MAX bytes. */
int bf_nbd_uri_export(const char *uri, char **ret_name, struct bf_error *err);

/** @uri with the export name replaced, encoded as a URI wants it; *ret_uri is the caller's to
 * free(). Errors: USAGE for no NBD URI, INVALID for a name of more than BF_EXPORT_NAME_MAX bytes.
 */
int bf_nbd_uri_with_export(const char *uri, const char *export_name, char **ret_uri,
                           struct bf_error *err);

#endif
