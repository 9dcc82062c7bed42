/** State, count and digest of bitmaps: the proof that what is in QEMU is what should be there. */
#ifndef LIVE_MEASURE_H
#define LIVE_MEASURE_H

#include "live/survey.h"
#include "model/summary.h"

struct bf_live_place {
    const char *node;
    const char *name;
};

struct bf_live_measure {
    bool found;
    bool digested;   /* @summary holds; never for an inconsistent one */
    bool no_digests; /* this QEMU gives none (an x- command may go): only the count holds */
    bool recording;
    bool persistent;
    bool busy;
    bool inconsistent;
    bool
        locked; /* stored in an image that QEMU may not write to: it cannot be changed or removed */
    uint64_t granularity_bytes;
    uint64_t disk_size_bytes;
    struct bf_summary summary;
};

/** @measures: one per place, borrowed for the call; NULL exactly if @err is not. */
typedef void (*bf_live_measure_fn)(void *ctx, const struct bf_live_measure *measures,
                                   uint32_t nr_measures, const struct bf_error *err);

/** Of which bitmaps a digest is wanted.  One of 16.7 M bits holds QEMU's main loop for 2 ms
 * (measured on QEMU 7.2), and says little of a bitmap that records. */
enum bf_live_digests { BF_LIVE_COUNTS, BF_LIVE_DIGESTS_OF_FROZEN, BF_LIVE_DIGESTS };

/** query-named-block-nodes, then x-debug-block-dirty-bitmap-sha256 for each of @digests that is
 * there and consistent.  Count and digest belong together for a bitmap that does not record.
 *  Errors: as of bf_live_survey(). */
int bf_live_measure(struct bf_live *live, const struct bf_live_place *places, uint32_t nr_places,
                    enum bf_live_digests digests, uint64_t deadline_ms, bf_live_measure_fn done,
                    void *ctx, struct bf_error *err);

/** Is it @wanted, in count and digest?  Where QEMU gives no digests the count must do: it says
 *  enough of a bitmap that QEMU has merged from one that was checked, and that does not record. */
bool bf_live_measure_is(const struct bf_live_measure *measure, const struct bf_summary *wanted);

#endif
