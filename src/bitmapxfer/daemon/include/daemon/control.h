/** The local control protocol: one JSON object a line, each way, over a Unix socket.
 *
 *     -> {"schema":1,"op":"start","vm":V,"uuid":U,"qmp":SOCKET,"peer":HOST[,"read":HOW]
 *         [,"handover":KIND]
 *         [,"checkpoints":CHECKPOINTS]
 *         [,"disks":[{"name":D,"node":N},...]]}              (bitferry-source)
 *     -> {"schema":1,"op":"expect", the same without these four}    (bitferry-dest)
 *         "domain":NAME[,"connect":URI] may stand in place of "qmp"; CHECKPOINTS is as in
 *         catalog/checkpoints.h
 *     <- {"schema":1,"ok":true,"id":ID,"existing":false}
 *     -> {"schema":1,"op":"list"}
 *     -> {"schema":1,"op":"status"[,"id":ID][,"watch":true]}
 *     <- {"schema":1,"ok":true,"last":true,"moves":[...]}    (watch: any number of them, the last
 * one when no move of these is under way)
 *     -> {"schema":1,"op":"wait","id":ID,"for":MILESTONE[,"timeout_ms":T]}
 *     <- {"schema":1,"ok":true,"reached":true,"move":{...}}  ("reached":false: it ended before)
 *     -> {"schema":1,"op":"abort","id":ID}
 *     <- {"schema":1,"ok":true,"move":{...}}
 *     -> {"schema":1,"op":"hook","event":E,"vm":V,"uuid":U}
 *     <- {"schema":1,"ok":true,"id":ID}   (ID null: no move of this VM is under way)
 *     <- {"schema":1,"error":{"code":CODE,"message":TEXT,"exit":N}}   (to any of them)
 *
 * `start` and `expect` can be repeated: the same request for a VM that is under way gets the same
 * id
 * ("existing":true), a different one BITMAP_BUSY's exit code.  A connection takes one request after
 * another; while a `wait` or a watch is under way it takes none, and its end ends the wait. Unknown
 * keys are refused: a request that is not understood whole must not be carried out in part.
 * `hook` tells what someone else does with a VM: it is shown and logged, nothing depends on it.
 */
#ifndef DAEMON_CONTROL_H
#define DAEMON_CONTROL_H

#include "base/error.h"
#include "daemon/move.h"
#include "daemon/plan.h"

#include <jansson.h>

enum {
    BF_CONTROL_SCHEMA = 1,
    BF_CONTROL_REQUEST_MAX_BYTES = 4 << 20, /* the checkpoints of catalog/checkpoints.h */
    BF_CONTROL_REPLY_MAX_BYTES = 64 << 20,  /* the client's cap: 65,535 bitmaps in a status */
    BF_CONTROL_EVENT_MAX_BYTES = BF_MOVE_HOOK_MAX_BYTES,
    BF_CONTROL_TIMEOUT_MAX_MS = 7 * 24 * 3600 * 1000,
};

enum bf_control_op {
    BF_OP_START,
    BF_OP_EXPECT,
    BF_OP_LIST,
    BF_OP_STATUS,
    BF_OP_WAIT,
    BF_OP_ABORT,
    BF_OP_HOOK,
    BF_NR_OPS,
};

struct bf_control_request {
    enum bf_control_op op;
    struct bf_plan plan;                        /* START, EXPECT; HOOK: vm and uuid */
    char id[BF_MOVE_ID_CHARS + 1];              /* WAIT, ABORT; STATUS: "" means all */
    bool watch;                                 /* STATUS */
    enum bf_milestone milestone;                /* WAIT */
    uint64_t timeout_ms;                        /* WAIT; 0: none */
    char event[BF_CONTROL_EVENT_MAX_BYTES + 1]; /* HOOK */
};

/** Judge one line from a client, who may be anyone.  Pure.  Errors: PROTOCOL (no JSON object),
 *  VERSION (another schema), INVALID, LIMIT, NO_MEMORY; *ret_request is then empty. */
int bf_control_request_parse(const char *line, size_t line_bytes,
                             struct bf_control_request *ret_request, struct bf_error *err);

void bf_control_request_release(struct bf_control_request *request);

/** {"schema":1,"ok":true}; NULL: no memory. */
json_t *bf_control_ok(void);

/** NULL: no memory. */
json_t *bf_control_error(const struct bf_error *error);

const char *bf_control_op_name(enum bf_control_op op);

#endif
