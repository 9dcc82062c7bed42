/** The manifest of an archive or a move: a catalog, the files that carry its bits, and where it all
 *  came from.  Stored as protobuf (proto/manifest.proto), with a JSON rendering for people.
 */
#ifndef CATALOG_MANIFEST_H
#define CATALOG_MANIFEST_H

#include "base/cleanup.h"
#include "model/catalog.h"
#include "model/checkpoints.h"

#include <jansson.h>

struct bf_manifest_file {
    char *name; /* relative to the manifest's folder; a disk name in shape, not "." or ".." */
    char *disk; /* the catalog disk whose bitmaps it carries; a disk has at most one such file */
    uint64_t size_bytes;
    uint8_t sha256[BF_SHA256_BYTES]; /* of the whole file */
};

struct bf_manifest {
    struct bf_catalog catalog;
    struct bf_manifest_file *files;
    size_t nr_files;
    int64_t created_unix_s;            /* 0..BF_MANIFEST_TIME_MAX_S */
    char *creator;                     /* "bitferry 0.1.0"; NULL: not known */
    char *host;                        /* NULL: not known */
    struct bf_checkpoints checkpoints; /* settled; none: nobody has told */
};

/* The end of year 9999: what ISO 8601 can say. */
#define BF_MANIFEST_TIME_MAX_S INT64_C(253402300799)

enum {
    BF_MANIFEST_VERSION = 1,
    BF_MANIFEST_MAX_BYTES = 16 << 20,        /* some 150,000 bitmaps */
    BF_MANIFEST_MAX_MEMORY_BYTES = 64 << 20, /* of unpacking: a flood of empty messages needs 60
                                                times its length */
    BF_MANIFEST_MAX_DISKS = 4096,            /* far above what QEMU can attach to one VM */
    BF_MANIFEST_MAX_BITMAPS = 65535,         /* of one disk: QEMU's own limit for an image */
};

/** Frees what @manifest holds and zeroes it. */
void bf_manifest_release(struct bf_manifest *manifest);

/** Errors: INVALID (name out of shape or there already; a disk that is not in the catalog, or has a
 *  file already), NO_MEMORY; @manifest unchanged. */
int bf_manifest_add_file(struct bf_manifest *manifest, const char *name, const char *disk,
                         uint64_t size_bytes, const uint8_t sha256[BF_SHA256_BYTES],
                         struct bf_error *err);

/** The file that carries the bitmaps of @disk, or NULL. */
const struct bf_manifest_file *bf_manifest_find_file(const struct bf_manifest *manifest,
                                                     const char *disk);

/** *ret_bytes is the caller's to free().  Errors: LIMIT above BF_MANIFEST_MAX_BYTES, NO_MEMORY. */
int bf_manifest_pack(const struct bf_manifest *manifest, uint8_t **ret_bytes, size_t *ret_nr_bytes,
                     struct bf_error *err);

/** Untrusted input.  @ret_manifest must be zeroed or released; unchanged on error.
 *  Errors: PROTOCOL (what is wrong and where), LIMIT, VERSION (of a newer bitferry),
 *  NO_MEMORY. */
int bf_manifest_unpack(const uint8_t *bytes, size_t nr_bytes, struct bf_manifest *ret_manifest,
                       struct bf_error *err);

/** The catalog's JSON and beside it "created" (ISO 8601, UTC), "creator"?, "host"? and
 *  "files": [{"name", "disk", "size_bytes", "sha256"}], "checkpoints"? (catalog/checkpoints.h).
 * NULL on NO_MEMORY. */
json_t *bf_manifest_to_json(const struct bf_manifest *manifest, struct bf_error *err);

#endif
