/* QEMU's own transfer of bitmaps: set up where that is wanted and the orchestrator has not. */
#include "drive.h"

#include "daemon/log.h"
#include "drive/stream.h"

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
