/* Before the mirrors begin: QEMU opens the carriers into which it is to spill snapshots while they
 * copy.  From QEMU 8 on it would wait then, with the guest, until what the mirrors have in flight
 * is written (docs/measured.md); and QEMU 10.0 can store what is in a node without closing it.
 *
 *     no mirror yet?  ->  open them, one after the other  ->  "prepared": `bitferry start` ends
 *
 * Whatever cannot be had makes the snapshots wait until the mirrors are ready, and is no error.
 */
#include "drive.h"

#include "daemon/log.h"

static bool wants_carrier(const struct source_drive *drive, uint32_t bitmap)
{
    return bf_offer_travels(&drive->offer, BF_ROUND_FROZEN, bitmap) ||
           bf_offer_travels(&drive->offer, BF_ROUND_RECORDING, bitmap);
}

bool source_can_prepare(const struct source_drive *drive)
{
    const struct bf_plan *plan = &drive->move->plan;
    struct bf_live *live = drive->qemu ? bf_qemu_live(drive->qemu) : NULL;

    return live && bf_live_can_open_carriers(live) && !plan->domain &&
           plan->read != BF_READ_BLOCK_STATUS && plan->snapshots == BF_SNAPSHOTS_AUTO &&
           !drive->no_spill;
}

const char *source_open_carrier(const struct source_drive *drive, uint32_t bitmap,
                                char buf[BF_LIVE_NODE_NAME_MAX + 1])
{
    if (drive->opened[bitmap] != SOURCE_OPENED)
        return NULL;
    bf_live_carrier_node(bf_qemu_live(drive->qemu), bitmap, buf);
    return buf;
}

bool source_is_prepared(const struct source_drive *drive)
{
    for (uint32_t i = 0; i < drive->offer.nr_bitmaps; i++) {
        if (wants_carrier(drive, i) && drive->opened[i] != SOURCE_OPENED)
            return false;
    }
    return true;
}

static void finish(struct source_drive *drive)
{
    bf_move_reach(drive->move, BF_MILESTONE_PREPARED);
    source_answer(drive, BF_SOURCE_DONE);
}

static void open_next(struct source_drive *drive);

/* Without one of them all wait: what is open is of no use then, and is not opened. */
static void on_opened(void *ctx, enum bf_live_end end, const struct bf_error *err)
{
    struct source_drive *drive = ctx;

    if (!source_op_ended(drive))
        return;
    if (end == BF_LIVE_DONE) {
        drive->opened[drive->cursor++] = SOURCE_OPENED;
        open_next(drive);
        return;
    }
    bf_log(BF_LOG_INFO, "move %s: opening carriers: %s", drive->move->id, err->text);
    if (end == BF_LIVE_UNKNOWN)
        source_doubt(drive);
    else
        finish(drive);
}

static void open_next(struct source_drive *drive)
{
    const struct bf_offer *offer = &drive->offer;
    struct bf_live *live = bf_qemu_live(drive->qemu);
    char path[SOURCE_PATH_BYTES];
    char node[BF_LIVE_NODE_NAME_MAX + 1];
    struct bf_error err = BF_ERROR_INIT;

    while (drive->cursor < offer->nr_bitmaps && !wants_carrier(drive, drive->cursor))
        drive->cursor++;
    if (drive->cursor == offer->nr_bitmaps || !live) {
        finish(drive);
        return;
    }
    source_carrier_draft(drive, BF_ROUND_RECORDING, drive->cursor, path);
    bf_live_carrier_node(live, drive->cursor, node);
    if (bf_live_carrier_open(live, path, offer->disks[offer->states[drive->cursor].disk].size_bytes,
                             node, BF_QEMU_DEADLINE_MS, on_opened, drive, &err) == 0) {
        source_op_began(drive);
        return;
    }
    bf_log(BF_LOG_INFO, "move %s: opening carriers: %s", drive->move->id, err.text);
    finish(drive);
}

static void on_jobs(void *ctx, const json_t *result, const struct bf_error *err)
{
    struct source_drive *drive = ctx;
    struct bf_error why = BF_ERROR_INIT;

    if (!source_op_ended(drive))
        return;
    drive->cursor = 0;
    if (err || json_array_size(result) > 0) {
        finish(drive);
    } else if (source_carriers_begin(drive, &why) < 0) {
        bf_log(BF_LOG_INFO, "move %s: opening carriers: %s", drive->move->id, why.text);
        finish(drive);
    } else {
        open_next(drive);
    }
}

void source_prepare(struct source_drive *drive)
{
    if (source_can_prepare(drive) && drive->offer.kind == BF_HANDOFF_TRACKER &&
        bf_qmp_send(bf_live_qmp(bf_qemu_live(drive->qemu)), "query-block-jobs", NULL,
                    BF_QEMU_DEADLINE_MS, on_jobs, drive, NULL) == 0)
        source_op_began(drive);
    else
        finish(drive);
}
