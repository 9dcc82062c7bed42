/** The manifest of an archive or a move: a catalog, the files that carry its bits, and where it all
 *  came from.  Stored as protobuf (proto/manifest.proto) with a JSON rendering beside it for people.
 */
#ifndef CATALOG_MANIFEST_H
#define CATALOG_MANIFEST_H

#include "model/catalog.h"

#include <jansson.h>

struct bf_manifest_file {
    char *name; /* relative to the manifest's folder; no '/' */
    char *disk; /* the catalog disk whose bitmaps it carries */
    uint64_t size_bytes;
    uint8_t sha256[BF_SHA256_BYTES]; /* of the whole file */
};

struct bf_manifest {
    struct bf_catalog catalog;
    struct bf_manifest_file *files;
    size_t nr_files;
    int64_t created_unix_s;
    char *creator; /* "bitferry 0.1.0" */
    char *host;
};

enum {
    BF_MANIFEST_VERSION = 1,
    BF_MANIFEST_MAX_BYTES = 64 << 20,
};

void bf_manifest_release(struct bf_manifest *manifest);

/** Errors: INVALID, NO_MEMORY. */
int bf_manifest_add_file(struct bf_manifest *manifest, const char *name, const char *disk,
                         uint64_t size_bytes, const uint8_t sha256[BF_SHA256_BYTES],
                         struct bf_error *err);

/** *ret_bytes is the caller's to free(). */
int bf_manifest_pack(const struct bf_manifest *manifest, uint8_t **ret_bytes, size_t *ret_nr_bytes,
                     struct bf_error *err);

/** Untrusted input.  Errors: PROTOCOL (what is wrong), VERSION if a newer bitferry wrote it. */
int bf_manifest_unpack(const uint8_t *bytes, size_t nr_bytes, struct bf_manifest *ret_manifest,
                       struct bf_error *err);

json_t *bf_manifest_to_json(const struct bf_manifest *manifest, struct bf_error *err);

#endif
