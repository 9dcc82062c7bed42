/** What a helper proves itself with, and whom it trusts.
 *
 * Certificates come from one folder, in the layout that libvirt, QEMU and nbdkit share:
 *     ca-cert.pem                        the authorities that sign peers
 *     ca-crl.pem                         revoked certificates; used when it is there
 *     server-cert.pem, server-key.pem    for the side that is called (BF_RPC_SERVER)
 *     client-cert.pem, client-key.pem    for the side that calls (BF_RPC_CLIENT)
 * or there is a file of pre-shared keys, "NAME:HEX" a line, as psktool writes it.  TLS 1.3 only;
 * both sides always prove themselves.  Files are read once, here: a new key needs a new object.
 */
#ifndef RPC_CREDENTIALS_H
#define RPC_CREDENTIALS_H

#include "base/cleanup.h"
#include "base/error.h"

#include <stddef.h>

enum bf_rpc_side {
    BF_RPC_SERVER,
    BF_RPC_CLIENT,
};

struct bf_rpc_credentials_spec {
    enum bf_rpc_side side;
    const char *folder;       /* certificates; or NULL and ... */
    const char *psk_file;     /* ... keys */
    const char *psk_identity; /* whose key a client uses; NULL: the first in the file */
    /* Who may talk to us: patterns ('*' stands for anything) of which one must fit a DNS name or an
     * address in the peer's certificate, its common name where it has neither, or a client's PSK
     * identity.  None: everybody whom the authorities have signed, or who has a key. */
    const char *const *allowed;
    size_t nr_allowed;
};

struct bf_rpc_credentials;

/** Errors: INVALID (neither or both sources, a broken file), NOT_FOUND, PERMISSION (not readable,
 * or a key that others can read or change), IO, NO_MEMORY. */
int bf_rpc_credentials_load(const struct bf_rpc_credentials_spec *spec,
                            struct bf_rpc_credentials **ret_credentials, struct bf_error *err);

/** The name of the key that a client shows; NULL: there are certificates. */
const char *bf_rpc_credentials_psk_name(const struct bf_rpc_credentials *credentials);

/** Only when no listener and no peer uses them any more. */
void bf_rpc_credentials_free(struct bf_rpc_credentials *credentials);
BF_DEFINE_CLEANUP(struct bf_rpc_credentials *, bf_rpc_credentials_free)

#endif
