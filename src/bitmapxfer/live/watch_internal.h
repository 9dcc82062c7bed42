#ifndef LIVE_WATCH_INTERNAL_H
#define LIVE_WATCH_INTERNAL_H

#include "live/watch.h"
#include "session_internal.h"

enum { BF_LIVE_JOB_ID_MAX = 255 };

struct bf_live_mirror {
    char *name; /* of the disk */
    char *node;
    char job[BF_LIVE_JOB_ID_MAX + 1]; /* "": none */
    uint64_t done_bytes, total_bytes; /* as of the last look; for people */
    bool ready;
    bool failed;     /* an error was told */
    bool all_copied; /* as of the last look */
    /* An end that was not told yet: the guest was stopped then. */
    bool gone;
    bool gone_clean;
    char gone_text[128];
    unsigned gone_look; /* the look that was the last then */
};

struct bf_live_watch {
    struct bf_live *live;
    void (*fact)(void *ctx, const struct bf_live_fact *fact);
    void *ctx;
    struct bf_live_mirror *mirrors; /* one per disk */
    uint32_t nr_disks;
    uint64_t poll_ms;
    uint64_t deadline_ms;
    /* what was told */
    enum bf_live_migration migration;
    bool migration_told;
    bool by_events; /* QEMU tells of the migration by itself */
    bool running;
    char status[32]; /* "": nothing */
    bool guest_ran;
    /* the look that is under way */
    unsigned nr_looks; /* with this one */
    unsigned nr_awaited;
    bool again;      /* an event says that another one is worth it at once */
    bool lost;       /* LOST was told */
    json_t *unknown; /* the answer to query-block-jobs that has a job of unknown disk */
    char unknown_error[BF_LIVE_JOB_ID_MAX + 1]; /* the job of an error that no disk is known for */
    /* lifetime: the timer and each awaited answer hold it */
    uv_timer_t timer;
    bool freed;
    bool timer_closed;
};

/** The guest is stopped for good, unless the migration fails, and QEMU itself has said so. */
bool bf_live_watch_is_switching(const struct bf_live_watch *watch);

void bf_live_tell(struct bf_live_watch *watch, const struct bf_live_fact *fact);

/** An answer to query-block-jobs.  True: a mirror's disk is not known, and the graph would tell. */
bool bf_live_mirrors_look(struct bf_live_watch *watch, const json_t *jobs);

/** The graph for the same @jobs. */
void bf_live_mirrors_map(struct bf_live_watch *watch, const json_t *jobs, const json_t *graph);

/** Tell the ends of mirrors that were held back: all, or those of before the look under way. */
void bf_live_mirrors_tell_gone(struct bf_live_watch *watch, bool all);

/** An event of a block job.  False: it is of no concern here. */
bool bf_live_mirrors_event(struct bf_live_watch *watch, const char *name, const json_t *data);

#endif
