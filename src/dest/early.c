/* What has been pulled is put into QEMU while the next one is being pulled: a part of PULL that
 * LOAD then finds done.  Nothing is decided here: what QEMU refuses is not found when LOAD proves
 * it, and where it did not answer, LOAD says so. */
#include "drive.h"

#include "base/fail_point.h"

#include <string.h>

enum { EARLY_NOT_PULLED, EARLY_PULLED, EARLY_LOADED };

static void load_on(struct dest_drive *drive);

static bool is_wanted(const struct dest_drive *drive)
{
    return !drive->freed && !drive->ended && drive->wish_open && drive->wish_started &&
           drive->op_ticket == drive->wish.ticket;
}

static void on_loaded(void *ctx, enum bf_live_end end, const struct bf_error *err)
{
    struct dest_drive *drive = ctx;

    bf_fail_point("dest.early");
    drive->early_busy = false;
    drive->op = NULL;
    drive->early_lost = drive->early_lost || end == BF_LIVE_UNKNOWN;
    if (end != BF_LIVE_DONE)
        dest_report_load(drive, err);
    if (is_wanted(drive))
        load_on(drive);
    dest_pull_settle(drive);
}

static void load_on(struct dest_drive *drive)
{
    uint8_t *item = memchr(drive->early, EARLY_PULLED, dest_nr_items(drive));

    if (!item || drive->early_busy || drive->early_lost || drive->images ||
        !bf_qemu_live(drive->qemu))
        return;
    bf_fail_point("dest.checked");
    if (dest_load_item(drive, (uint32_t)(item - drive->early), on_loaded) < 0)
        return; /* LOAD tries it again */
    *item = EARLY_LOADED;
    drive->early_busy = true;
}

void dest_early_pulled(struct dest_drive *drive, uint32_t index)
{
    drive->early[index] = EARLY_PULLED;
    load_on(drive);
}

bool dest_early_was_loaded(const struct dest_drive *drive, uint32_t index)
{
    return drive->early[index] == EARLY_LOADED;
}

void dest_early_forget(struct dest_drive *drive)
{
    memset(drive->early, EARLY_NOT_PULLED, dest_nr_early(drive));
    drive->early_lost = false;
}

size_t dest_nr_early(const struct dest_drive *drive)
{
    return (size_t)drive->offer.nr_bitmaps + drive->offer.nr_disks;
}
