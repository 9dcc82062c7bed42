#ifndef LIVE_SESSION_INTERNAL_H
#define LIVE_SESSION_INTERNAL_H

#include "live/session.h"

enum { BF_LIVE_NODE_PREFIX_CHARS = 24 }; /* "bf-", 20 digits of the tag, "-" */

/** What a watch (one per session) wants to be told; see watch.c. */
struct bf_live_listener {
    void (*event)(void *ctx, const char *name, const json_t *data);
    void (*closed)(void *ctx, const struct bf_error *err);
    void *ctx;
};

struct bf_live_op;

struct bf_live {
    uv_loop_t *loop;
    struct bf_qmp *qmp;
    struct bf_live_handlers handlers;
    struct bf_live_listener listener;
    struct bf_live_identity identity;
    char wanted_uuid[BF_LIVE_UUID_CHARS + 1];
    char wanted_start[BF_LIVE_START_MAX + 1];
    char node_prefix[BF_LIVE_NODE_PREFIX_CHARS + 1];
    uint64_t expires_ms; /* until identified */
    unsigned question;   /* of the identification */
    unsigned nr_nodes;   /* names given out */
    bool closing;
    bool rests;
    uint64_t busy_ns;           /* what QEMU's main loop has been held for since the last rest */
    uint64_t rested_ns;         /* when the next one is over */
    struct bf_live_op *resting; /* each with a command that waits for the timer, in their order */
    uv_timer_t timer;           /* its close callback frees, after everything on the stack */
};

/** The next name for a node or export of ours. */
void bf_live_node_name(struct bf_live *live, char buf[BF_LIVE_NODE_NAME_MAX + 1]);

#endif
