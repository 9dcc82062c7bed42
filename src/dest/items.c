/* What a round is about: bitmaps, or, for the deltas, disks. */
#include "drive.h"

bool dest_wants(const struct dest_drive *drive, uint32_t index)
{
    if (drive->wish.round == BF_ROUND_DELTA)
        return bf_offer_matters(&drive->offer, index);
    return bf_dest_wants(&drive->machine, drive->wish.round, index);
}

uint32_t dest_nr_items(const struct dest_drive *drive)
{
    return drive->wish.round == BF_ROUND_DELTA ? drive->offer.nr_disks : drive->offer.nr_bitmaps;
}

uint32_t dest_disk_of(const struct dest_drive *drive, uint32_t index)
{
    return drive->wish.round == BF_ROUND_DELTA ? index : drive->offer.states[index].disk;
}

uint64_t dest_granularity_of(const struct dest_drive *drive, uint32_t index)
{
    return drive->wish.round == BF_ROUND_DELTA ? bf_offer_finest(&drive->offer, index)
                                               : drive->offer.bitmaps[index].granularity_bytes;
}

void dest_drop_item(struct dest_drive *drive, uint32_t index, enum bf_drop reason)
{
    if (drive->wish.round != BF_ROUND_DELTA) {
        drive->drops[index] = (uint8_t)reason;
        return;
    }
    for (uint32_t i = 0; i < drive->offer.nr_bitmaps; i++) {
        if (drive->offer.states[i].disk == index && drive->offer.states[i].recording)
            drive->drops[i] = (uint8_t)reason;
    }
}

const char *dest_node_of(const struct dest_drive *drive, uint32_t bitmap)
{
    return drive->offer.disks[drive->offer.states[bitmap].disk].node;
}
