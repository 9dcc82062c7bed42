/** The part of an installation that QEMU does: carrier into the staged image, and the proof. */
#ifndef INSTALL_LOAD_H
#define INSTALL_LOAD_H

#include "attach/install.h"
#include "storage_daemon.h"

/** One bitmap to load, and what it must be afterwards. */
struct bf_load_item {
    const char *carrier_name;
    const char *name;
    uint64_t granularity_bytes;
    bool recording;
    bool exists; /* a bitmap of that name and granularity is there and gets new content */
    bool stale;  /* one is there that cannot */
    struct bf_summary expected; /* at granularity_bytes */
};

/** Open the carrier as node "carrier", read-only. */
int bf_load_open_carrier(struct bf_storage_daemon *daemon, const char *path, struct bf_error *err);

/** blockdev-add of @target (taken over) as node "target". */
int bf_load_open_target(struct bf_storage_daemon *daemon, json_t *target, struct bf_error *err);

/** Remove the stale ones. */
int bf_load_purge(struct bf_storage_daemon *daemon, const struct bf_load_item *items,
                  size_t nr_items, struct bf_error *err);

/** One transaction: all bitmaps of @items from the carrier into the target, or none. */
int bf_load_merge(struct bf_storage_daemon *daemon, const struct bf_load_item *items,
                  size_t nr_items, struct bf_error *err);

/** Every item is in the target with the expected digest, count and state.  Errors: DIGEST_MISMATCH.
 */
int bf_load_prove(struct bf_storage_daemon *daemon, const struct bf_load_item *items,
                  size_t nr_items, struct bf_error *err);

/** blockdev-del of node @name ("target", "carrier"): QEMU stores the bitmaps. */
int bf_load_close(struct bf_storage_daemon *daemon, const char *name, struct bf_error *err);

#endif
