/** What is known of the bitmaps of some disks, without their bits: the plain data that `inspect`
 *  prints, that the plugin's index export and the archive's manifest carry, and that a pull is
 *  planned from.  The encodings are in the catalog layer. */
#ifndef MODEL_CATALOG_H
#define MODEL_CATALOG_H

#include "base/cleanup.h"
#include "model/summary.h"

#include <stdbool.h>
#include <stddef.h>

/* The largest disk that a catalog's encodings take: rounded up to any granularity it still fits the
 * signed 64 bits that JSON and QEMU count bytes in. */
#define BF_CATALOG_DISK_MAX_BYTES (INT64_MAX - BF_GRANULARITY_MAX_BYTES)

struct bf_catalog_bitmap {
    char *name;                 /* owned; 1..BF_BITMAP_NAME_MAX bytes, not always UTF-8 */
    uint64_t granularity_bytes; /* the disk size is the disk's */
    bool recording;             /* qcow2 flag `auto`; QEMU: recording */
    bool persistent;
    bool consistent;  /* false: its bits must not be used */
    char *problem;    /* owned; why it is not consistent, or NULL */
    bool busy;        /* of a running QEMU: a job, an export or a migration uses it */
    bool has_summary; /* count and digest were computed (never when not consistent) */
    bool counted;     /* the summary's count is there, with a digest or (QEMU) without */
    struct bf_summary summary;
};

struct bf_catalog_disk {
    char *name; /* owned; 1..BF_DISK_NAME_MAX bytes of UTF-8 without '/' and control characters */
    uint64_t virtual_size_bytes;
    char *note; /* owned, or NULL; what a reader of the catalog should know about the image */
    struct bf_catalog_bitmap *bitmaps;
    size_t nr_bitmaps;
    void *by_name; /* private: finds bitmaps by name */
};

struct bf_catalog {
    struct bf_catalog_disk *disks;
    size_t nr_disks;
    void *by_name; /* private: finds disks by name */
};

/** Free all that is in it and leave it empty.  An empty catalog is all zeroes; only the functions
 *  below add to one, and names do not change. */
void bf_catalog_release(struct bf_catalog *catalog);

/** Append a disk; strings are copied.  Errors: EXISTS for a disk of that name, INVALID for a name
 *  out of shape, NO_MEMORY.  *ret_disk (may be NULL) is valid until the next append. */
int bf_catalog_add_disk(struct bf_catalog *catalog, const char *name, uint64_t virtual_size_bytes,
                        struct bf_catalog_disk **ret_disk, struct bf_error *err);

/** Append a copy of @bitmap.  Errors: EXISTS, INVALID (name, granularity, a summary of an
 *  inconsistent bitmap or with more dirty bits than there are), LIMIT (geometry), NO_MEMORY. */
int bf_catalog_add_bitmap(struct bf_catalog_disk *disk, const struct bf_catalog_bitmap *bitmap,
                          struct bf_error *err);

const struct bf_catalog_disk *bf_catalog_find_disk(const struct bf_catalog *catalog,
                                                   const char *name);
const struct bf_catalog_bitmap *bf_catalog_find_bitmap(const struct bf_catalog_disk *disk,
                                                       const char *name);

struct bf_geometry bf_catalog_geometry(const struct bf_catalog_disk *disk,
                                       const struct bf_catalog_bitmap *bitmap);

#endif
