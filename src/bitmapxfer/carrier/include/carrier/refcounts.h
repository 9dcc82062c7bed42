/** Which clusters of a qcow2 image are in use, as its refcounts have it.
 *
 * Source: docs/interop/qcow2.txt, "Host cluster management".
 */
#ifndef CARRIER_REFCOUNTS_H
#define CARRIER_REFCOUNTS_H

#include "base/cleanup.h"
#include "carrier/blob.h"

#include <stdbool.h>
#include <stddef.h>

struct bf_refcounts {
    struct bf_blob *blob; /* borrowed */
    uint64_t cluster_bytes;
    unsigned refcount_bits; /* 1 to 64 */
    uint64_t table_offset_bytes;
    uint64_t table_bytes;
    uint64_t *blocks; /* where the blocks are, in the table's order; 0: none */
    size_t nr_blocks;
    uint64_t *sorted_blocks; /* the same, ascending */
    uint8_t *cached_block;   /* the block that was looked at last */
    size_t cached_index;
};

/** Read the refcount table; @blob must outlive the result.  Errors: IMAGE_CORRUPT, IO, NO_MEMORY.
 */
int bf_refcounts_new(struct bf_blob *blob, struct bf_refcounts **ret_refcounts,
                     struct bf_error *err);
void bf_refcounts_free(struct bf_refcounts *refcounts);
BF_DEFINE_CLEANUP(struct bf_refcounts *, bf_refcounts_free)

/** The refcount of the cluster at @offset_bytes; 0 past the end of what is counted. */
int bf_refcounts_get(struct bf_refcounts *refcounts, uint64_t offset_bytes, uint64_t *ret_refcount,
                     struct bf_error *err);

bool bf_refcounts_in_table(const struct bf_refcounts *refcounts, uint64_t offset_bytes);
bool bf_refcounts_in_block(const struct bf_refcounts *refcounts, uint64_t offset_bytes);

/** Entry by entry the larger of two stretches of a refcount block, of @nr_bytes (a multiple of 8).
 */
void bf_refcounts_max(unsigned refcount_bits, const uint8_t *a, const uint8_t *b, uint8_t *ret_max,
                      size_t nr_bytes);

#endif
