/** The parts of a client: client.c has its life (opening, sending, deadlines, the end), dialogue.c
 * judges what QEMU says and negotiates, call.c runs the loop for callers without one. */
#ifndef QMP_CLIENT_INTERNAL_H
#define QMP_CLIENT_INTERNAL_H

#include "inflight.h"
#include "link.h"

#include "qmp/client.h"

/* In the order in which they are passed through; see the header. */
enum bf_qmp_state {
    BF_QMP_STATE_NEW,
    BF_QMP_STATE_CONNECTING,
    BF_QMP_STATE_GREETING,
    BF_QMP_STATE_NEGOTIATING,
    BF_QMP_STATE_READY,
    BF_QMP_STATE_ENDED,
    BF_QMP_STATE_CLOSED,
};

struct bf_qmp {
    enum bf_qmp_state state;
    uv_loop_t *loop;
    struct bf_qmp_link link; /* closed when the connection ends */
    uv_timer_t timer;     /* set to the nearest deadline or earlier; closed by the owner's close */
    unsigned nr_unclosed; /* of the two */
    uint64_t timer_at_ms;
    uint64_t open_expires_ms, open_deadline_ms;
    struct bf_qmp_inflight inflight;
    struct bf_qmp_handlers handlers;
    struct bf_qmp_version version;
    json_t *commands; /* an object whose keys are QEMU's commands */
    struct bf_error end_error;
    bool *ret_freed;
};

void bf_qmp_set_state(struct bf_qmp *qmp, enum bf_qmp_state state);

/** The connection is over: everyone who waits gets @err.  Nothing happens when it was over already.
 */
void bf_qmp_end(struct bf_qmp *qmp, const struct bf_error *err);

/** bf_qmp_send() in any state in which the link is up. */
int bf_qmp_send_now(struct bf_qmp *qmp, const char *name, json_t *arguments, uint64_t deadline_ms,
                    bf_qmp_reply_fn reply, void *ctx, struct bf_error *err);

/** What QEMU said.  Runs callbacks, which may close @qmp.  Errors end the connection: PROTOCOL,
 *  NO_MEMORY, PEER. */
int bf_qmp_take_line(struct bf_qmp *qmp, const char *line, size_t line_bytes, struct bf_error *err);

#endif
