/** A TLS session between buffers: no fd, no loop.
 *
 *     bytes from the wire -> feed() -> handshake(), then read() until it has no more
 *     write() -> push callback -> bytes for the wire
 *
 * GnuTLS takes all that was fed before handshake() or read() say "more is needed"; a buffer can be
 * given up after that.
 */
#ifndef RPC_TLS_H
#define RPC_TLS_H

#include "credentials_internal.h"

#include <stdint.h>

enum { BF_RPC_NAME_MAX_BYTES = 255 };

struct bf_rpc_tls {
    const struct bf_rpc_credentials *credentials;
    gnutls_session_t session; /* its user pointer is this struct */
    const char *host;         /* that a server's certificate must have; borrowed */
    const uint8_t *in;
    size_t in_bytes;
    struct bf_error *why; /* where a refused certificate is explained, during handshake() */
    char peer_name[BF_RPC_NAME_MAX_BYTES +
                   1]; /* by which the peer was let in; "" for a PSK server */
    void (*push)(void *ctx, const uint8_t *bytes, size_t nr_bytes); /* takes everything */
    void *ctx;
};

/** @host: NULL for a server.  Errors: NO_MEMORY. */
int bf_rpc_tls_init(struct bf_rpc_tls *tls, const struct bf_rpc_credentials *credentials,
                    const char *host, void (*push)(void *, const uint8_t *, size_t), void *ctx,
                    struct bf_error *err);
void bf_rpc_tls_release(struct bf_rpc_tls *tls);

/** Bytes that came; they must stay until they are taken. */
void bf_rpc_tls_feed(struct bf_rpc_tls *tls, const uint8_t *bytes, size_t nr_bytes);

/** 1: done, and the peer is who it should be; 0: more bytes are needed.  A refusal has been pushed
 * as an alert.  Errors: AUTH, PROTOCOL. */
int bf_rpc_tls_handshake(struct bf_rpc_tls *tls, struct bf_error *err);

/** 1: *ret_nr_bytes plain bytes, at least one, are in @space; 0: more bytes are needed.
 *  Errors: AUTH (the peer refused us), PROTOCOL, PEER (the peer closed). */
int bf_rpc_tls_read(struct bf_rpc_tls *tls, uint8_t *space, size_t space_bytes,
                    size_t *ret_nr_bytes, struct bf_error *err);

/** Errors: PROTOCOL. */
int bf_rpc_tls_write(struct bf_rpc_tls *tls, const uint8_t *bytes, size_t nr_bytes,
                     struct bf_error *err);

/** Say that nothing more will be written. */
void bf_rpc_tls_bye(struct bf_rpc_tls *tls);

#endif
