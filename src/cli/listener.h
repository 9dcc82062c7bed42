/** The sockets that `bitferry serve` listens on, bound here and handed to nbdkit (systemd's socket
 *  activation): so there is never a moment in which a client could come too early, a free port can
 * be chosen, and nothing but what was asked for is bound.
 */
#ifndef CLI_LISTENER_H
#define CLI_LISTENER_H

#include "base/cleanup.h"
#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { BF_LISTENER_SOCKETS_MAX = 8 };

struct bf_listener {
    int fds[BF_LISTENER_SOCKETS_MAX];
    size_t nr_fds;
    char *socket_path;    /* owned; NULL for TCP */
    char *private_folder; /* owned; of the socket, if we made it; or NULL */
    uint16_t port;        /* 0 for a Unix socket */
    char *uri;            /* owned */
};

/** A Unix socket that only this user can open; @path NULL: in a private folder in $TMPDIR or /tmp.
 *  Errors: EXISTS if something is at @path; INVALID if it is too long for a socket. */
int bf_listener_open_unix(const char *path, struct bf_listener **ret_listener,
                          struct bf_error *err);

struct bf_tcp_request {
    const char *host; /* a name or an address: all that it resolves to here */
    uint16_t port;    /* 0: any that is free */
    bool tls;
    bool allow_plain; /* without TLS on more than the loopback addresses */
};

/** Errors: USAGE for an address that others can reach without TLS; EXISTS if the port is taken. */
int bf_listener_open_tcp(const struct bf_tcp_request *request, struct bf_listener **ret_listener,
                         struct bf_error *err);

/** Close the sockets and remove what was made. */
void bf_listener_close(struct bf_listener *listener);
BF_DEFINE_CLEANUP(struct bf_listener *, bf_listener_close)

#endif
