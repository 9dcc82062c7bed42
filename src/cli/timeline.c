#include "timeline.h"

#include "base/cleanup.h"
#include "base/text.h"

#include <stdio.h>
#include <string.h>

static void measure(const struct bf_subject_disk *disk, struct bf_timeline_bar *bar)
{
    bar->counted = true;
    for (size_t i = 0; i < disk->layers.nr_disks; i++) {
        const struct bf_catalog_disk *layer = &disk->layers.disks[i];
        const struct bf_catalog_bitmap *found = bf_catalog_find_bitmap(layer, bar->bitmap);
        struct bf_geometry geometry;

        if (!found)
            continue;
        geometry = bf_catalog_geometry(layer, found);
        bar->nr_images++;
        bar->recording |= i == 0 && found->recording;
        bar->counted &= found->counted;
        if (found->counted)
            bar->dirty_bytes += bf_summary_dirty_bytes(&found->summary, &geometry);
    }
    bar->counted &= bar->nr_images > 0;
}

/* What breaks a link later on is that one's, and shows there. */
static void judge(const struct bf_coverage *cell, size_t checkpoint, struct bf_timeline_bar *bar)
{
    bool its_own = cell->checkpoint == checkpoint || cell->checkpoint == BF_NO_CHECKPOINT;

    if (cell->reason == BF_COVERAGE_NONE || !its_own)
        return;
    bar->state = cell->reason == BF_COVERAGE_BITMAP_BUSY ? BF_BAR_BUSY : BF_BAR_BROKEN;
    bar->why = bf_coverage_reason_name(cell->reason);
}

static void make_disk(const struct bf_diagnosis *diagnosis, size_t index,
                      struct bf_timeline_disk *disk)
{
    const struct bf_checkpoints *checkpoints = &diagnosis->subject->checkpoints;

    for (size_t i = 0; i < checkpoints->nr_items; i++) {
        const struct bf_checkpoint *item = &checkpoints->items[i];
        struct bf_timeline_bar *bar = &disk->bars[disk->nr_bars];
        bool ends = checkpoints->style == BF_CHAIN_LINKS && item->next_index != BF_NO_CHECKPOINT;

        bar->bitmap = bf_checkpoint_bitmap(item, disk->disk->name);
        if (!bar->bitmap)
            continue;
        bar->from = i;
        bar->to = ends ? item->next_index : checkpoints->nr_items;
        measure(disk->disk, bar);
        judge(bf_diagnosis_cell(diagnosis, index, i), i, bar);
        disk->nr_bars++;
    }
}

int bf_timeline_make(const struct bf_diagnosis *diagnosis, struct bf_timeline *ret_timeline,
                     struct bf_error *err)
{
    const struct bf_subject *subject = diagnosis->subject;
    struct bf_timeline timeline = {.diagnosis = diagnosis};

    timeline.disks = calloc(subject->nr_disks + 1, sizeof *timeline.disks);
    for (size_t i = 0; timeline.disks && i < subject->nr_disks; i++) {
        const struct bf_subject_disk *from = &subject->disks[i];
        struct bf_timeline_disk *disk = &timeline.disks[timeline.nr_disks++];

        disk->disk = from;
        disk->size_bytes = from->layers.nr_disks > 0 ? from->layers.disks[0].virtual_size_bytes : 0;
        disk->bars = calloc(subject->checkpoints.nr_items + 1, sizeof *disk->bars);
        if (!disk->bars) {
            bf_timeline_release(&timeline);
            return bf_error_set(err, BF_E_NO_MEMORY, "out of memory");
        }
        make_disk(diagnosis, i, disk);
    }
    if (!timeline.disks)
        return bf_error_set(err, BF_E_NO_MEMORY, "out of memory");
    *ret_timeline = timeline;
    return 0;
}

void bf_timeline_release(struct bf_timeline *timeline)
{
    for (size_t i = 0; i < timeline->nr_disks; i++)
        free(timeline->disks[i].bars);
    free(timeline->disks);
    *timeline = (struct bf_timeline){.nr_disks = 0};
}

void bf_timeline_bar_text(const struct bf_timeline_bar *bar, bool links, char *buf,
                          size_t buf_bytes)
{
    char size[BF_SIZE_TEXT_MAX] = "";
    char images[32] = "";

    if (bar->counted)
        bf_size_text(bar->dirty_bytes, size);
    if (bar->nr_images > 1)
        (void)snprintf(images, sizeof images, " on %zu images", bar->nr_images);
    if (bar->why)
        (void)snprintf(buf, buf_bytes, "%s%s%s", size, size[0] ? ", " : "", bar->why);
    else
        (void)snprintf(buf, buf_bytes, "%s%s%s", size, images,
                       links && !bar->recording ? ", frozen" : "");
}
