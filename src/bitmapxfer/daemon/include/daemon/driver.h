/** Who does the live work of a move: QEMU, nbdkit, the peer.  One driver a daemon.
 *
 * The daemon owns the move, its folder and its journal; the driver owns everything that is alive,
 * behind move->driver.  All happens on the one loop.  The driver tells its facts by the functions
 * of daemon/move.h, writes its own records with bf_move_folder_append(move->folder, kind, ...),
 * kind from BF_JOURNAL_FIRST_DRIVER to last_record_kind, and ends the move with bf_move_end().
 *
 *     start | recover  ->  event*  ->  [abort]  ->  bf_move_end()  ->  free  ->  closed()
 *
 * At the daemon's end moves that are still under way are freed without bf_move_end(): what their
 * journals say is what the next recover() gets.
 */
#ifndef DAEMON_DRIVER_H
#define DAEMON_DRIVER_H

#include "daemon/config.h"
#include "daemon/folder.h"
#include "daemon/move.h"

#include <uv.h>

enum bf_driver_event {
    BF_DRIVER_DRAIN,  /* the daemon stops: come to an end or to a good place to resume from */
    BF_DRIVER_RELOAD, /* SIGHUP: read certificates anew */
};

/** What a driver may ask of its daemon. */
struct bf_driver_host {
    /** Wait for a libvirt domain that somebody has announced, as `expect --domain @uuid` does.
     *  False: it cannot be, which is logged. */
    bool (*expect)(void *ctx, const char *vm, const char *uuid);
    void *ctx;
};

struct bf_move_driver_ops {
    const char *name;
    uint32_t last_record_kind; /* a journal with a greater kind is quarantined */

    /** For what is not of one move; each may be NULL.  @open comes before the first move, @close
     *  after the last was freed: every handle must then be closed, and @host is not asked any more.
     *  @reload: SIGHUP; after it the moves are told. */
    void (*open)(uv_loop_t *loop, const struct bf_config *config,
                 const struct bf_driver_host *host);
    void (*close)(void);
    void (*reload)(uv_loop_t *loop, const struct bf_config *config);

    /** Begin; the move is journaled already.  An error refuses the move as if it had never been
     *  asked for; then no other function is called, and nothing may be left. */
    int (*start)(struct bf_move *move, uv_loop_t *loop, const struct bf_config *config,
                 struct bf_error *err);

    /** Take up a move of a former run.  @records stands behind BEGUN; it lasts for the call.  An
     *  error ends the move as failed with that reason. */
    int (*recover)(struct bf_move *move, uv_loop_t *loop, const struct bf_config *config,
                   struct bf_journal_cursor *records, struct bf_error *err);

    void (*event)(struct bf_move *move, enum bf_driver_event event);

    /** An operator wants it ended: roll back, then bf_move_end(ABORTED). */
    void (*abort)(struct bf_move *move);

    /** Let go of everything that is alive: close the handles, end the children, free move->driver.
     *  Then call closed(move), from a later turn of the loop or from here; it may not touch @move
     *  after that. */
    void (*free)(struct bf_move *move, void (*closed)(struct bf_move *move));
};

/** The move is over.  @state: COMMITTED, FAILED or ABORTED; @error is its reason, or NULL.  The
 *  driver is freed from a later turn of the loop. */
void bf_move_end(struct bf_move *move, enum bf_move_state state, const struct bf_error *error);

#endif
