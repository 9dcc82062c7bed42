/** One connection, driven by a libuv loop: libnbd's handle, a watch on its socket, and a clock.
 *
 * libnbd closes its socket itself when the peer dies, and opens another one when a host name has
 * several addresses, all inside nbd_aio_notify_*().  An epoll set that still knows the old number
 * then never reports again, or reports a stranger.  So the watch is disarmed before libnbd is told
 * anything and armed afterwards, on the socket that it has by then.
 *
 * nbdkit 1.32.5 aborts, with all its other clients, when one leaves with answers under way
 * (measured: "raw_send_socket: Assertion `sock >= 0' failed"), so a close waits for those, but not
 * long.
 *
 *     open -> (event)* -> close -> [drain] -> closed
 */
#ifndef NBD_LINK_H
#define NBD_LINK_H

#include "handle.h"

#include <uv.h>

enum {
    BF_NBD_DRAIN_MS = 1000, /* for at most BF_NBD_IN_FLIGHT requests */
};

struct bf_nbd_watch;

struct bf_nbd_link {
    struct nbd_handle *nbd;     /* NULL once closed */
    struct bf_nbd_watch *watch; /* NULL once closed */
    uv_loop_t *loop;
    uv_timer_t clock;
    unsigned nr_handles; /* libuv handles that still have their close callback before them */
    bool closing;        /* no more events */
    bool silent;         /* it ran into its deadline: nothing to wait for */
    bool let_in;         /* the server has talked to us behind its handshakes */

    /** libnbd moved: look at its state and your facts; nbd_get_error() is that of the move.  With
     *  @err set the connection is lost, refused, or past its deadline.  The owner may issue
     * commands, and may close the link; after an error it must. */
    void (*event)(void *ctx, struct bf_error *err);
    /** Everything is closed; the link's memory is the owner's again. */
    void (*closed)(void *ctx);
    void *ctx;

    uint64_t deadline_ms;
    char *uri; /* owned; for messages */
};

/** @link has event, closed and ctx set, and is zero elsewhere.  On failure it is closed already and
 *  @closed is not called.  Errors: as bf_nbd_handle_connect(). */
int bf_nbd_link_open(struct bf_nbd_link *link, uv_loop_t *loop,
                     const struct bf_nbd_endpoint *endpoint, struct bf_error *err);

/** End a conversation from inside a libnbd callback, where its handle must not be touched: libnbd
 * will see the peer gone, and `event` tells of it. */
void bf_nbd_link_cut(struct bf_nbd_link *link);

/** No more events: wait for the answers under way (BF_NBD_DRAIN_MS at most), say goodbye and close;
 *  @closed follows from the loop.  The callbacks of commands may still be called until then.
 * Closing twice is fine. */
void bf_nbd_link_close(struct bf_nbd_link *link);

#endif
