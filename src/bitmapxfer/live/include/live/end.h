/** How an operation on a running QEMU ended.
 *
 * Every operation of this layer is a start function and one `done` callback.  A start function that
 * fails (QMP connection not ready, no memory, a bitmap name that is not UTF-8) has done nothing and
 * never calls `done`; after one that succeeds `done` is called exactly once, never from inside the
 * start function, but from inside bf_live_close() if that comes first.  Operations of one session
 * may overlap; QEMU carries out their commands in the order in which they were sent.  Deadlines are
 * milliseconds from the start, for the whole operation.  What a start function is given is copied.
 *
 * Threads: the loop's.
 */
#ifndef LIVE_END_H
#define LIVE_END_H

#include "base/error.h"

enum bf_live_end {
    BF_LIVE_DONE,
    BF_LIVE_REFUSED, /* certain: nothing was done, or it was taken back */
    BF_LIVE_UNKNOWN, /* no answer came: done, not done, or still to be done.  Close the session
                        before anything else is tried: what QEMU has read by then is carried out
                        before anything that comes over the next one */
};

/** @err is NULL for DONE only. */
typedef void (*bf_live_done_fn)(void *ctx, enum bf_live_end end, const struct bf_error *err);

/** An operation of many steps that may be stopped; valid until its `done`. */
struct bf_live_op;

/** End it after the command that is under way: INTERRUPTED, REFUSED, tidied up like a failure. */
void bf_live_op_stop(struct bf_live_op *op);

#endif
