/** How target.c sees the three kinds of targets. */
#ifndef CLI_TARGET_SOURCE_H
#define CLI_TARGET_SOURCE_H

#include "target.h"

struct bf_target_source_ops {
    enum bf_target_kind kind;
    /** See bf_target_bits(); @disk and @bitmap are of the target's catalog. */
    int (*bits)(void *source, const struct bf_catalog_disk *disk,
                const struct bf_catalog_bitmap *bitmap, struct bf_bits *ret_bits,
                struct bf_error *err);
    /** Append all bits to the bitmap that @writer has begun. */
    int (*append)(void *source, const struct bf_catalog_disk *disk,
                  const struct bf_catalog_bitmap *bitmap, struct bf_writer *writer,
                  struct bf_error *err);
    /** The same, begun, ended and checked, for several bitmaps of a @disk whose bitmaps are those
     * of the index.  *ret_done false: it cannot be done that way, nothing was written.  May be
     * NULL. */
    int (*append_together)(void *source, const struct bf_catalog_disk *disk,
                           struct bf_writer *writer, struct bf_target_copy *copies,
                           size_t nr_copies, bool *ret_done, struct bf_error *err);
    void (*free)(void *source);
};

/** End the bitmap that @writer has begun for @copy; what was written must be @bitmap.  Errors:
 * DIGEST_MISMATCH, and the writer's. */
int bf_target_copy_end(const struct bf_catalog_disk *disk, const struct bf_catalog_bitmap *bitmap,
                       struct bf_writer *writer, struct bf_target_copy *copy, struct bf_error *err);

/** Each opens @text, appends to @catalog and gives the source; *ret_source is the caller's to free
 * with the operations. */
extern const struct bf_target_source_ops bf_image_source_ops;
int bf_image_source_open(const char *text, const struct bf_target_options *options,
                         struct bf_catalog *catalog, void **ret_source, struct bf_error *err);

extern const struct bf_target_source_ops bf_folder_source_ops;
int bf_folder_source_open(const char *text, const struct bf_target_options *options,
                          struct bf_catalog *catalog, void **ret_source, struct bf_error *err);

extern const struct bf_target_source_ops bf_server_source_ops;
int bf_server_source_open(const char *text, const struct bf_target_options *options,
                          struct bf_catalog *catalog, void **ret_source, struct bf_error *err);

#endif
