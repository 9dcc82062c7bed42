/** The command of `bitferry serve --run`. */
#ifndef CLI_SERVE_COMMAND_H
#define CLI_SERVE_COMMAND_H

#include "listener.h"

#include <sys/types.h>

struct bf_serve_command {
    pid_t pid;
    int pid_fd; /* readable when it has ended */
};

/** /bin/sh -c @command, with `uri` and the rest in its environment (nbdkit-captive(1)).  SIGINT is
 *  ignored by us from then on. */
int bf_serve_command_start(const char *command, const struct bf_listener *listener, bool tls,
                           struct bf_serve_command *ret_running, struct bf_error *err);

/** Wait for its end and return its exit status, 128 + N for one that signal N ended, as a shell
 * does. A signal that we got (@signum, or 0) is passed on as SIGTERM. */
int bf_serve_command_end(struct bf_serve_command *running, int signum);

#endif
