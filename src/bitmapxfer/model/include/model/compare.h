/** Does one bitmap cover another? */
#ifndef MODEL_COMPARE_H
#define MODEL_COMPARE_H

#include "model/bits.h"
#include "model/extents.h"

enum bf_relation {
    BF_RELATION_EQUAL,    /* the same blocks of the disk are dirty in both */
    BF_RELATION_SUPERSET, /* the candidate covers the reference and more */
    BF_RELATION_MISSING,  /* a block is dirty in the reference and clean in the candidate */
};

struct bf_comparison {
    enum bf_relation relation;
    uint64_t missing_bytes;         /* dirty in the reference, clean in the candidate */
    uint64_t extra_bytes;           /* dirty in the candidate, clean in the reference */
    struct bf_extent first_missing; /* set when the relation is MISSING */
};

/** What of @reference (what must be covered) does @candidate (what is there) cover?
 *
 *  Granularities may differ: blocks are compared at the finer of the two.  Disks of different size
 *  are compared up to the larger: past its own end a reference needs nothing and a candidate covers
 *  nothing, so a granule that reaches past the end of its own disk is cut there.  The one block in
 *  which the candidate's disk ends while the reference's goes on is covered in part only: it counts
 *  as clean in the candidate, so all of it is missing if it is dirty in the reference.  Missing
 *  bytes end with the reference's disk, extra bytes with the candidate's.
 *
 *  @missing, if not NULL, is called for every missing extent, in order, merged; its non-zero return
 *  ends the calls but not the comparison.
 *  Errors: LIMIT if a disk at the finer granularity is beyond bf_geometry_check(); those of the
 *  sources. */
int bf_bits_compare(const struct bf_bits *reference, const struct bf_bits *candidate,
                    int (*missing)(void *ctx, const struct bf_extent *extent), void *ctx,
                    struct bf_comparison *ret_comparison, struct bf_error *err);

const char *bf_relation_name(enum bf_relation relation); /* "equal", "superset", "missing" */

#endif
