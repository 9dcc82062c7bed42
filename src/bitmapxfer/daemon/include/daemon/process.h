/** Child processes on the loop, each reaped by its own id.
 *
 * A child gets no input; its standard output and error go to a file descriptor of the caller's.  It
 * leads no process group of its own, and must end with us by itself (nbdkit: --exit-with-parent).
 */
#ifndef DAEMON_PROCESS_H
#define DAEMON_PROCESS_H

#include "base/error.h"

#include <stdint.h>
#include <uv.h>

struct bf_process;

/** The child has ended, and all of it is gone; @process is freed when this returns.  @signal 0: it
 *  exited with @status. */
typedef void bf_process_exited(void *ctx, struct bf_process *process, int64_t status, int signal);

/** Start argv[0] (looked up in PATH) with the daemon's environment.  @keep_fd, unless -1, is the
 *  child's fd 3.  Errors: CHILD_FAILED; @exited is then not called. */
int bf_process_start(uv_loop_t *loop, const char *const *argv, int log_fd, int keep_fd,
                     bf_process_exited *exited, void *ctx, struct bf_process **ret_process,
                     struct bf_error *err);

/** SIGTERM now, SIGKILL after @grace_ms; with 0, SIGKILL now.  May be called again, with less. */
void bf_process_stop(struct bf_process *process, uint64_t grace_ms);

int bf_process_pid(const struct bf_process *process);

#endif
