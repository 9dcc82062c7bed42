/** A QMP client: JSON over a stream socket, on a libuv loop.
 *
 *     new -> connecting -> greeting -> negotiating -> ready -> ended -> closed
 *
 * Every command has an id and a deadline.  QEMU answers in order, but a late answer (after its
 * deadline, or to a command of an earlier connection) is recognised by its id and thrown away.  A
 * broken line, an oversized one, a greeting
 * that is none, an answer that nobody asked for or the end of the connection ends the client: every
 * command under way fails with the same error, then `ready` (if it was not ready yet) or `closed`
 * gets it, once.  An ended client still belongs to its owner, who calls bf_qmp_close() in every
 * case. Source: QEMU docs/interop/qmp-spec.txt.
 *
 * Threads: the loop's.  Callbacks never run inside the call that started them; all of them may send
 * further commands and may close the client.  Deadlines are milliseconds from the call on.
 * The program must ignore SIGPIPE: libuv writes to a socket that QEMU has closed.
 */
#ifndef QMP_CLIENT_H
#define QMP_CLIENT_H

#include "base/error.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

enum {
    BF_QMP_LINE_MAX_BYTES = 64 << 20, /* query-named-block-nodes of hundreds of disks with thousands
                                         of bitmaps stays below */
};

struct bf_qmp;

struct bf_qmp_handlers {
    /** Greeting read, capabilities agreed, command list known.  @err NULL: ready.  Otherwise the
     *  client has ended: PEER, PERMISSION, DEADLINE, PROTOCOL, QMP_ERROR, NO_MEMORY. */
    void (*ready)(void *ctx, const struct bf_error *err);
    /** @data is borrowed, may be NULL.  May come before `ready`. */
    void (*event)(void *ctx, const char *name, const json_t *data);
    /** The connection ended after it was ready; not called after bf_qmp_close(). */
    void (*closed)(void *ctx, const struct bf_error *err);
    void *ctx;
    /** For a log: @command was answered, well or not, after so many microseconds. */
    void (*answered)(void *ctx, const char *command, uint64_t took_us);
};

struct bf_qmp_version {
    int major, minor, micro;
};

/** Connect to a Unix socket.  @handlers (copied) and each of them may be NULL.  @deadline_ms: until
 *  ready.  Errors at once: NO_MEMORY, INVALID (path empty or too long); later ones go to `ready`.
 */
int bf_qmp_open_path(uv_loop_t *loop, const char *path, uint64_t deadline_ms,
                     const struct bf_qmp_handlers *handlers, struct bf_qmp **ret_qmp,
                     struct bf_error *err);

/** The same over a connected stream socket, which is taken over, on failure too.  Errors at once:
 *  NO_MEMORY, INVALID (no stream socket), PEER; run the loop on then, handles are closing. */
int bf_qmp_open_fd(uv_loop_t *loop, int fd, uint64_t deadline_ms,
                   const struct bf_qmp_handlers *handlers, struct bf_qmp **ret_qmp,
                   struct bf_error *err);

/** Exactly one of @result (borrowed) and @err is not NULL.  A QMP error is BF_E_QMP_ERROR with
 *  "command: text (class)"; DEADLINE leaves the client ready; an answer with a number beyond the
 * signed 64 bits that jansson has is BF_E_PROTOCOL, and the client stays ready too. */
typedef void (*bf_qmp_reply_fn)(void *ctx, const json_t *result, const struct bf_error *err);

/** Send a command; @arguments is taken over (NULL: none), on failure too.  Errors at once: PEER
 * when closed or not ready, NO_MEMORY; @reply is then not called. */
int bf_qmp_send(struct bf_qmp *qmp, const char *command, json_t *arguments, uint64_t deadline_ms,
                bf_qmp_reply_fn reply, void *ctx, struct bf_error *err);

bool bf_qmp_is_ready(const struct bf_qmp *qmp);
const char *bf_qmp_state_name(const struct bf_qmp *qmp);

/** Why the client has ended; NULL: it has not. */
const struct bf_error *bf_qmp_end_error(const struct bf_qmp *qmp);

/** Both are known once the client is ready. */
bool bf_qmp_has_command(const struct bf_qmp *qmp, const char *command);
struct bf_qmp_version bf_qmp_version(const struct bf_qmp *qmp);

/** Close.  Commands under way are answered with INTERRUPTED before this returns; @qmp is freed by
 * its last libuv close callback, so run the loop on.  A second call is harmless as long as the loop
 * has not run on, in one of those answers for example. */
void bf_qmp_close(struct bf_qmp *qmp);

#endif
