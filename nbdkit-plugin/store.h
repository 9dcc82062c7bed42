/** The images that are served, open and locked, and what is known of their bitmaps.
 *
 * Threads: after bf_store_open() every function may be called from several threads at once.
 */
#ifndef PLUGIN_STORE_H
#define PLUGIN_STORE_H

#include "carrier/reader.h"
#include "config.h"
#include "model/catalog.h"

#include <pthread.h>

struct bf_store {
    struct bf_catalog catalog;  /* what is served; summaries come when first asked for */
    struct bf_reader **readers; /* readers[i] reads catalog.disks[i] */
    size_t nr_readers;
    pthread_mutex_t lock; /* over the catalog's summaries and the two below */
    char *index;          /* the catalog as JSON, made when first asked for */
    size_t nr_index_bytes;
};

/** Which bitmap of which disk: indices into the catalog. */
struct bf_served {
    size_t disk;
    size_t bitmap;
};

/** Open every file of @config.  Errors: as bf_reader_open_path(); BITMAP_NOT_FOUND for a chosen
 *  bitmap that no image has; USAGE for no file at all.  Release @store after a failure too. */
int bf_store_open(struct bf_store *store, const struct bf_config *config, struct bf_error *err);
void bf_store_release(struct bf_store *store);

const struct bf_catalog_disk *bf_store_disk(const struct bf_store *store, struct bf_served which);
const struct bf_catalog_bitmap *bf_store_bitmap(const struct bf_store *store,
                                                struct bf_served which);

/** Sets ret_which->disk, and bitmap to 0.  Errors: NOT_FOUND, with what to do. */
int bf_store_find_disk(const struct bf_store *store, const char *disk, struct bf_served *ret_which,
                       struct bf_error *err);

/** Errors: BITMAP_NOT_FOUND, with what to do. */
int bf_store_find(const struct bf_store *store, const char *disk, const char *bitmap,
                  struct bf_served *ret_which, struct bf_error *err);

/** The bits, valid as long as the store.  Errors: BITMAP_INCONSISTENT with the reason,
 *  IMAGE_CHANGED. */
int bf_store_bits(const struct bf_store *store, struct bf_served which, struct bf_bits *ret_bits,
                  struct bf_error *err);

/** Errors: IMAGE_CHANGED if the image is no longer what was opened; it stays so. */
int bf_store_check_unchanged(const struct bf_store *store, struct bf_served which,
                             struct bf_error *err);

/** Count and digest, computed once.  Errors: as bf_store_bits(), IO. */
int bf_store_summary(struct bf_store *store, struct bf_served which, struct bf_summary *ret_summary,
                     struct bf_error *err);

/** The index of all that is served (catalog/json.h).  *ret_text is the store's.  Errors: as
 *  bf_store_summary(); LIMIT for an index that no client would take. */
int bf_store_index(struct bf_store *store, const char **ret_text, size_t *ret_nr_bytes,
                   struct bf_error *err);

#endif
