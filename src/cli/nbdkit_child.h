/** nbdkit with our plugin, run as a child that serves the sockets it is given. */
#ifndef CLI_NBDKIT_CHILD_H
#define CLI_NBDKIT_CHILD_H

#include "listener.h"

#include <sys/types.h>

struct bf_nbdkit_request {
    const char *nbdkit; /* program, looked up in PATH; NULL: "nbdkit" */
    const struct bf_listener *listener;
    const char *tls_certificates;  /* NULL: no TLS.  Clients must then show a certificate too. */
    const char *const *parameters; /* of the plugin, KEY=VALUE */
    size_t nr_parameters;
};

struct bf_nbdkit {
    pid_t pid;
    int pid_fd;   /* readable when it has ended */
    int messages; /* what it says on stderr, non-blocking */
};

/** Start and wait until it serves.  Errors: CHILD_FAILED with what nbdkit says, DEADLINE,
 * INTERRUPTED; nothing is left running then. */
int bf_nbdkit_start(const struct bf_nbdkit_request *request, struct bf_nbdkit *ret_nbdkit,
                    struct bf_error *err);

/** Copy what it says to our stderr. */
void bf_nbdkit_forward(const struct bf_nbdkit *nbdkit);

/** End it: SIGTERM, and SIGKILL if that is not enough. */
void bf_nbdkit_stop(struct bf_nbdkit *nbdkit);

#endif
