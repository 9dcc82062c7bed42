/** The sides of connections over TLS, good ones and others, with what each of them shows and
 * trusts. */
#ifndef RPC_SIDES_H
#define RPC_SIDES_H

#include "rpc_bench.h"

/* One side of a connection: a certificate, the authority it trusts, a CRL; or a file of keys. */
struct side {
    const char *certificate, *trusts, *crl;
    const char *keys, *identity;
    const char *allowed; /* one pattern */
};

#define SERVER                                                                                     \
    {                                                                                              \
        .certificate = "s-good", .trusts = "ca"                                                    \
    }
#define CLIENT                                                                                     \
    {                                                                                              \
        .certificate = "c-good", .trusts = "ca"                                                    \
    }
#define KEYS                                                                                       \
    {                                                                                              \
        .keys = "keys"                                                                             \
    }

/** For cmocka's setup and teardown of a group: all certificates and keys, in a folder that is
 * removed. */
int sides_begin(void **state);
int sides_end(void **state);

/** What the side shows and trusts; the caller frees it. */
struct bf_rpc_credentials *load_side(const struct side *side, enum bf_rpc_side kind);

/** A bench (in @state too) whose listener is this side; the credentials are to be freed behind its
 * end. */
struct bench *listen_with(const struct side *side, struct bf_rpc_credentials **credentials,
                          void **state);

#endif
