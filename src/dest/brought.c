/* INSPECT where QEMU brings all bitmaps by itself and nothing of ours is in it: what came is judged
 * by what the offer says.
 *
 *     final names, with digests  ->  query-status
 */
#include "drive.h"

#include "daemon/log.h"

#include <stdlib.h>
#include <string.h>

static bool is_here(const struct dest_drive *drive, uint32_t disk)
{
    return drive->offer.disks[disk].node[0] != '\0';
}

static void look_again(struct dest_drive *drive, const struct bf_error *err)
{
    bf_log(BF_LOG_WARNING, "move %s: looking at what QEMU has brought: %s", drive->move->id,
           err ? err->text : "not connected");
    dest_repeat(drive);
}

static void on_status(void *ctx, const json_t *result, const struct bf_error *err)
{
    struct dest_drive *drive = ctx;
    const char *status = json_string_value(json_object_get(result, "status"));

    if (!dest_op_ended(drive))
        return;
    if (err) {
        look_again(drive, err);
        return;
    }
    drive->found.guest_runs = dest_may_have_run(drive, status ? status : "");
    dest_answer_inspected(drive);
}

/* By what the offer says of it, for nothing of ours is there to compare it with: all of it, if it
 * was frozen; no less, if it has recorded since. */
static bool covers(const struct dest_drive *drive, uint32_t index,
                   const struct bf_live_measure *measure)
{
    const struct bf_offer_bitmap *bitmap = &drive->offer.bitmaps[index];
    bool recording = drive->offer.states[index].recording;

    if (!bitmap->announced.known || measure->inconsistent || !measure->digested ||
        measure->recording != recording || measure->granularity_bytes != bitmap->granularity_bytes)
        return false;
    return recording ? measure->summary.nr_dirty_bits >= bitmap->announced.summary.nr_dirty_bits
                     : bf_summary_equal(&measure->summary, &bitmap->announced.summary);
}

static void judge_brought(struct dest_drive *drive, uint32_t index,
                          const struct bf_live_measure *measure)
{
    uint8_t *found = &drive->found.bitmaps[index];

    if (drive->machine.state != BF_DEST_SURVEYING) {
        *found |= measure && measure->found ? BF_FOUND_FINAL | BF_FOUND_FRESH : 0;
    } else if (!measure) {
        drive->drops[index] = BF_DROP_NODE_MISSING;
    } else if (!measure->found) {
        drive->drops[index] = BF_DROP_BROUGHT_BY_NOBODY;
    } else {
        *found |= BF_FOUND_FINAL;
        if (covers(drive, index, measure))
            *found |= BF_FOUND_FRESH | BF_FOUND_SNAPSHOT | BF_FOUND_NATIVE;
        else
            drive->drops[index] = BF_DROP_BROUGHT_SHORT;
    }
}

static void on_brought_seen(void *ctx, const struct bf_live_measure *measures, uint32_t nr_measures,
                            const struct bf_error *err)
{
    struct dest_drive *drive = ctx;
    uint32_t at = 0;

    if (!dest_op_ended(drive))
        return;
    if (err) {
        look_again(drive, err);
        return;
    }
    memset(drive->found.bitmaps, 0, drive->offer.nr_bitmaps);
    drive->found.trackers = drive->found.deltas = false;
    for (uint32_t i = 0; i < drive->offer.nr_bitmaps; i++) {
        bool here = is_here(drive, drive->offer.states[i].disk) && at < nr_measures;

        judge_brought(drive, i, here ? &measures[at++] : NULL);
    }
    if (!dest_query_status(drive, on_status))
        look_again(drive, NULL);
}

void dest_inspect_brought(struct dest_drive *drive)
{
    struct bf_live_place *places = calloc(drive->offer.nr_bitmaps + 1U, sizeof *places);
    struct bf_live *live = bf_qemu_live(drive->qemu);
    uint32_t nr_places = 0;
    int r = -1;

    for (uint32_t i = 0; places && i < drive->offer.nr_bitmaps; i++) {
        if (is_here(drive, drive->offer.states[i].disk))
            places[nr_places++] =
                (struct bf_live_place){dest_node_of(drive, i), drive->offer.bitmaps[i].name};
    }
    if (places && live)
        r = bf_live_measure(live, places, nr_places, BF_LIVE_DIGESTS, BF_QEMU_SPILL_MS,
                            on_brought_seen, drive, NULL);
    free(places);
    if (r == 0)
        dest_op_began(drive);
    else
        look_again(drive, NULL);
}
