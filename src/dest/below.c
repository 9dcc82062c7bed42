/* The bitmaps of images below, as far as they do not end in the disk's own image: they stand in the
 * images that are there already, or must be put into them while nobody has them open. */
#include "drive.h"

#include "facts/facts.h"

#include <stdio.h>

static const struct bf_offer_below *bitmap_of(const struct bf_offer_disk *disk,
                                              const struct bf_bitmap_plan *plan)
{
    return &disk->below[plan->layer - 1].bitmaps[plan->bitmap];
}

/* "vda, 1 below": rows are told apart by disk and bitmap. */
static struct bf_move_row *row_of(struct dest_drive *drive, const struct bf_offer_disk *disk,
                                  const struct bf_bitmap_plan *plan)
{
    char name[BF_DISK_NAME_MAX + 32];

    (void)snprintf(name, sizeof name, "%s, %u below", disk->name, (unsigned)plan->layer);
    return bf_move_row(drive->move, name, bitmap_of(disk, plan)->name);
}

static void drop(struct bf_move_row *row, enum bf_drop reason)
{
    char text[256];

    (void)snprintf(text, sizeof text, "%s: %s", bf_drop_name(reason), bf_drop_text(reason));
    bf_move_row_drop(row, bf_drop_code(reason), text);
}

static void report(struct dest_drive *drive, const struct bf_offer_disk *disk,
                   const struct bf_bitmap_plan *plan, const json_t *here)
{
    struct bf_move_row *row = row_of(drive, disk, plan);

    if (!row)
        return;
    row->phase = "in an image below";
    if (plan->fate == BF_FATE_DROP) {
        drop(row, plan->drop);
    } else if (plan->fate == BF_FATE_IN_IMAGE ||
               bf_facts_is_stored(here, plan->dest_layer, bitmap_of(disk, plan)->name)) {
        row->outcome = BF_ROW_NATIVE;
        bf_move_row_note(row, "it stands in the image below, which was there already");
    } else {
        bf_move_row_drop(row, BF_E_UNSUPPORTED,
                         "NOT_INSTALLED: the image below is there without it; put it in while "
                         "nobody has that image open ('bitferry pull --into')");
    }
}

void dest_report_below(struct dest_drive *drive, uint32_t index, const struct bf_disk_plan *plan,
                       const json_t *here)
{
    const struct bf_offer_disk *disk = &drive->offer.disks[index];

    for (uint32_t i = 0; i < plan->nr_bitmaps; i++) {
        const struct bf_bitmap_plan *bitmap = &plan->bitmaps[i];

        if (bitmap->layer > 0 && bitmap->fate != BF_FATE_PART)
            report(drive, disk, bitmap, here);
    }
}
