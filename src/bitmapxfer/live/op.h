/** The common part of all operations: a chain of QMP commands, one under way at a time (but for
 *  bf_live_run_apart()).
 *
 * Each answer goes to a step, which sends the next command or finishes.  When the connection ends,
 * the command under way is answered with the error, so an operation needs no list to be found in:
 * it always ends.
 */
#ifndef LIVE_OP_H
#define LIVE_OP_H

#include "session_internal.h"

/** Exactly one of @result (borrowed) and @err is not NULL. */
typedef void (*bf_live_step_fn)(struct bf_live_op *op, const json_t *result,
                                const struct bf_error *err);

/** The first member of each operation's own struct. */
struct bf_live_op {
    struct bf_live *live;
    uint64_t expires_ms;
    bool stopped;
    bool lost; /* a command was not answered: it may be under way still, and no further one helps */
    bf_live_step_fn step;
    void (*release)(struct bf_live_op *op); /* frees it, and all it holds */
    bf_live_done_fn done;                   /* for bf_live_op_finish() */
    void *ctx;
    struct bf_error err; /* the first failure, kept while the operation tidies up */
    bool apart;          /* many commands are under way at a time: they do not rest */
    uint64_t sent_ns;    /* the last command */
    const char *command; /* it waits: bf_live_set_rests() */
    json_t *arguments;
    struct bf_live_op *next_resting;
};

/** @op is all zeroes. */
void bf_live_op_init(struct bf_live_op *op, struct bf_live *live, uint64_t deadline_ms,
                     void (*release)(struct bf_live_op *op));

/** The first command.  When it cannot be sent, @op is released and the error is returned. */
int bf_live_op_start(struct bf_live_op *op, const char *command, json_t *arguments,
                     bf_live_step_fn step, struct bf_error *err);

/** A further one, from within a step.  When it cannot be sent, @step gets the error at once.
 *  @command must live as long as @op. */
void bf_live_op_call(struct bf_live_op *op, const char *command, json_t *arguments,
                     bf_live_step_fn step);

/** The session is being closed: nothing waits any more. */
void bf_live_op_rests_end(struct bf_live *live);

/** Release @op and tell its owner: DONE without @err, UNKNOWN if it is lost, else REFUSED. */
void bf_live_op_finish(struct bf_live_op *op, const struct bf_error *err);

#endif
