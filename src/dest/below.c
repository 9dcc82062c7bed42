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

/* With what a person can do about it the next time. */
static void drop(struct bf_move_row *row, enum bf_code code, const char *reason, const char *why,
                 const struct bf_install_commands *commands)
{
    char text[2 * sizeof *commands];

    if (commands)
        (void)snprintf(text, sizeof text,
                       "%s: %s; before QEMU here has the copy of its image open, put it in: at the "
                       "source `%s`, here `%s`",
                       reason, why, commands->serve, commands->pull);
    else
        (void)snprintf(text, sizeof text, "%s: %s", reason, why);
    bf_move_row_drop(row, code, reason, text);
}

static bool stands(const struct bf_offer_disk *disk, const struct bf_bitmap_plan *plan,
                   const json_t *here)
{
    return plan->fate == BF_FATE_IN_IMAGE ||
           (plan->fate == BF_FATE_INSTALL &&
            bf_facts_is_stored(here, plan->dest_layer, bitmap_of(disk, plan)->name));
}

static void report_missing(struct dest_drive *drive, const struct bf_offer_disk *disk,
                           const struct bf_bitmap_plan *plan,
                           const struct bf_install_commands *commands)
{
    struct bf_move_row *row = bf_offer_row_below(disk, drive->move, plan->layer, plan->bitmap);

    if (!row)
        return;
    row->phase = "in an image below";
    if (plan->fate == BF_FATE_DROP)
        drop(row, bf_drop_code(plan->drop), bf_drop_name(plan->drop), bf_drop_text(plan->drop),
             plan->drop == BF_DROP_CHAIN_GAP ? commands : NULL);
    else
        drop(row, BF_E_UNSUPPORTED, "NOT_INSTALLED", "the image below is there without it",
             commands);
}

void dest_report_below(struct dest_drive *drive, uint32_t index, const struct bf_disk_plan *plan,
                       const struct bf_disk_facts *source, const struct bf_disk_facts *dest,
                       const json_t *here)
{
    struct bf_offer_disk *disk = &drive->offer.disks[index];
    bool told = bf_offer_init_stands(disk, NULL) == 0;

    for (uint32_t i = 0; i < plan->nr_bitmaps; i++) {
        const struct bf_bitmap_plan *bitmap = &plan->bitmaps[i];
        struct bf_install_commands commands;
        uint32_t layer = 0;
        bool can_be_done = bf_layer_awaits_install(source, dest, plan, bitmap->layer, &layer) &&
                           bf_install_commands_make(&source->layers[bitmap->layer],
                                                    &dest->layers[layer], &commands);

        if (bitmap->layer == 0 || bitmap->fate == BF_FATE_PART)
            continue;
        if (!stands(disk, bitmap, here))
            report_missing(drive, disk, bitmap, can_be_done ? &commands : NULL);
        else if (told)
            disk->stands[bf_offer_at_below(disk, bitmap->layer, bitmap->bitmap)] = 1;
    }
    bf_offer_report_below(disk, drive->move);
}
