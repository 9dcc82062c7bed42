/** Child processes that do not outlive us.
 *
 * A child gets SIGKILL when the thread that started it ends (PR_SET_PDEATHSIG), however that
 * happens, so nothing is left behind.  Its standard output and error go to a log file, whose last
 * line explains a failure.  No time-outs of their own: every wait has a deadline, then SIGKILL.
 */
#ifndef ATTACH_CHILD_H
#define ATTACH_CHILD_H

#include "base/error.h"

#include <stdint.h>
#include <sys/types.h>

struct bf_child {
    pid_t pid;           /* 0: none */
    const char *program; /* borrowed from argv[0] */
    char log_path[4096]; /* PATH_MAX */
};

enum { BF_CHILD_NO_FD = -1 };

/** Start argv[0] (looked up in PATH).  @keep_fd, unless BF_CHILD_NO_FD, stays open in the child
 * under the same number.  Errors: CHILD_FAILED (with "install PACKAGE"-like advice where the
 * program is not there), IO. */
int bf_child_start(const char *const argv[], int keep_fd, const char *log_path,
                   struct bf_child *ret_child, struct bf_error *err);

/** Wait for the end; SIGKILL at the deadline.  Errors: CHILD_FAILED with the last line of the log
 * if it did not exit with 0; DEADLINE. */
int bf_child_wait(struct bf_child *child, uint64_t deadline_ms, struct bf_error *err);

/** Kill and reap, if it runs. */
void bf_child_kill(struct bf_child *child);

/** Start and wait. */
int bf_child_run(const char *const argv[], const char *log_path, uint64_t deadline_ms,
                 struct bf_error *err);

/** Start and wait; what it says goes to a file in $TMPDIR (or /tmp) that has no name afterwards.
 *  Owns: the caller closes @ret_said_fd; NULL: not wanted.  Errors: also IO, with the folder. */
int bf_child_ask(const char *const argv[], uint64_t deadline_ms, int *ret_said_fd,
                 struct bf_error *err);

/** The last line of @log_path that is not blank into @buf ("" if there is none). */
void bf_child_last_words(const char *log_path, char *buf, size_t buf_bytes);

#endif
