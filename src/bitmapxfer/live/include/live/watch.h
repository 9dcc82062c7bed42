/** Look at a QEMU and tell what happens to its mirrors, its migration and its guest.
 *
 * QEMU's events and its answers to query-block-jobs, query-migrate and query-status (asked every
 * @poll_ms, and at once after an event that matters) become facts, in the order in which QEMU sent
 * them.  A state is told once; what holds already when the watch begins is told too.  The end of a
 * mirror while the guest is stopped is told after what the migration is, and before the guest runs.
 * In the pause of a migration of which QEMU tells by events, next to nothing is asked.
 * QEMU's migration capability `events` is switched on, and stays so.
 *
 * A mirror belongs to the disk whose node its job stands on (x-debug-query-block-graph), or whose
 * name or node its job has as id.
 */
#ifndef LIVE_WATCH_H
#define LIVE_WATCH_H

#include "live/session.h"

enum bf_live_fact_kind {
    BF_LIVE_MIRROR_READY,  /* of @disk */
    BF_LIVE_MIRROR_ERROR,  /* an I/O error, or no longer ready; @text says what */
    BF_LIVE_MIRROR_GONE,   /* the job ended or is another one; @clean: after having been ready,
                              with all copied and without an error */
    BF_LIVE_MIGRATION,     /* @migration changed */
    BF_LIVE_GUEST_RUNS,    /* query-status or RESUME; again after each GUEST_STOPPED */
    BF_LIVE_GUEST_STOPPED, /* @text: the run state ("paused", "postmigrate", "shutdown", ...) */
    BF_LIVE_SHUTDOWN,      /* the guest or somebody asked for the end of QEMU */
    BF_LIVE_LOST,          /* the connection ended or QEMU does not answer; the watch tells nothing
                              more.  See bf_live_is_gone() */
};

/** Of both sides; what QEMU knows beyond these is ACTIVE. */
enum bf_live_migration {
    BF_LIVE_MIGRATION_NONE,
    BF_LIVE_MIGRATION_SETUP, /* destination: waiting */
    BF_LIVE_MIGRATION_ACTIVE,
    BF_LIVE_MIGRATION_PRE_SWITCHOVER,
    BF_LIVE_MIGRATION_DEVICE,
    BF_LIVE_MIGRATION_POSTCOPY,
    BF_LIVE_MIGRATION_COMPLETED,
    BF_LIVE_MIGRATION_FAILED,
    BF_LIVE_MIGRATION_CANCELLED, /* or being cancelled */
};

struct bf_live_fact {
    enum bf_live_fact_kind kind;
    uint32_t disk; /* MIRROR_...: index in the configuration */
    bool clean;    /* MIRROR_GONE */
    enum bf_live_migration migration;
    const char *text; /* "" or a detail, borrowed */
};

struct bf_live_watch_disk {
    const char *name;
    const char *node;
};

struct bf_live_watch_config {
    const struct bf_live_watch_disk *disks; /* copied */
    uint32_t nr_disks;
    uint64_t poll_ms;                                         /* 0: 100 */
    uint64_t deadline_ms;                                     /* of one answer; 0: 10,000 */
    void (*fact)(void *ctx, const struct bf_live_fact *fact); /* may free the watch */
    void *ctx;
};

struct bf_live_watch;

/** At most one watch per session.  Errors: NO_MEMORY, EXISTS, PEER. */
int bf_live_watch_new(struct bf_live *live, const struct bf_live_watch_config *config,
                      struct bf_live_watch **ret_watch, struct bf_error *err);

/** How far the mirror of @disk is, by QEMU's own numbers: what is copied, of what had to be so far.
 *  0 of 0: there is none. */
void bf_live_watch_mirror(const struct bf_live_watch *watch, uint32_t disk,
                          uint64_t *ret_done_bytes, uint64_t *ret_total_bytes);

bool bf_live_watch_guest_ran(const struct bf_live_watch *watch); /* at any time since it began */

void bf_live_watch_free(struct bf_live_watch *watch);

#endif
