/** Fetch bitmaps, one export each, into carriers of one bitmap each.
 *
 * A bitmap of a smaller disk becomes one of the wanted size: what is past its end is dirty.
 */
#ifndef DRIVE_FETCH_H
#define DRIVE_FETCH_H

#include "drive/peer_settings.h"
#include "model/summary.h"

#include <stdbool.h>
#include <uv.h>

#define BF_FETCH_BITMAP "bits" /* the name of the bitmap in every carrier that travels */

enum { BF_FETCH_TRIES_MAX = 5, BF_FETCH_RETRY_MS = 500 };

struct bf_fetch_item {
    char *export_name;                           /* owned */
    char *path;                                  /* owned; of the carrier to be made */
    uint32_t index;                              /* the caller's */
    uint64_t disk_size_bytes, granularity_bytes; /* as exported */
    struct bf_summary announced;
    uint64_t wanted_size_bytes; /* of the carrier; not below disk_size_bytes */
    /* results */
    enum bf_code failed;       /* NONE: the carrier is there, and what was announced is what came */
    bool too_slow;             /* given up for that */
    struct bf_summary written; /* in the carrier's layout */
};

/** For each item. */
struct bf_fetch_patience {
    uint64_t deadline_ms; /* without progress; then it is tried again */
    uint64_t limit_ms;    /* for all tries together */
};

struct bf_fetch;

struct bf_fetch_handlers {
    void (*progress)(void *ctx, uint32_t index, uint64_t done, uint64_t total);
    /** This one has its results, good or bad; the next one is begun already.  @item is borrowed. */
    void (*item)(void *ctx, const struct bf_fetch_item *item);
    void (*done)(void *ctx); /* all have */
    void *ctx;
};

/** Fetch all, one after the other; takes over @items, strings included.  @settings must live as
 *  long, @handlers is copied.  Errors: NO_MEMORY; @items is freed then too. */
int bf_fetch_start(uv_loop_t *loop, const char *uri, const struct bf_peer_settings *settings,
                   const struct bf_fetch_patience *patience, struct bf_fetch_item *items,
                   uint32_t nr_items, const struct bf_fetch_handlers *handlers,
                   struct bf_fetch **ret_fetch, struct bf_error *err);

/** No handler is called any more, and none of them may call this; freed by the loop. */
void bf_fetch_cancel(struct bf_fetch *fetch);

void bf_fetch_items_free(struct bf_fetch_item *items, uint32_t nr_items);

#endif
