/* QEMU's own transfer of bitmaps: set up where that is wanted and the orchestrator has not. */
#include "drive.h"

#include "daemon/log.h"
#include "drive/stream.h"
#include "live/activate.h"

#include <stdlib.h>

static void on_set(void *ctx, const json_t *result, const struct bf_error *err)
{
    struct dest_drive *drive = ctx;

    (void)result;
    if (!err || drive->freed || drive->ended)
        return;
    bf_log(BF_LOG_WARNING, "move %s: setting QEMU's transfer of bitmaps up: %s", drive->move->id,
           err->text);
    bf_move_warn(drive->move, err->text);
}

void dest_set_up_stream(struct dest_drive *drive, const struct bf_vm_facts *here)
{
    const struct bf_offer *offer = &drive->offer;
    json_t *mapping;
    bool any = false;

    for (uint32_t i = 0; i < offer->nr_disks; i++)
        any = any || bf_stream_is_ours(offer, i);
    if (!any || drive->stream_set)
        return;
    if (here->mapping) {
        bf_move_warn(drive->move, "this QEMU has a block-bitmap-mapping already, which is left as "
                                  "it is: what it does not name is not taken out of the stream");
        return;
    }
    mapping = bf_stream_mapping(offer, true);
    if (!mapping)
        return;
    drive->stream_set = !here->dirty_bitmaps;
    bf_stream_set(bf_qemu_live(drive->qemu), mapping, !here->dirty_bitmaps, on_set, drive);
}

static void on_unset(void *ctx, const json_t *result, const struct bf_error *err)
{
    (void)ctx;
    (void)result;
    (void)err; /* what QEMU refuses now concerns its next migration at most */
}

/* Its next migration is not ours. */
void dest_put_stream_back(struct dest_drive *drive)
{
    struct bf_live *live = bf_qemu_live(drive->qemu);

    if (live && drive->stream_set && drive->machine.state != BF_DEST_SWEEPING) {
        drive->stream_set = false;
        bf_stream_unset(live, on_unset, NULL);
    }
}

/* --- what a former visit has left --- */

static void on_refused(struct dest_drive *drive, const struct bf_error *err)
{
    bf_log(BF_LOG_WARNING, "move %s: removing bitmaps of a former visit: %s", drive->move->id,
           err->text);
    bf_move_warn(drive->move, bf_warning_text(BF_WARNING_COLLISION));
}

static void on_removed(void *ctx, enum bf_live_end end, const struct bf_error *err)
{
    struct dest_drive *drive = ctx;

    if (!dest_op_ended(drive))
        return;
    if (end == BF_LIVE_UNKNOWN) {
        dest_repeat(drive);
        return;
    }
    if (end == BF_LIVE_REFUSED)
        on_refused(drive, err);
    for (uint32_t i = 0; i < drive->offer.nr_bitmaps; i++) {
        if (drive->offer.bitmaps[i].collides)
            drive->offer.bitmaps[i].fresh = end == BF_LIVE_DONE;
    }
    drive->again_step(drive);
}

static void remove_colliding(struct dest_drive *drive)
{
    struct bf_live_actions actions;

    bf_live_actions_begin(&actions);
    for (uint32_t i = 0; i < drive->offer.nr_bitmaps; i++) {
        if (drive->offer.bitmaps[i].collides)
            bf_live_actions_remove(&actions, dest_node_of(drive, i), drive->offer.bitmaps[i].name);
    }
    if (bf_live_run(bf_qemu_live(drive->qemu), &actions, BF_QEMU_DEADLINE_MS, on_removed, drive,
                    NULL) == 0)
        dest_op_began(drive);
    else
        dest_repeat(drive);
}

/* Nodes that wait for a migration do not show what is stored in their images, until something makes
 * them active; then it would collide. */
static void on_active(void *ctx, enum bf_live_end end, const struct bf_error *err)
{
    struct dest_drive *drive = ctx;

    if (!dest_op_ended(drive))
        return;
    if (end == BF_LIVE_DONE && bf_qemu_live(drive->qemu)) {
        remove_colliding(drive);
    } else if (end == BF_LIVE_REFUSED) {
        on_refused(drive, err);
        drive->again_step(drive);
    } else {
        dest_repeat(drive);
    }
}

static bool collides(const struct bf_offer *offer, uint32_t disk)
{
    for (uint32_t i = 0; i < offer->nr_bitmaps; i++) {
        if (offer->states[i].disk == disk && offer->bitmaps[i].collides)
            return true;
    }
    return false;
}

/* The guest's data are being copied over what they belonged to: they are void, whatever comes. */
void dest_remove_colliding(struct dest_drive *drive)
{
    const struct bf_offer *offer = &drive->offer;
    struct bf_live *live = bf_qemu_live(drive->qemu);
    BF_CLEANUP(bf_freep) const char **nodes = calloc(offer->nr_disks + 1U, sizeof *nodes);
    uint32_t nr_nodes = 0;

    for (uint32_t i = 0; nodes && i < offer->nr_disks; i++) {
        if (collides(offer, i))
            nodes[nr_nodes++] = offer->disks[i].node;
    }
    if (nr_nodes == 0) {
        drive->again_step(drive);
    } else if (live && bf_live_activate(live, nodes, nr_nodes, NULL, BF_QEMU_DEADLINE_MS, on_active,
                                        drive, NULL) == 0) {
        dest_op_began(drive);
    } else {
        dest_repeat(drive);
    }
}
