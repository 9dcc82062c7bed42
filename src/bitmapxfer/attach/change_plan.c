#include "change_plan.h"

#include "base/math.h"
#include "carrier/reader.h"

#include <errno.h>
#include <string.h>

enum {
    PIECE_MAX_BYTES = 4096, /* changes are judged in pieces of this, or of a cluster if that is less */
};

/* What the old image is made of, as far as it decides what a change may be. */
struct old_image {
    struct bf_refcounts *refcounts;
    uint64_t directory_offset_bytes;
    uint64_t directory_bytes;
    const char *name;
};

struct planner {
    const struct bf_stage *stage;
    int overlay_fd;
    struct old_image old;
    struct bf_change_plan *plan;
    uint8_t *new_bytes;
    uint8_t *old_bytes;
};

static int read_all(int fd, uint64_t offset_bytes, uint8_t *buf, uint64_t nr_bytes, bool zero_past_end,
                    const char *path, struct bf_error *err)
{
    while (nr_bytes > 0) {
        ssize_t got = pread(fd, buf, nr_bytes, (off_t)offset_bytes);

        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return bf_error_set_errno(err, errno, "cannot read %s", path);
        if (got == 0 && !zero_past_end)
            return bf_error_set(err, BF_E_IO, "%s ends too early", path);
        if (got == 0) {
            memset(buf, 0, nr_bytes);
            return 0;
        }
        buf += got;
        offset_bytes += (uint64_t)got;
        nr_bytes -= (uint64_t)got;
    }
    return 0;
}

int bf_change_read_new(int overlay_fd, const struct bf_staged_extent *extent, uint8_t *buf,
                       struct bf_error *err)
{
    if (extent->zero) {
        memset(buf, 0, extent->length_bytes);
        return 0;
    }
    return read_all(overlay_fd, extent->overlay_offset_bytes, buf, extent->length_bytes, true,
                    "the staged image", err);
}

int bf_change_read_old(const struct bf_stage *stage, uint64_t offset_bytes, uint64_t nr_bytes,
                       uint8_t *buf, struct bf_error *err)
{
    return read_all(stage->image_fd, offset_bytes, buf, nr_bytes, true, stage->folder->image_path,
                    err);
}

static int add_change(struct bf_change_plan *plan, enum bf_change_kind kind,
                      const struct bf_staged_extent *where, struct bf_error *err)
{
    struct bf_change *last = plan->nr_changes ? &plan->changes[plan->nr_changes - 1] : NULL;

    if (last && last->kind == kind && last->where.zero == where->zero &&
        last->where.image_offset_bytes + last->where.length_bytes == where->image_offset_bytes &&
        (where->zero ||
         last->where.overlay_offset_bytes + last->where.length_bytes ==
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

static bool in_old_directory(const struct old_image *old, uint64_t offset_bytes)
{
    uint64_t cluster_bytes = old->refcounts->cluster_bytes;
    uint64_t end = old->directory_offset_bytes +
                   bf_div_round_up_u64(old->directory_bytes, cluster_bytes) * cluster_bytes;

    return offset_bytes >= old->directory_offset_bytes && offset_bytes < end;
}

/* *ret_ignore: a change of what only the old state needs.  QEMU marks the bitmaps of the old directory
 * "in use" when it opens the image, and writes a new directory elsewhere when it closes it. */
static int classify(const struct old_image *old, uint64_t offset_bytes, enum bf_change_kind *ret_kind,
                    bool *ret_ignore, struct bf_error *err)
{
    uint64_t refcount;
    int r;

    *ret_ignore = false;
    if (offset_bytes < old->refcounts->cluster_bytes)
        *ret_kind = BF_CHANGE_HEADER;
    else if (bf_refcounts_in_table(old->refcounts, offset_bytes))
        *ret_kind = BF_CHANGE_REFCOUNT_TABLE;
    else if (bf_refcounts_in_block(old->refcounts, offset_bytes))
        *ret_kind = BF_CHANGE_REFCOUNTS;
    else if (in_old_directory(old, offset_bytes))
        *ret_ignore = true;
    else {
        r = bf_refcounts_get(old->refcounts, offset_bytes, &refcount, err);
        if (r < 0)
            return r;
        if (refcount != 0)
            return bf_error_set(err, BF_E_IMAGE_CORRUPT,
                                "%s: QEMU would change a cluster that is in use (offset %#llx), so "
                                "nothing was written; run `qemu-img check` on the image",
                                old->name, (unsigned long long)offset_bytes);
        *ret_kind = BF_CHANGE_FREE;
    }
    return 0;
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
    uint64_t piece_bytes = bf_min_u64(PIECE_MAX_BYTES, planner->old.refcounts->cluster_bytes);
    int r = bf_change_read_new(planner->overlay_fd, chunk, planner->new_bytes, err);

    if (r == 0)
        r = bf_change_read_old(planner->stage, chunk->image_offset_bytes, chunk->length_bytes,
                               planner->old_bytes, err);
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
        r = classify(&planner->old, piece.image_offset_bytes, &kind, &ignore, err);
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

int bf_change_plan_new(const struct bf_stage *stage, int overlay_fd,
                       const struct bf_staged_extent *extents, size_t nr_extents,
                       struct bf_change_plan **ret_plan, struct bf_error *err)
{
    const char *path = stage->folder->image_path;
    BF_CLEANUP(bf_change_plan_freep) struct bf_change_plan *plan = calloc(1, sizeof *plan);
    BF_CLEANUP(bf_reader_freep) struct bf_reader *reader = NULL;
    BF_CLEANUP(bf_blob_freep) struct bf_blob *blob = NULL;
    BF_CLEANUP(bf_refcounts_freep) struct bf_refcounts *refcounts = NULL;
    struct planner planner = {.stage = stage, .overlay_fd = overlay_fd, .plan = plan};
    int r;

    if (!plan)
        return bf_error_set(err, BF_E_NO_MEMORY, "no memory");
    /* shared: the lock that keeps others away is our own */
    r = bf_reader_open_path(path, BF_BLOB_FORCE_SHARE, &reader, err);
    if (r == 0)
        r = bf_blob_open_file(path, BF_BLOB_FORCE_SHARE, &blob, err);
    if (r == 0)
        r = bf_refcounts_new(blob, &refcounts, err);
    if (r < 0)
        return r;
    plan->refcount_bits = refcounts->refcount_bits;
    planner.old = (struct old_image){
        .refcounts = refcounts,
        .directory_offset_bytes = bf_reader_image(reader)->directory_offset_bytes,
        .directory_bytes = bf_reader_image(reader)->directory_bytes,
        .name = path,
    };
    r = plan_all(&planner, extents, nr_extents, err);
    plan->file_end_bytes =
        bf_div_round_up_u64(plan->file_end_bytes, refcounts->cluster_bytes) * refcounts->cluster_bytes;
    if (r == 0)
        *ret_plan = bf_steal_ptr(&plan);
    return r;
}

void bf_change_plan_free(struct bf_change_plan *plan)
{
    free(plan->changes);
    free(plan);
}
