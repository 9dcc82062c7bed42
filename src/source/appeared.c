/* What came to the machine after the move had begun: it stays behind, and that is told. */
#include "drive.h"

#include <stdio.h>
#include <string.h>

/* --- bitmaps that nobody knew of --- */

static bool is_offered(const struct source_drive *drive, uint32_t disk, const char *name)
{
    for (uint32_t i = 0; i < drive->offer.nr_bitmaps; i++) {
        if (drive->offer.states[i].disk == disk && strcmp(drive->offer.bitmaps[i].name, name) == 0)
            return true;
    }
    return false;
}

static void report_appeared(struct source_drive *drive, const char *disk, const char *name)
{
    struct bf_move_row *row = bf_move_row(drive->move, disk, name);
    char text[256];

    (void)snprintf(text, sizeof text, "%s: %s; the next backup that needs it must be a full one",
                   bf_drop_name(BF_DROP_BITMAP_APPEARED), bf_drop_text(BF_DROP_BITMAP_APPEARED));
    if (row)
        bf_move_row_drop(row, bf_drop_code(BF_DROP_BITMAP_APPEARED),
                         bf_drop_name(BF_DROP_BITMAP_APPEARED), text);
}

void source_report_new_bitmaps(struct source_drive *drive, const struct bf_live_survey *seen)
{
    for (uint32_t i = 0; i < drive->offer.nr_disks; i++) {
        const struct bf_live_disk *disk = bf_live_survey_disk(seen, drive->offer.disks[i].name);

        for (uint32_t j = 0; disk && j < disk->nr_bitmaps; j++) {
            const char *name = disk->bitmaps[j].name;

            if (!bf_temporary_name_reserved(name) && !is_offered(drive, i, name))
                report_appeared(drive, drive->offer.disks[i].name, name);
        }
    }
}

/* --- disks that nobody knew of: where all of the machine's were meant --- */

static bool is_known(const struct source_drive *drive, const char *node)
{
    for (uint32_t i = 0; i < drive->offer.nr_disks; i++) {
        if (strcmp(drive->offer.disks[i].node, node) == 0)
            return true;
    }
    return false;
}

void source_report_new_disks(struct source_drive *drive, const struct bf_live_survey *seen)
{
    for (uint32_t i = 0; i < seen->nr_disks; i++) {
        const struct bf_live_disk *disk = &seen->disks[i];

        for (uint32_t j = 0; !is_known(drive, disk->node) && j < disk->nr_bitmaps; j++)
            report_appeared(drive, disk->name, disk->bitmaps[j].name);
    }
}
