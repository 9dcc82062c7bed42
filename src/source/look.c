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
    bool of_disk = kind == BF_TEMPORARY_DELTA || kind == BF_TEMPORARY_SINCE;
    uint32_t disk = of_disk ? index : drive->offer.states[index].disk;

    return source_find(drive, seen, disk,
                       bf_offer_temporary(&drive->offer, drive->wish.epoch, kind, index, name));
}

static uint64_t nr_dirty_bits(const struct bf_live_bitmap *bitmap)
{
    return bitmap->dirty_bytes / bf_max_u64(bitmap->granularity_bytes, 1);
}

bool source_has_outgrown(const struct source_drive *drive, const struct bf_live_survey *seen,
                         uint32_t index)
{
    const struct bf_handoff_bitmap *state = &drive->offer.states[index];
    const struct bf_live_bitmap *own =
        source_find(drive, seen, state->disk, drive->offer.bitmaps[index].name);
    const struct bf_live_bitmap *snapshot =
        source_find_temporary(drive, seen, BF_TEMPORARY_SNAPSHOT, index);
    const struct bf_live_bitmap *since =
        source_find_temporary(drive, seen, BF_TEMPORARY_SINCE, state->disk);

    if (!since && !drive->machine.caught_up) /* one that ended earlier tells too little */
        since = source_find_temporary(drive, seen, BF_TEMPORARY_DELTA, state->disk);
    return state->recording && own && snapshot && since &&
           nr_dirty_bits(own) > nr_dirty_bits(snapshot) + nr_dirty_bits(since);
}
