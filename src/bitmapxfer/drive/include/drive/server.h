/** nbdkit as a child of the loop, serving carriers of one move under names that nobody can guess:
 * the token in hexadecimal digits, '/', the disk, '/', the bitmap.
 *
 * The socket is ours: it is bound before nbdkit starts and outlives it, so a client never comes too
 * early, and an nbdkit that died is followed by another one on the same port.  It ends with us
 * (--exit-with-parent).
 */
#ifndef DRIVE_SERVER_H
#define DRIVE_SERVER_H

#include "base/error.h"

#include <stddef.h>
#include <stdint.h>
#include <uv.h>

enum {
    BF_SERVER_TOKEN_BYTES = 16,
    BF_SERVER_RESTARTS_MAX = 5,
};

struct bf_server_spec {
    const char *address;          /* to listen on, as text */
    const char *tls_certificates; /* folder; NULL, without ...: plain TCP, loopback only */
    const char *psk_file;         /* ... a file of keys */
    const char *folder; /* of the move: token, which no other user must read, and nbdkit.log */
};

struct bf_server_carrier {
    const char *disk; /* the name of the disk in the exports, behind the token */
    const char *path;
};

struct bf_server;

/** Nobody serves any more: nbdkit could not be kept running. */
typedef void bf_server_failed(void *ctx, const struct bf_error *err);

/** Bind the socket; strings are copied.  Errors: INVALID (no address), PERMISSION (plain TCP beyond
 *  loopback), IO, NO_MEMORY. */
int bf_server_new(uv_loop_t *loop, const struct bf_server_spec *spec, bf_server_failed *failed,
                  void *ctx, struct bf_server **ret_server, struct bf_error *err);

/** Serve these and nothing that was served before.  Those that are not there yet are waited for by
 *  their clients.  Errors: CHILD_FAILED, NO_MEMORY. */
int bf_server_serve(struct bf_server *server, const struct bf_server_carrier *carriers,
                    size_t nr_carriers, struct bf_error *err);

uint16_t bf_server_port(const struct bf_server *server);
const uint8_t *bf_server_token(const struct bf_server *server);

/** Stop nbdkit; the socket stays. */
void bf_server_stop(struct bf_server *server);

/** Stop and close; @closed (may be NULL) is called when the child is gone. */
void bf_server_free(struct bf_server *server, void (*closed)(void *ctx), void *ctx);

#endif
