/* REMOVE_STALE: bitmaps of the names of ours that a former visit has left, or that QEMU has brought
 * and that are not good. */
#include "drive.h"

#include "daemon/log.h"

#include <stdio.h>

void dest_warn_in_use(struct dest_drive *drive, const struct bf_error *err)
{
    char text[BF_ERROR_TEXT_MAX + 128];

    (void)snprintf(text, sizeof text,
                   "the commit waits until nobody uses a bitmap here (a backup or an export): %s",
                   err->text);
    bf_move_warn(drive->move, text);
}

static void refuse(struct dest_drive *drive)
{
    dest_answer(drive, BF_DEST_REFUSED);
}

static void on_removed(void *ctx, enum bf_live_end end, const struct bf_error *err)
{
    struct dest_drive *drive = ctx;

    if (!dest_op_ended(drive))
        return;
    if (end == BF_LIVE_DONE) {
        dest_answer(drive, BF_DEST_DONE);
    } else if (end == BF_LIVE_UNKNOWN) {
        dest_doubt(drive);
    } else {
        bf_log(BF_LOG_WARNING, "move %s: removing what a former visit left: %s", drive->move->id,
               err->text);
        dest_warn_in_use(drive, err);
        dest_again(drive, refuse); /* not at once: it may take somebody's whole backup */
    }
}

/* QEMU removes no bitmap of an image that it may not write to: it stays, and ours cannot come. */
static void leave(struct dest_drive *drive, uint32_t index)
{
    const struct bf_offer *offer = &drive->offer;
    char text[BF_ERROR_TEXT_MAX + 128];

    (void)snprintf(text, sizeof text,
                   "a bitmap '%.200s' stays on %.200s here, for its image is open read-only: it is "
                   "none of this move, and no backup may rely on it",
                   offer->bitmaps[index].name, offer->disks[offer->states[index].disk].name);
    bf_log(BF_LOG_WARNING, "move %s: %s", drive->move->id, text);
    bf_move_warn(drive->move, text);
    drive->offer.bitmaps[index].stays = true;
    drive->drops[index] = BF_DROP_NAME_TAKEN;
}

void dest_remove_stale(struct dest_drive *drive)
{
    struct bf_live_actions actions;

    bf_live_actions_begin(&actions);
    for (uint32_t i = 0; i < drive->offer.nr_bitmaps; i++) {
        if (!bf_dest_is_stale(&drive->machine, i))
            continue;
        if (drive->offer.bitmaps[i].locked)
            leave(drive, i);
        else
            bf_live_actions_remove(&actions, dest_node_of(drive, i), drive->offer.bitmaps[i].name);
    }
    if (bf_live_run(bf_qemu_live(drive->qemu), &actions, BF_QEMU_DEADLINE_MS, on_removed, drive,
                    NULL) == 0)
        dest_op_began(drive);
    else
        dest_doubt(drive);
}
