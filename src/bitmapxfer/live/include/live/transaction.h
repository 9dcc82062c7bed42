/** Changes of bitmaps, all or nothing: one QMP `transaction` over any number of disks.  Or each by
 *  itself, where they need not hold together.
 *
 *     begin   add, merge, remove, ... (each appends an action)   run, run apart, run each
 *
 * The snapshot, the tracker and the commit of DESIGN.md are each one of these; the functions at the
 * end build them.  An action that cannot be put into words (a name that is not UTF-8, no memory) is
 * remembered, and run fails at once.
 */
#ifndef LIVE_TRANSACTION_H
#define LIVE_TRANSACTION_H

#include "live/session.h"

struct bf_live_actions {
    json_t *list;
    bool broken;
};

struct bf_live_add {
    const char *node;
    const char *name;
    uint64_t granularity_bytes;
    bool recording;
    bool persistent;
};

void bf_live_actions_begin(struct bf_live_actions *actions);
void bf_live_actions_release(struct bf_live_actions *actions);
void bf_live_actions_add(struct bf_live_actions *actions, const struct bf_live_add *add);
/** @target, on @node, gets what @source on @source_node has.  Sizes of the nodes must be equal. */
void bf_live_actions_merge(struct bf_live_actions *actions, const char *node, const char *target,
                           const char *source_node, const char *source);
void bf_live_actions_remove(struct bf_live_actions *actions, const char *node, const char *name);
void bf_live_actions_disable(struct bf_live_actions *actions, const char *node, const char *name);

/** Takes @actions over, on failure too; without any action it is done at once (in a later turn of
 *  the loop).  Ends: DONE; REFUSED with QEMU's word (QMP_ERROR; BITMAP_BUSY, worth another try);
 * UNKNOWN. */
int bf_live_run(struct bf_live *live, struct bf_live_actions *actions, uint64_t deadline_ms,
                bf_live_done_fn done, void *ctx, struct bf_error *err);

/** The same actions, at least one, but each a command of its own, sent in this order without
 * waiting for answers: QEMU's main loop is free between them, and none waits for the I/O that
 * mirrors have in flight, as each transaction does (docs/facts.md).  Takes @actions over, on
 * failure too.  Ends: DONE: all; REFUSED with the first refusal: the others were carried out;
 * UNKNOWN. */
int bf_live_run_apart(struct bf_live *live, struct bf_live_actions *actions, uint64_t deadline_ms,
                      bf_live_done_fn done, void *ctx, struct bf_error *err);

/** The same, but one after the other, from the one at *@at on, to the first refusal.  *@at is
 *  borrowed until the end, and counts what QEMU has done.  Without an action from there on:
 * INVALID. Ends: DONE; REFUSED with QEMU's word about the one at *@at: those before it are done,
 * none behind it; UNKNOWN: the one at *@at may be done. */
int bf_live_run_each(struct bf_live *live, struct bf_live_actions *actions, size_t *at,
                     uint64_t deadline_ms, bf_live_done_fn done, void *ctx, struct bf_error *err);

/** Snapshot: a disabled, transient @name on @node with the bits of @source. */
void bf_live_actions_snapshot(struct bf_live_actions *actions, const char *node, const char *name,
                              const char *source, uint64_t granularity_bytes);

/** Tracker or delta: a recording, transient one. */
void bf_live_actions_record(struct bf_live_actions *actions, const char *node, const char *name,
                            uint64_t granularity_bytes);

/** A bitmap under its final name.  @tracker and @delta may be NULL.  The snapshot is removed. */
struct bf_live_publish {
    struct bf_live_add final;
    const char *snapshot;
    const char *tracker;
    const char *delta;
};
void bf_live_actions_publish(struct bf_live_actions *actions,
                             const struct bf_live_publish *publish);

#endif
