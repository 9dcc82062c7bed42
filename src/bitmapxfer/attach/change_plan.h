/** What a staged image changes, sorted by what each changed piece is in the old image. */
#ifndef CHANGE_PLAN_H
#define CHANGE_PLAN_H

#include "carrier/refcounts.h"
#include "stage.h"

enum bf_change_kind {
    BF_CHANGE_FREE,           /* a cluster that was free, or lies past the old end */
    BF_CHANGE_REFCOUNT_TABLE, /* an entry for a new block: harmless until that block counts */
    BF_CHANGE_REFCOUNTS,      /* within a refcount block */
    BF_CHANGE_HEADER,         /* the header cluster, or a bitmap directory that stays where it is */
};

struct bf_change {
    enum bf_change_kind kind;
    struct bf_staged_extent where;
};

struct bf_change_plan {
    unsigned refcount_bits;
    uint64_t cluster_bytes;
    uint64_t file_end_bytes;   /* where the last of what QEMU wrote ends */
    struct bf_change *changes; /* in order of the image */
    size_t nr_changes;
    size_t nr_allocated;
};

enum {
    BF_CHANGE_MAX_BYTES = 1 << 20, /* no change is longer */
};

/** Compare @extents of the overlay with the image, both read through @overlay_fd and the stage's
 *  image_fd.  Equal bytes are no change, nor is what happened to clusters that are free in the end
 * (QEMU discards the bitmaps that it has stored anew elsewhere).  Errors: IMAGE_CORRUPT if anything
 * but free clusters, refcounts and the header would be changed. */
int bf_change_plan_new(const struct bf_stage *stage, int overlay_fd,
                       const struct bf_staged_extent *extents, size_t nr_extents,
                       struct bf_change_plan **ret_plan, struct bf_error *err);
void bf_change_plan_free(struct bf_change_plan *plan);
BF_DEFINE_CLEANUP(struct bf_change_plan *, bf_change_plan_free)

#endif
