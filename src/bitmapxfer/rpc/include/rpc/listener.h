/** Where peers call.
 *
 * Until a peer is open, it belongs to the listener, which holds at most 4 KiB for it (GnuTLS has
 * its own memory besides) and gives it handshake_ms.  Connections over the caps are closed as they
 * come.
 */
#ifndef RPC_LISTENER_H
#define RPC_LISTENER_H

#include "rpc/peer.h"

struct bf_rpc_listener;

struct bf_rpc_listener_handlers {
    /* @peer is the receiver's now: set its handlers here, and bf_rpc_peer_close() it some day. */
    void (*opened)(void *ctx, struct bf_rpc_peer *peer);
    /* For the log: @address was not let in.  As often as anybody cares to try. */
    void (*refused)(void *ctx, const char *address, const struct bf_error *err);
    void *ctx;
};

/** Listen on @host, an address as text ("::" is all, IPv4 too), and @port (0: any free one).
 *  @settings and @handlers are copied.
 *  Errors: INVALID (no address; no credentials and no permission to go without), PERMISSION (plain
 * TCP on an address that is not loopback; the system says no), IO (in use, not ours), NO_MEMORY.
 * Run the loop on then too: a handle may be closing. */
int bf_rpc_listen(uv_loop_t *loop, const struct bf_rpc_settings *settings, const char *host,
                  uint16_t port, const struct bf_rpc_listener_handlers *handlers,
                  struct bf_rpc_listener **ret_listener, struct bf_error *err);

uint16_t bf_rpc_listener_port(const struct bf_rpc_listener *listener);

/** Connections that are not open yet. */
unsigned bf_rpc_listener_unopened(const struct bf_rpc_listener *listener);

/** Take no more calls and drop who is not open yet; open peers stay.  Freed by libuv's close
 *  callback. */
void bf_rpc_listener_close(struct bf_rpc_listener *listener);

#endif
