/** Lines over a stream socket on a libuv loop: the pipe handle and its buffers, nothing of QMP.
 *
 * After `lost` there is no more traffic; the owner closes the link then as at any other time. After
 * bf_qmp_link_close() only `closed` is called, and only then the struct may go.  No callback runs
 * inside a function of this header.
 */
#ifndef QMP_LINK_H
#define QMP_LINK_H

#include "framing.h"

#include "base/error.h"

#include <uv.h>

struct bf_qmp_link;

struct bf_qmp_link_handlers {
    void (*connected)(struct bf_qmp_link *link);
    /** @line is borrowed and has no NUL behind it. */
    void (*line)(struct bf_qmp_link *link, const char *line, size_t line_bytes);
    void (*lost)(struct bf_qmp_link *link, const struct bf_error *err);
    void (*closed)(struct bf_qmp_link *link);
};

struct bf_qmp_link {
    uv_pipe_t pipe;
    uv_connect_t connect;
    struct bf_qmp_framing framing;
    const struct bf_qmp_link_handlers *handlers;
    char name[160]; /* of the peer, for errors: a socket's path has at most 107 bytes */
};

void bf_qmp_link_init(struct bf_qmp_link *link, uv_loop_t *loop, size_t line_max_bytes,
                      const struct bf_qmp_link_handlers *handlers);

/** -EINVAL: empty, or too long for a socket address (libuv would cut it in silence). */
int bf_qmp_link_check_path(const char *path, struct bf_error *err);

/** @path has passed the check.  `connected` or `lost` follows. */
void bf_qmp_link_connect(struct bf_qmp_link *link, const char *path);

/** Errors: INVALID; @fd is then still the caller's. */
int bf_qmp_link_adopt(struct bf_qmp_link *link, int fd, struct bf_error *err);

/** Errors: PEER. */
int bf_qmp_link_start_reading(struct bf_qmp_link *link, struct bf_error *err);

/** Send @text, which is taken over, and a line end.  Errors: NO_MEMORY, PEER. */
int bf_qmp_link_write_line(struct bf_qmp_link *link, char *text, struct bf_error *err);

/** May be called twice. */
void bf_qmp_link_close(struct bf_qmp_link *link);

#endif
