/* Which disk here is which of the offer: by name, and where the planner knows better (modes.c) as
 * it says; never by order. */
#include "drive.h"

#include "daemon/log.h"
#include "handoff/names.h"

#include <stdlib.h>
#include <string.h>

bool dest_place_disk(struct dest_drive *drive, uint32_t index, const char *name)
{
    struct bf_offer_disk *disk = &drive->offer.disks[index];
    const struct bf_live_disk *here = name ? bf_live_survey_disk(&drive->here, name) : NULL;
    char *node = strdup(here ? here->node : "");

    if (!node)
        return false;
    free(disk->node);
    disk->node = node;
    disk->placed_size_bytes = here && node[0] ? here->size_bytes : 0;
    disk->stores = here && here->can_persist;
    return true;
}

enum bf_drop dest_judge_place(const struct bf_offer *offer, uint32_t index)
{
    const struct bf_offer_disk *disk = &offer->disks[offer->states[index].disk];

    if (bf_temporary_name_reserved(offer->bitmaps[index].name))
        return BF_DROP_NAME_RESERVED;
    if (!disk->node[0])
        return BF_DROP_NODE_MISSING;
    if (disk->placed_size_bytes < disk->size_bytes)
        return BF_DROP_SIZE_MISMATCH;
    return BF_DROP_NONE;
}

static void on_surveyed(void *ctx, struct bf_live_survey *survey, const struct bf_error *err)
{
    struct dest_drive *drive = ctx;
    struct bf_offer *offer = &drive->offer;
    bool whole = true;

    if (!dest_op_ended(drive))
        return;
    if (err) {
        bf_log(BF_LOG_WARNING, "move %s: looking for the disks: %s", drive->move->id, err->text);
        dest_repeat(drive);
        return;
    }
    bf_live_survey_release(&drive->here);
    drive->here = *survey;
    *survey = (struct bf_live_survey){.nr_disks = 0};
    drive->placed = false;
    for (uint32_t i = 0; i < offer->nr_disks; i++)
        whole = dest_place_disk(drive, i, offer->disks[i].name) && whole;
    if (!whole) {
        dest_repeat(drive);
        return;
    }
    for (uint32_t i = 0; i < offer->nr_bitmaps; i++)
        drive->drops[i] = (uint8_t)dest_judge_place(offer, i);
    if (offer->kind == BF_HANDOFF_NATIVE) /* however they go, QEMU brings the bitmaps */
        drive->again_step(drive);
    else
        dest_choose_modes(drive);
}

/* Only where it is asked for are drops an answer. */
static void finish(struct dest_drive *drive)
{
    drive->placed = true;
    if (drive->machine.state != BF_DEST_SURVEYING_OFFER && drive->machine.state != BF_DEST_RESUMING)
        memset(drive->drops, BF_DROP_NONE, drive->offer.nr_bitmaps);
    drive->placed_step(drive);
}

void dest_place(struct dest_drive *drive, void (*next)(struct dest_drive *drive))
{
    uint32_t nr_disks = 0;
    struct bf_live_disk_wish *disks = bf_qemu_disks(drive->qemu, &drive->move->plan, &nr_disks);
    int r = -1;

    drive->placed_step = next;
    drive->again_step = finish;
    if (disks)
        r = bf_live_survey(bf_qemu_live(drive->qemu), disks, nr_disks, BF_QEMU_DEADLINE_MS,
                           on_surveyed, drive, NULL);
    free(disks);
    if (r == 0)
        dest_op_began(drive);
    else
        dest_repeat(drive);
}
