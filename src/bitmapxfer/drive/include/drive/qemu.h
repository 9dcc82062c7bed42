/** The QEMU of a move, kept in reach: connected, watched, connected again, or known to be gone.
 *
 *     new -> connecting -> up -> lost -> connecting ... -> up | gone
 *
 * With a way (libvirt) each connection goes through a socket of its own, which is made and taken
 * away in a thread.
 */
#ifndef DRIVE_QEMU_H
#define DRIVE_QEMU_H

#include "daemon/plan.h"
#include "drive/way.h"
#include "live/clean.h"
#include "live/load.h"
#include "live/measure.h"
#include "live/spill.h"
#include "live/survey.h"
#include "live/transaction.h"
#include "live/watch.h"

enum {
    BF_QEMU_DEADLINE_MS = 30000, /* for a transaction */
    BF_QEMU_SPILL_MS = 120000,   /* for a carrier */
};

struct bf_qemu;

struct bf_qemu_handlers {
    void (*up)(void *ctx); /* operations may be started, until `lost` */
    void (*fact)(void *ctx, const struct bf_live_fact *fact);
    void (*lost)(void *ctx); /* it is looked for again */
    /** It will not come back (@err says why); or, before the first `up`, cannot be reached. */
    void (*gone)(void *ctx, const struct bf_error *err);
    void *ctx;
};

struct bf_qemu_target {
    const char *socket_path;  /* unless there is a way */
    const struct bf_way *way; /* copied, and freed with the bf_qemu; NULL: none */
    bool patient;             /* with a way: it is waited for until it is there */
    const char *uuid;
    const char *start; /* of the QEMU that was known before; "": any */
    const char *tag;
};

/** Strings are copied.  Errors: NO_MEMORY, INVALID. */
int bf_qemu_new(uv_loop_t *loop, const struct bf_qemu_target *target,
                const struct bf_qemu_handlers *handlers, struct bf_qemu **ret_qemu,
                struct bf_error *err);

/** Watch the mirrors of these disks (copied), now and after each `up`.  Only when up. */
int bf_qemu_watch(struct bf_qemu *qemu, const struct bf_live_watch_disk *disks, uint32_t nr_disks,
                  struct bf_error *err);

/** Which disks are meant: those of the plan, else those that the way knows, else (0) all of QEMU's.
 *  The array is the caller's to free(), its strings are borrowed.  NULL: no memory. */
struct bf_live_disk_wish *bf_qemu_disks(const struct bf_qemu *qemu, const struct bf_plan *plan,
                                        uint32_t *ret_nr_disks);

/** NULL unless up; also for @qemu NULL. */
struct bf_live *bf_qemu_live(const struct bf_qemu *qemu);
struct bf_live_watch *bf_qemu_live_watch(const struct bf_qemu *qemu);
bool bf_qemu_is_gone(const struct bf_qemu *qemu);

/** Is it there, but hidden by the way until it has arrived? */
bool bf_qemu_is_hidden(const struct bf_qemu *qemu);
bool bf_qemu_was_up(const struct bf_qemu *qemu); /* ever, in this run */
const char *bf_qemu_start(const struct bf_qemu *qemu);

/** An operation ended in doubt: close the connection and connect anew. */
void bf_qemu_restart(struct bf_qemu *qemu);

/** No handler is called any more; freed by the loop. */
void bf_qemu_free(struct bf_qemu *qemu);

#endif
