/** Can a backup since a checkpoint be incremental on a disk?  From which bitmaps, or why not.
 *
 * Everything that is written since a checkpoint must be in the union that is named here.  So a
 * missing, frozen, inconsistent or absent part makes the answer "full"; where it cannot be told, it
 * is "full" too.  What no bitmap shows cannot be seen here: one that was frozen for a while and is
 * recording again, one that was cleared, and one that QEMU shows as persistent and will not store
 * (after a failed migration with `dirty-bitmaps`).
 *
 * A disk is a chain of images, and a bitmap of one name on several of them counts as one: the union
 * from the top image down, without a gap.  Of links, one that was frozen before the top image was
 * made may begin below, if a later link stands on both images.  Source: libvirt's
 * qemuBlockBitmapChainIsValid(), and the union rule of its blockjobs.
 */
#ifndef MODEL_COVERAGE_H
#define MODEL_COVERAGE_H

#include "model/catalog.h"
#include "model/checkpoints.h"

/** X(NAME, sentence).  Stable codes that users see; add at will, never rename. */
#define BF_COVERAGE_REASONS(X)                                                                     \
    X(NONE, "incremental")                                                                         \
    X(DISK_UNSEEN, "nothing is known of the bitmaps of this disk")                                 \
    X(DISK_INACTIVE, "QEMU has the image open, but has not loaded its bitmaps")                    \
    X(DISK_NOT_IN_CHECKPOINT, "the disk was no part of the checkpoint: plugged in later?")         \
    X(CHECKPOINT_GONE, "a later checkpoint is gone, and what changed since with it")               \
    X(BITMAP_MISSING, "the bitmap is not there")                                                   \
    X(BITMAP_INCONSISTENT, "the bitmap is inconsistent: QEMU did not store it properly")           \
    X(BITMAP_FROZEN, "the bitmap does not record: what is written since is not in it")             \
    X(BITMAP_TRANSIENT, "the bitmap is not persistent: it goes when QEMU ends")                    \
    X(LAYER_GAP, "an image of the chain was written to without this bitmap")                       \
    X(BITMAP_BUSY, "the bitmap is in use by a backup, an export or a migration: try again then")

enum bf_coverage_reason {
#define BF_ENUM(name, sentence) BF_COVERAGE_##name,
    BF_COVERAGE_REASONS(BF_ENUM)
#undef BF_ENUM
        BF_NR_COVERAGE_REASONS
};

/** A disk as it is now. */
struct bf_coverage_disk {
    const char *name;                     /* as the checkpoints call it */
    const struct bf_catalog_disk *layers; /* from the top image down */
    size_t nr_layers;
    enum bf_coverage_reason unusable; /* DISK_UNSEEN, DISK_INACTIVE; NONE: @layers tell */
};

/** One bitmap of the union. */
struct bf_coverage_part {
    size_t checkpoint; /* whose it is */
    size_t layer;
    const struct bf_catalog_bitmap *bitmap; /* borrowed from the disk */
};

struct bf_coverage {
    enum bf_coverage_reason reason; /* NONE: incremental */
    /* What the reason is about, or BF_NO_CHECKPOINT and NULL; borrowed. */
    size_t checkpoint;
    const char *bitmap;
    size_t layer;
    struct bf_coverage_part *parts; /* incremental or BITMAP_BUSY: their union has it all */
    size_t nr_parts;
};

/** @checkpoints are settled.  Results borrow from both.  Errors: NO_MEMORY. */
int bf_coverage_since(const struct bf_checkpoints *checkpoints, size_t checkpoint,
                      const struct bf_coverage_disk *disk, struct bf_coverage *ret_coverage,
                      struct bf_error *err);
void bf_coverage_release(struct bf_coverage *coverage);

/** No more than so many bytes are dirty in the union, as far as the parts are counted; false: one
 *  is not. */
bool bf_coverage_dirty_bytes(const struct bf_coverage *coverage,
                             const struct bf_coverage_disk *disk, uint64_t *ret_max_bytes);

const char *bf_coverage_reason_name(enum bf_coverage_reason reason);
const char *bf_coverage_reason_text(enum bf_coverage_reason reason);

#endif
