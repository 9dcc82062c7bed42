/* QEMU's own transfer of bitmaps: set up where that is wanted and the orchestrator has not, and
 * what a person should know of it before the migration. */
#include "drive.h"

#include "daemon/log.h"
#include "drive/stream.h"

#include <stdio.h>

static bool has_unfit(const struct source_drive *drive, uint32_t disk)
{
    for (uint32_t i = 0; i < drive->offer.nr_bitmaps; i++) {
        if (drive->offer.states[i].disk == disk &&
            drive->offer.states[i].drop == BF_DROP_BITMAP_INCONSISTENT)
            return true;
    }
    return false;
}

static uint64_t count_bits(const struct bf_offer *offer, uint32_t disk)
{
    uint64_t nr_bits = 0;

    for (uint32_t i = 0; i < offer->nr_bitmaps; i++) {
        uint64_t granularity = offer->bitmaps[i].granularity_bytes;

        if (offer->states[i].disk == disk && offer->states[i].drop == BF_DROP_NONE)
            nr_bits += (offer->disks[disk].size_bytes + granularity - 1) / granularity;
    }
    return nr_bits;
}

static void warn_of_downtime(struct source_drive *drive, unsigned warning, uint64_t enough_ms)
{
    char text[256];

    (void)snprintf(text, sizeof text,
                   "%s: QEMU's limit is %llu ms; set downtime-limit to %llu ms, or let bitferry "
                   "carry the bitmaps beside a mirror",
                   bf_warning_text(warning), (unsigned long long)drive->downtime_limit_ms,
                   (unsigned long long)enough_ms);
    bf_log(BF_LOG_WARNING, "move %s: %s", drive->move->id, text);
    bf_move_warn(drive->move, text);
}

static void judge_downtime(struct source_drive *drive, uint64_t nr_bits)
{
    uint64_t busy_ms = bf_estimate_downtime_ms(nr_bits, drive->bandwidth_bytes_s);
    uint64_t idle_ms = bf_estimate_downtime_ms(nr_bits, BF_IDLE_BANDWIDTH_BYTES_S);

    if (nr_bits == 0 || drive->downtime_limit_ms == 0)
        return;
    if (busy_ms > drive->downtime_limit_ms)
        warn_of_downtime(drive, BF_WARNING_DOWNTIME_NEVER, idle_ms);
    else if (idle_ms > drive->downtime_limit_ms)
        warn_of_downtime(drive, BF_WARNING_DOWNTIME_IDLE, idle_ms);
}

static void on_set(void *ctx, const json_t *result, const struct bf_error *err)
{
    struct source_drive *drive = ctx;

    (void)result;
    if (!err || drive->freed || drive->ended)
        return;
    bf_log(BF_LOG_WARNING, "move %s: setting QEMU's transfer of bitmaps up: %s", drive->move->id,
           err->text);
    bf_move_warn(drive->move, err->text);
}

static void warn_poisoned(struct source_drive *drive, uint32_t disk)
{
    char text[256];

    (void)snprintf(text, sizeof text, "disk %s: %s", drive->offer.disks[disk].name,
                   bf_warning_text(BF_WARNING_POISONED));
    bf_move_warn(drive->move, text);
}

/* A mapping by us also where the capability alone was set: without one QEMU sends all bitmaps that
 * it sees, our temporaries too, while the guest is stopped. */
static void set_mapping(struct source_drive *drive)
{
    struct bf_live *live = bf_qemu_live(drive->qemu);
    json_t *mapping;

    if (drive->mapped_before || !live)
        return;
    mapping = bf_stream_mapping(&drive->offer, false);
    if (!mapping)
        return;
    drive->stream_set = !drive->offer.dirty_bitmaps;
    bf_stream_set(live, mapping, !drive->offer.dirty_bitmaps, on_set, drive);
}

void source_set_up_stream(struct source_drive *drive)
{
    struct bf_offer *offer = &drive->offer;
    uint64_t nr_bits = 0;

    for (uint32_t i = 0; i < offer->nr_disks; i++) {
        if (offer->disks[i].mode != BF_MODE_STREAM)
            continue;
        nr_bits += count_bits(offer, i);
        if (has_unfit(drive, i) && !bf_stream_is_ours(offer, i))
            warn_poisoned(drive, i);
    }
    judge_downtime(drive, nr_bits);
    if (nr_bits > 0)
        set_mapping(drive);
}

static void on_unset(void *ctx, const json_t *result, const struct bf_error *err)
{
    (void)ctx;
    (void)result;
    (void)err; /* what QEMU refuses now concerns its next migration at most */
}

void source_put_stream_back(struct source_drive *drive)
{
    struct bf_live *live = bf_qemu_live(drive->qemu);

    if (!live || !drive->stream_set || drive->machine.state == BF_SOURCE_SWEEPING)
        return;
    drive->stream_set = false;
    bf_stream_unset(live, on_unset, NULL);
}
