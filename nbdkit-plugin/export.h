/** One export as a connection has it open: the index, the packed bits of one bitmap or of all of a
 * disk, or a bitmap's qcow2 view. */
#ifndef PLUGIN_EXPORT_H
#define PLUGIN_EXPORT_H

#include "carrier/view.h"
#include "model/stretches.h"
#include "store.h"

struct bf_export {
    struct bf_store *store;
    uint64_t size_bytes;
    const char *index;      /* the store's; NULL: packed bits or a view, and the rest is set */
    struct bf_served which; /* of a whole disk, only the disk counts */
    bool whole_disk;
    bool inconsistent;             /* and what follows is not set */
    struct bf_view *view;          /* NULL: the packed bits themselves */
    struct bf_stretches stretches; /* of the packed bits: one, from 0 on, unless it is a disk */
    struct bf_bits *bits;          /* bits[i] are those of stretches.items[i] */
};

/** Open what @name (base/name.h; "" is the index) names.  The packed bits of an inconsistent bitmap
 *  open, so that a client can show its description, but no byte of them is read.
 *  Errors: NOT_FOUND, BITMAP_NOT_FOUND, BITMAP_INCONSISTENT (the qcow2 view), IMAGE_CHANGED. */
int bf_export_open(struct bf_store *store, const char *name, struct bf_export **ret_export,
                   struct bf_error *err);
void bf_export_free(struct bf_export *export);
BF_DEFINE_CLEANUP(struct bf_export *, bf_export_free)

/** All of the range or an error.  Errors: IO, IMAGE_CORRUPT, IMAGE_CHANGED, BITMAP_INCONSISTENT. */
int bf_export_read(struct bf_export *export, void *buf, uint64_t nr_bytes, uint64_t offset_bytes,
                   struct bf_error *err);

/** A piece of the export that is all hole (reads as zeroes) or all data. */
struct bf_piece {
    uint64_t offset_bytes;
    uint64_t nr_bytes; /* at least 1 */
    bool hole;
};

/** Call @function for the pieces of [offset, offset + nr_bytes), in order, gapless; neighbours may
 *  be of one kind.  The work is bounded, so the walk may end early, but never before the first
 *  piece; a non-zero return of @function ends it too.
 *  Errors: as bf_export_read(), and the pieces that were given by then do not count. */
int bf_export_each_piece(struct bf_export *export, uint64_t offset_bytes, uint64_t nr_bytes,
                         int (*function)(void *ctx, const struct bf_piece *piece), void *ctx,
                         struct bf_error *err);

#endif
