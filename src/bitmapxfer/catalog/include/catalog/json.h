/** The catalog as JSON: what `inspect --json` prints and the plugin's index export (the default
 *  export, "") holds.
 *
 *     {"schema": 1,
 *      "disks": [{"name", "virtual_size_bytes", "note"?,
 *                 "bitmaps": [{"name", "name_hex"?, "granularity_bytes", "dirty_bytes", "sha256",
 *                              "recording", "persistent", "consistent", "problem"?}]}]}
 *
 * dirty_bytes and sha256 equal QEMU's `count` and x-debug-block-dirty-bitmap-sha256; they are
 * absent where has_summary is false.  A name that is not UTF-8 is given as "name_hex", with a lossy
 * "name". Unknown keys are ignored when read, so that later versions may add some.
 */
#ifndef CATALOG_JSON_H
#define CATALOG_JSON_H

#include "model/catalog.h"

#include <jansson.h>

enum {
    BF_CATALOG_SCHEMA = 1,
    BF_CATALOG_JSON_MAX_BYTES = 16 << 20, /* some 30,000 bitmaps; what a peer may send */
    BF_CATALOG_DISKS_MAX = 4096,          /* what a peer may list; a VM has some dozens */
    BF_CATALOG_BITMAPS_MAX = 65535,       /* of one disk; qcow2 allows no more */
};

/** NULL on NO_MEMORY, and on LIMIT for a size that JSON integers (int64) do not hold. */
json_t *bf_catalog_to_json(const struct bf_catalog *catalog, struct bf_error *err);

/** The text of bf_catalog_to_json(), indented, with a newline at the end: what both programs show.
 *  *ret_text is the caller's to free(); *ret_nr_bytes does not count its NUL. */
int bf_catalog_format(const struct bf_catalog *catalog, char **ret_text, size_t *ret_nr_bytes,
                      struct bf_error *err);

/** Untrusted input.  Errors: PROTOCOL (what and where), VERSION for a schema above ours, LIMIT.
 *  @ret_catalog must be zeroed or released; unchanged on error. */
int bf_catalog_from_json(const json_t *json, struct bf_catalog *ret_catalog, struct bf_error *err);
int bf_catalog_parse(const char *text, size_t nr_bytes, struct bf_catalog *ret_catalog,
                     struct bf_error *err);

#endif
