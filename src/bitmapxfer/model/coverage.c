#include "model/coverage.h"

#include "base/math.h"

#include <string.h>

/* The images that a bitmap of one name is on. */
struct run {
    size_t top;
    size_t bottom;
};

static const struct bf_catalog_bitmap *at(const struct bf_coverage_disk *disk, size_t layer,
                                          const char *bitmap)
{
    return bf_catalog_find_bitmap(&disk->layers[layer], bitmap);
}

/* The first fact that speaks against it stays, but a bitmap that is only busy gives way. */
static void refuse(struct bf_coverage *coverage, enum bf_coverage_reason reason, size_t checkpoint,
                   const char *bitmap, size_t layer)
{
    if (coverage->reason != BF_COVERAGE_NONE &&
        (coverage->reason != BF_COVERAGE_BITMAP_BUSY || reason == BF_COVERAGE_BITMAP_BUSY))
        return;
    coverage->reason = reason;
    coverage->checkpoint = checkpoint;
    coverage->bitmap = bitmap;
    coverage->layer = layer;
}

static bool find_run(const struct bf_coverage_disk *disk, size_t checkpoint, const char *bitmap,
                     struct bf_coverage *coverage, struct run *ret_run)
{
    size_t layer = 0;

    while (layer < disk->nr_layers && !at(disk, layer, bitmap))
        layer++;
    if (layer == disk->nr_layers) {
        refuse(coverage, BF_COVERAGE_BITMAP_MISSING, checkpoint, bitmap, 0);
        return false;
    }
    ret_run->top = layer;
    while (layer + 1 < disk->nr_layers && at(disk, layer + 1, bitmap))
        layer++;
    ret_run->bottom = layer;
    for (layer += 2; layer < disk->nr_layers; layer++) {
        if (at(disk, layer, bitmap)) {
            refuse(coverage, BF_COVERAGE_LAYER_GAP, checkpoint, bitmap, ret_run->bottom + 1);
            return false;
        }
    }
    return true;
}

static void add_parts(const struct bf_coverage_disk *disk, size_t checkpoint, const char *bitmap,
                      const struct run *run, struct bf_coverage *coverage)
{
    for (size_t layer = run->top; layer <= run->bottom; layer++) {
        const struct bf_catalog_bitmap *found = at(disk, layer, bitmap);

        coverage->parts[coverage->nr_parts++] =
            (struct bf_coverage_part){.checkpoint = checkpoint, .layer = layer, .bitmap = found};
        if (!found->consistent)
            refuse(coverage, BF_COVERAGE_BITMAP_INCONSISTENT, checkpoint, bitmap, layer);
        else if (found->busy)
            refuse(coverage, BF_COVERAGE_BITMAP_BUSY, checkpoint, bitmap, layer);
    }
}

/* libvirt wants every one of them as it made it. */
static void judge_nested(const struct bf_checkpoints *checkpoints, size_t checkpoint,
                         const struct bf_coverage_disk *disk, struct bf_coverage *coverage)
{
    const char *bitmap = bf_checkpoint_bitmap(&checkpoints->items[checkpoint], disk->name);
    struct run run;

    if (!bitmap) {
        refuse(coverage, BF_COVERAGE_DISK_NOT_IN_CHECKPOINT, checkpoint, NULL, 0);
        return;
    }
    if (!find_run(disk, checkpoint, bitmap, coverage, &run))
        return;
    if (run.top > 0)
        refuse(coverage, BF_COVERAGE_LAYER_GAP, checkpoint, bitmap, 0);
    add_parts(disk, checkpoint, bitmap, &run, coverage);
    for (size_t layer = run.top; layer <= run.bottom; layer++) {
        const struct bf_catalog_bitmap *found = at(disk, layer, bitmap);

        if (!found->recording)
            refuse(coverage, BF_COVERAGE_BITMAP_FROZEN, checkpoint, bitmap, layer);
        else if (!found->persistent)
            refuse(coverage, BF_COVERAGE_BITMAP_TRANSIENT, checkpoint, bitmap, layer);
    }
}

/* The newest must record what is written now.  If there are newer ones that do not follow it, one
 * in between is gone. */
static void judge_last(const struct bf_checkpoints *checkpoints, size_t checkpoint,
                       const struct bf_coverage_disk *disk, const struct run *run,
                       struct bf_coverage *coverage)
{
    const char *bitmap = bf_checkpoint_bitmap(&checkpoints->items[checkpoint], disk->name);

    if (checkpoint + 1 != checkpoints->nr_items)
        refuse(coverage, BF_COVERAGE_CHECKPOINT_GONE, checkpoint, bitmap, 0);
    else if (run->top > 0)
        refuse(coverage, BF_COVERAGE_LAYER_GAP, checkpoint, bitmap, 0);
    else if (!at(disk, 0, bitmap)->recording)
        refuse(coverage, BF_COVERAGE_BITMAP_FROZEN, checkpoint, bitmap, 0);
}

/* From @checkpoint to the newest, each taking over where the one before was frozen. */
static void judge_links(const struct bf_checkpoints *checkpoints, size_t checkpoint,
                        const struct bf_coverage_disk *disk, struct bf_coverage *coverage)
{
    struct run before = {0, 0};

    for (size_t i = checkpoint; i != BF_NO_CHECKPOINT; i = checkpoints->items[i].next_index) {
        const struct bf_checkpoint *item = &checkpoints->items[i];
        const char *bitmap = bf_checkpoint_bitmap(item, disk->name);
        struct run run;

        if (!bitmap) {
            refuse(coverage, BF_COVERAGE_DISK_NOT_IN_CHECKPOINT, i, NULL, 0);
            return;
        }
        if (!find_run(disk, i, bitmap, coverage, &run))
            return;
        if (i != checkpoint && before.top > run.bottom)
            refuse(coverage, BF_COVERAGE_LAYER_GAP, i, bitmap, run.bottom + 1);
        add_parts(disk, i, bitmap, &run, coverage);
        before = run;
        if (item->next_index == BF_NO_CHECKPOINT)
            judge_last(checkpoints, i, disk, &run, coverage);
    }
}

/* Where it is full, what is left of the union is of no use. */
static void keep_what_is_needed(struct bf_coverage *coverage)
{
    bool covered =
        coverage->reason == BF_COVERAGE_NONE || coverage->reason == BF_COVERAGE_BITMAP_BUSY;
    struct bf_coverage_part *parts;

    if (!covered)
        coverage->nr_parts = 0;
    parts = reallocarray(coverage->parts, coverage->nr_parts + 1, sizeof *parts);
    if (parts)
        coverage->parts = parts;
}

int bf_coverage_since(const struct bf_checkpoints *checkpoints, size_t checkpoint,
                      const struct bf_coverage_disk *disk, struct bf_coverage *ret_coverage,
                      struct bf_error *err)
{
    struct bf_coverage coverage = {.checkpoint = BF_NO_CHECKPOINT};

    coverage.parts = calloc(checkpoints->nr_items * disk->nr_layers + 1, sizeof *coverage.parts);
    if (!coverage.parts)
        return bf_error_set(err, BF_E_NO_MEMORY, "no memory for what covers a checkpoint");
    if (disk->unusable != BF_COVERAGE_NONE)
        refuse(&coverage, disk->unusable, BF_NO_CHECKPOINT, NULL, 0);
    else if (checkpoints->style == BF_CHAIN_LINKS)
        judge_links(checkpoints, checkpoint, disk, &coverage);
    else
        judge_nested(checkpoints, checkpoint, disk, &coverage);
    keep_what_is_needed(&coverage);
    *ret_coverage = coverage;
    return 0;
}

void bf_coverage_release(struct bf_coverage *coverage)
{
    free(coverage->parts);
    *coverage = (struct bf_coverage){.checkpoint = BF_NO_CHECKPOINT};
}

bool bf_coverage_dirty_bytes(const struct bf_coverage *coverage,
                             const struct bf_coverage_disk *disk, uint64_t *ret_max_bytes)
{
    uint64_t sum_bytes = 0;

    for (size_t i = 0; i < coverage->nr_parts; i++) {
        const struct bf_coverage_part *part = &coverage->parts[i];
        struct bf_geometry geometry = bf_catalog_geometry(&disk->layers[part->layer], part->bitmap);

        if (!part->bitmap->has_summary && !part->bitmap->counted)
            return false;
        sum_bytes += bf_min_u64(bf_summary_dirty_bytes(&part->bitmap->summary, &geometry),
                                disk->layers[part->layer].virtual_size_bytes);
    }
    if (disk->nr_layers > 0)
        sum_bytes = bf_min_u64(sum_bytes, disk->layers[0].virtual_size_bytes);
    *ret_max_bytes = sum_bytes;
    return true;
}

const char *bf_coverage_reason_name(enum bf_coverage_reason reason)
{
    static const char *const names[] = {
#define BF_NAME(name, sentence) #name,
        BF_COVERAGE_REASONS(BF_NAME)
#undef BF_NAME
    };

    return names[reason];
}

const char *bf_coverage_reason_text(enum bf_coverage_reason reason)
{
    static const char *const texts[] = {
#define BF_TEXT(name, sentence) (sentence),
        BF_COVERAGE_REASONS(BF_TEXT)
#undef BF_TEXT
    };

    return texts[reason];
}
