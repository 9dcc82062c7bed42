#include "drive.h"

#include "base/math.h"

#include <stdlib.h>

int source_look(struct source_drive *drive, bf_live_survey_fn done)
{
    struct bf_live_disk_wish *disks = calloc(drive->offer.nr_disks + 1U, sizeof *disks);
    int r;

    if (!disks)
        return -1;
    for (uint32_t i = 0; i < drive->offer.nr_disks; i++)
        disks[i] =
            (struct bf_live_disk_wish){drive->offer.disks[i].name, drive->offer.disks[i].node};
    r = bf_live_survey(bf_qemu_live(drive->qemu), disks, drive->offer.nr_disks, BF_QEMU_DEADLINE_MS,
                       done, drive, NULL);
    free(disks);
    if (r == 0)
        source_op_began(drive);
    return r;
}

const struct bf_live_bitmap *source_find(const struct source_drive *drive,
                                         const struct bf_live_survey *seen, uint32_t disk,
                                         const char *name)
{
    const struct bf_live_disk *found = bf_live_survey_disk(seen, drive->offer.disks[disk].name);

    return found ? bf_live_disk_bitmap(found, name) : NULL;
}

const struct bf_live_bitmap *source_find_temporary(const struct source_drive *drive,
                                                   const struct bf_live_survey *seen,
                                                   enum bf_temporary_kind kind, uint32_t index)
{
    char name[BF_TEMPORARY_NAME_MAX + 1];
    bool of_disk = kind == BF_TEMPORARY_DELTA || kind == BF_TEMPORARY_HELD;
    uint32_t disk = of_disk ? index : drive->offer.states[index].disk;

    return source_find(drive, seen, disk,
                       bf_offer_temporary(&drive->offer, drive->wish.epoch, kind, index, name));
}

void source_forget_twins(struct source_drive *drive)
{
    for (uint32_t i = 0; i < drive->offer.nr_bitmaps; i++)
        drive->offer.bitmaps[i].twin.known = false;
}

void source_note_twins(struct source_drive *drive, const struct bf_live_survey *seen)
{
    for (uint32_t i = 0; i < drive->offer.nr_bitmaps; i++) {
        const struct bf_live_bitmap *twin =
            source_find_temporary(drive, seen, BF_TEMPORARY_TWIN, i);

        drive->offer.bitmaps[i].twin = (struct bf_known){.known = twin && twin->recording};
        if (twin)
            drive->offer.bitmaps[i].twin.summary.nr_dirty_bits =
                twin->dirty_bytes / bf_max_u64(twin->granularity_bytes, 1);
    }
}
