#include "model/compare.h"

#include "base/math.h"
#include "model/transform.h"
#include "tracker.h"
#include "window.h"

#include <string.h>

/* One of the two bitmaps, at the granularity of the comparison. */
struct side {
    struct bf_bits bits;
    struct bf_regrain regrain;
    uint64_t packed_bytes;
    enum bf_run_kind kind;
    struct bf_window window;
};

struct work {
    struct side reference;
    struct side candidate;
    uint64_t
        half_covered_bit; /* block in which the candidate's disk ends, but not the reference's */
    struct bf_tracker tracker;
    int (*missing)(void *ctx, const struct bf_extent *extent);
    void *ctx;
    struct bf_comparison result;
};

static int add_missing(void *ctx, const struct bf_extent *extent)
{
    struct work *work = ctx;

    if (work->result.missing_bytes == 0)
        work->result.first_missing = *extent;
    work->result.missing_bytes += extent->length_bytes;
    if (work->missing && work->missing(work->ctx, extent) != 0)
        work->missing = NULL;
    return 0;
}

static int side_init(struct side *side, const struct bf_bits *bits, uint64_t granularity_bytes,
                     struct bf_error *err)
{
    int r = bf_regrain_init(&side->regrain, bits, granularity_bytes, &side->bits, err);

    if (r < 0)
        return r;
    side->packed_bytes = bf_geometry_packed_bytes(&side->bits.geometry);
    return 0;
}

/* The kind of the stretch at @offset_bytes; behind the end of the disk all is clean. */
static int side_run(struct side *side, uint64_t offset_bytes, uint64_t *nr_bytes,
                    struct bf_error *err)
{
    uint64_t max_bytes = *nr_bytes;

    side->kind = BF_RUN_CLEAN;
    if (offset_bytes >= side->packed_bytes)
        return 0;
    max_bytes = bf_min_u64(max_bytes, side->packed_bytes - offset_bytes);
    return bf_window_run(&side->bits, offset_bytes, max_bytes, &side->kind, nr_bytes, err);
}

/* Count the blocks that only the candidate has; the last one ends with its disk.  Where the last
 * bit is in another window, its number here is far behind this one, wrapped around or not. */
static void add_extra(struct work *work, uint64_t offset_bytes, uint64_t nr_words)
{
    const struct bf_geometry *geometry = &work->candidate.bits.geometry;
    const uint64_t *reference = work->reference.window.words;
    const uint64_t *candidate = work->candidate.window.words;
    uint64_t last_bit = bf_geometry_nr_bits(geometry) - 1 - offset_bytes * 8;
    uint64_t nr_bits = 0;

    for (uint64_t i = 0; i < nr_words; i++)
        nr_bits += (unsigned)__builtin_popcountll(candidate[i] & ~reference[i]);
    work->result.extra_bytes += nr_bits * geometry->granularity_bytes;
    if (last_bit / 64 < nr_words &&
        ((candidate[last_bit / 64] & ~reference[last_bit / 64]) >> (last_bit % 64) & 1) != 0)
        work->result.extra_bytes -=
            bf_geometry_nr_bits(geometry) * geometry->granularity_bytes - geometry->disk_size_bytes;
}

static void track_missing(struct work *work, uint64_t offset_bytes, uint64_t nr_words)
{
    const uint64_t *reference = work->reference.window.words;
    const uint64_t *candidate = work->candidate.window.words;

    for (uint64_t i = 0; i < nr_words; i++)
        (void)bf_tracker_word(&work->tracker, offset_bytes * 8 + i * 64,
                              reference[i] & ~candidate[i]);
}

static void compare_windows(struct work *work, uint64_t offset_bytes, uint64_t nr_words)
{
    uint64_t *candidate = work->candidate.window.words;
    uint64_t half_covered_bit = work->half_covered_bit - offset_bytes * 8;
    bool has_half_covered = half_covered_bit / 64 < nr_words; /* not if that wrapped around */

    if (!has_half_covered &&
        memcmp(work->reference.window.words, candidate, nr_words * sizeof *candidate) == 0) {
        (void)bf_tracker_clean(&work->tracker, offset_bytes * 8);
        return;
    }
    add_extra(work, offset_bytes, nr_words);
    if (has_half_covered)
        candidate[half_covered_bit / 64] &= ~(UINT64_C(1) << (half_covered_bit % 64));
    track_missing(work, offset_bytes, nr_words);
}

/* Compare from @offset_bytes on, as far as it goes in one step. */
static int compare_stretch(struct work *work, uint64_t offset_bytes, uint64_t *nr_bytes,
                           struct bf_error *err)
{
    struct side *reference = &work->reference;
    struct side *candidate = &work->candidate;
    int r = side_run(reference, offset_bytes, nr_bytes, err);

    if (r >= 0)
        r = side_run(candidate, offset_bytes, nr_bytes, err);
    if (r < 0)
        return r;
    if (reference->kind == BF_RUN_CLEAN && candidate->kind == BF_RUN_CLEAN)
        return bf_tracker_clean(&work->tracker, offset_bytes * 8);
    *nr_bytes = bf_min_u64(*nr_bytes, BF_WINDOW_BYTES);
    r = bf_window_load(&reference->window, &reference->bits, reference->kind, offset_bytes,
                       *nr_bytes, err);
    if (r >= 0)
        r = bf_window_load(&candidate->window, &candidate->bits, candidate->kind, offset_bytes,
                           *nr_bytes, err);
    if (r < 0)
        return r;
    compare_windows(work, offset_bytes, *nr_bytes / 8);
    return 0;
}

static enum bf_relation relation_of(const struct bf_comparison *comparison)
{
    if (comparison->missing_bytes > 0)
        return BF_RELATION_MISSING;
    return comparison->extra_bytes > 0 ? BF_RELATION_SUPERSET : BF_RELATION_EQUAL;
}

static int work_init(struct work *work, const struct bf_bits *reference,
                     const struct bf_bits *candidate, struct bf_error *err)
{
    uint64_t granularity_bytes =
        bf_min_u64(reference->geometry.granularity_bytes, candidate->geometry.granularity_bytes);
    uint64_t candidate_size_bytes = candidate->geometry.disk_size_bytes;
    int r = side_init(&work->reference, reference, granularity_bytes, err);

    if (r >= 0)
        r = side_init(&work->candidate, candidate, granularity_bytes, err);
    if (r < 0)
        return r;
    work->half_covered_bit = UINT64_MAX;
    if (candidate_size_bytes < reference->geometry.disk_size_bytes &&
        candidate_size_bytes % granularity_bytes != 0)
        work->half_covered_bit = candidate_size_bytes / granularity_bytes;
    work->tracker.geometry = work->reference.bits.geometry;
    work->tracker.function = add_missing;
    work->tracker.ctx = work;
    return 0;
}

int bf_bits_compare(const struct bf_bits *reference, const struct bf_bits *candidate,
                    int (*missing)(void *ctx, const struct bf_extent *extent), void *ctx,
                    struct bf_comparison *ret_comparison, struct bf_error *err)
{
    struct work work;
    uint64_t total_bytes;
    uint64_t nr_bytes;
    int r;

    work.missing = missing;
    work.ctx = ctx;
    work.tracker.open = false;
    work.result = (struct bf_comparison){.relation = BF_RELATION_EQUAL};
    r = work_init(&work, reference, candidate, err);
    if (r < 0)
        return r;
    total_bytes = bf_max_u64(work.reference.packed_bytes, work.candidate.packed_bytes);
    for (uint64_t offset = 0; offset < total_bytes; offset += nr_bytes) {
        nr_bytes = total_bytes - offset;
        r = compare_stretch(&work, offset, &nr_bytes, err);
        if (r < 0)
            return r;
    }
    (void)bf_tracker_finish(&work.tracker);
    work.result.relation = relation_of(&work.result);
    *ret_comparison = work.result;
    return 0;
}

const char *bf_relation_name(enum bf_relation relation)
{
    static const char *const names[] = {
        [BF_RELATION_EQUAL] = "equal",
        [BF_RELATION_SUPERSET] = "superset",
        [BF_RELATION_MISSING] = "missing",
    };

    return names[relation];
}
