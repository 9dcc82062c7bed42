#include "change_plan.h"

#include "base/math.h"
#include "carrier/reader.h"
#include "staged_blob.h"

#include <string.h>

enum {
    PIECE_MAX_BYTES =
        4096, /* changes are judged in pieces of this, or of a cluster if that is less */
};

/* The image before or after, as far as it decides what a change is. */
struct state {
    struct bf_blob *blob;
    struct bf_refcounts *refcounts;
    uint64_t directory_offset_bytes;
    uint64_t directory_bytes;
};

struct planner {
    const struct bf_stage *stage;
    int overlay_fd;
    struct state before;
    struct state after;
    struct bf_change_plan *plan;
    uint8_t *new_bytes;
    uint8_t *old_bytes;
};

static int add_change(struct bf_change_plan *plan, enum bf_change_kind kind,
                      const struct bf_staged_extent *where, struct bf_error *err)
{
    struct bf_change *last = plan->nr_changes ? &plan->changes[plan->nr_changes - 1] : NULL;

    if (last && last->kind == kind && last->where.zero == where->zero &&
        last->where.image_offset_bytes + last->where.length_bytes == where->image_offset_bytes &&
        (where->zero || last->where.overlay_offset_bytes + last->where.length_bytes ==
                            where->overlay_offset_bytes) &&
        last->where.length_bytes + where->length_bytes <= BF_CHANGE_MAX_BYTES) {
        last->where.length_bytes += where->length_bytes;
        return 0;
    }
    if (plan->nr_changes == plan->nr_allocated) {
        size_t nr = plan->nr_allocated ? 2 * plan->nr_allocated : 64;
        struct bf_change *grown = reallocarray(plan->changes, nr, sizeof *grown);

        if (!grown)
            return bf_error_set(err, BF_E_NO_MEMORY, "no memory");
        plan->changes = grown;
        plan->nr_allocated = nr;
    }
    plan->changes[plan->nr_changes++] = (struct bf_change){.kind = kind, .where = *where};
    return 0;
}

static bool in_directory(const struct state *state, uint64_t offset_bytes)
{
    uint64_t cluster_bytes = state->refcounts->cluster_bytes;
    uint64_t end = state->directory_offset_bytes +
                   bf_div_round_up_u64(state->directory_bytes, cluster_bytes) * cluster_bytes;

    return offset_bytes >= state->directory_offset_bytes && offset_bytes < end;
}

/* A cluster that was in use.  What becomes of its bytes is of no interest if it is free afterwards:
 * the bitmaps' old directory, tables and data.  A directory that stays is switched with the header.
 */
static int classify_used(const struct planner *planner, uint64_t offset_bytes,
                         enum bf_change_kind *ret_kind, bool *ret_ignore, struct bf_error *err)
{
    uint64_t refcount;
    int r = bf_refcounts_get(planner->after.refcounts, offset_bytes, &refcount, err);

    if (r < 0)
        return r;
    *ret_ignore = refcount == 0;
    *ret_kind = BF_CHANGE_HEADER;
    if (refcount == 0 ||
        (planner->before.directory_offset_bytes == planner->after.directory_offset_bytes &&
         in_directory(&planner->before, offset_bytes)))
        return 0;
    return bf_error_set(
        err, BF_E_IMAGE_CORRUPT,
        "%s: QEMU would change a cluster that is in use (offset %#llx), so nothing was "
        "written; run `qemu-img check` on the image",
        planner->before.blob->name, (unsigned long long)offset_bytes);
}

static int classify(const struct planner *planner, uint64_t offset_bytes,
                    enum bf_change_kind *ret_kind, bool *ret_ignore, struct bf_error *err)
{
    struct bf_refcounts *before = planner->before.refcounts;
    uint64_t refcount;
    int r;

    *ret_ignore = false;
    if (offset_bytes < before->cluster_bytes) {
        *ret_kind = BF_CHANGE_HEADER;
        return 0;
    }
    if (bf_refcounts_in_table(before, offset_bytes)) {
        *ret_kind = BF_CHANGE_REFCOUNT_TABLE;
        return 0;
    }
    if (bf_refcounts_in_block(before, offset_bytes)) {
        *ret_kind = BF_CHANGE_REFCOUNTS;
        return 0;
    }
    r = bf_refcounts_get(before, offset_bytes, &refcount, err);
    if (r < 0)
        return r;
    *ret_kind = BF_CHANGE_FREE;
    return refcount == 0 ? 0 : classify_used(planner, offset_bytes, ret_kind, ret_ignore, err);
}

static struct bf_staged_extent part_of(const struct bf_staged_extent *extent, uint64_t skip_bytes,
                                       uint64_t nr_bytes)
{
    return (struct bf_staged_extent){
        .image_offset_bytes = extent->image_offset_bytes + skip_bytes,
        .length_bytes = nr_bytes,
        .overlay_offset_bytes = extent->zero ? 0 : extent->overlay_offset_bytes + skip_bytes,
        .zero = extent->zero,
    };
}

/* One chunk of an extent, at most BF_CHANGE_MAX_BYTES, piece by piece. */
static int plan_chunk(struct planner *planner, const struct bf_staged_extent *chunk,
                      struct bf_error *err)
{
    uint64_t piece_bytes = bf_min_u64(PIECE_MAX_BYTES, planner->before.refcounts->cluster_bytes);
    int r = bf_staged_read_new(planner->overlay_fd, chunk, 0, planner->new_bytes,
                               chunk->length_bytes, err);

    if (r == 0)
        r = bf_staged_read_old(planner->stage, chunk->image_offset_bytes, planner->old_bytes,
                               chunk->length_bytes, err);
    for (uint64_t at = 0; r == 0 && at < chunk->length_bytes; at += piece_bytes) {
        uint64_t nr_bytes = bf_min_u64(piece_bytes, chunk->length_bytes - at);
        struct bf_staged_extent piece = part_of(chunk, at, nr_bytes);
        uint64_t end_bytes = piece.image_offset_bytes + nr_bytes;
        enum bf_change_kind kind = BF_CHANGE_FREE;
        bool ignore;

        /* what QEMU wrote past the end belongs to the image, zeroes too */
        planner->plan->file_end_bytes = bf_max_u64(planner->plan->file_end_bytes, end_bytes);
        if (memcmp(planner->new_bytes + at, planner->old_bytes + at, nr_bytes) == 0)
            continue;
        r = classify(planner, piece.image_offset_bytes, &kind, &ignore, err);
        if (r == 0 && !ignore)
            r = add_change(planner->plan, kind, &piece, err);
    }
    return r;
}

static int plan_extent(struct planner *planner, const struct bf_staged_extent *extent,
                       struct bf_error *err)
{
    for (uint64_t at = 0; at < extent->length_bytes; at += BF_CHANGE_MAX_BYTES) {
        struct bf_staged_extent chunk =
            part_of(extent, at, bf_min_u64(BF_CHANGE_MAX_BYTES, extent->length_bytes - at));
        int r = plan_chunk(planner, &chunk, err);

        if (r < 0)
            return r;
    }
    return 0;
}

static int plan_all(struct planner *planner, const struct bf_staged_extent *extents,
                    size_t nr_extents, struct bf_error *err)
{
    BF_CLEANUP(bf_freep) uint8_t *new_bytes = malloc(BF_CHANGE_MAX_BYTES);
    BF_CLEANUP(bf_freep) uint8_t *old_bytes = malloc(BF_CHANGE_MAX_BYTES);
    int r = 0;

    if (!new_bytes || !old_bytes)
        return bf_error_set(err, BF_E_NO_MEMORY, "no memory");
    planner->new_bytes = new_bytes;
    planner->old_bytes = old_bytes;
    for (size_t i = 0; r == 0 && i < nr_extents; i++)
        r = plan_extent(planner, &extents[i], err);
    return r;
}

/* The image with the first @nr_extents staged. */
static int open_state(const struct planner *planner, const struct bf_staged_extent *extents,
                      size_t nr_extents, struct state *state, struct bf_error *err)
{
    BF_CLEANUP(bf_reader_freep) struct bf_reader *reader = NULL;
    struct bf_blob *for_reader;
    int r = bf_staged_blob_new(planner->stage, planner->overlay_fd, extents, nr_extents,
                               &for_reader, err);

    if (r == 0)
        r = bf_reader_open(for_reader, &reader, err);
    if (r < 0)
        return r;
    state->directory_offset_bytes = bf_reader_image(reader)->directory_offset_bytes;
    state->directory_bytes = bf_reader_image(reader)->directory_bytes;
    r = bf_staged_blob_new(planner->stage, planner->overlay_fd, extents, nr_extents, &state->blob,
                           err);
    return r < 0 ? r : bf_refcounts_new(state->blob, &state->refcounts, err);
}

static void close_state(struct state *state)
{
    if (state->refcounts)
        bf_refcounts_free(state->refcounts);
    if (state->blob)
        bf_blob_free(state->blob);
}

int bf_change_plan_new(const struct bf_stage *stage, int overlay_fd,
                       const struct bf_staged_extent *extents, size_t nr_extents,
                       struct bf_change_plan **ret_plan, struct bf_error *err)
{
    BF_CLEANUP(bf_change_plan_freep) struct bf_change_plan *plan = calloc(1, sizeof *plan);
    struct planner planner = {.stage = stage, .overlay_fd = overlay_fd, .plan = plan};
    int r;

    if (!plan)
        return bf_error_set(err, BF_E_NO_MEMORY, "no memory");
    r = open_state(&planner, extents, 0, &planner.before, err);
    if (r == 0)
        r = open_state(&planner, extents, nr_extents, &planner.after, err);
    if (r == 0)
        r = plan_all(&planner, extents, nr_extents, err);
    if (r == 0) {
        plan->cluster_bytes = planner.before.refcounts->cluster_bytes;
        plan->refcount_bits = planner.before.refcounts->refcount_bits;
        *ret_plan = bf_steal_ptr(&plan);
    }
    close_state(&planner.before);
    close_state(&planner.after);
    return r;
}

void bf_change_plan_free(struct bf_change_plan *plan)
{
    free(plan->changes);
    free(plan);
}
