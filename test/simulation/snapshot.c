#include "snapshot.h"

#include "brought.h"
#include "helpers.h"
#include "hold.h"
#include "qemu.h"

#define BIT(i) ((uint8_t)(1u << (i)))

bool snapshot_is_of(const struct world *world, unsigned bitmap, unsigned round)
{
    return bitmap < world->settings.nr_bitmaps &&
           world->source_bitmaps[bitmap].drop == BF_DROP_NONE &&
           world->settings.recording[bitmap] == (round != BF_ROUND_FROZEN);
}

/* --- the deltas: nothing that is written behind them is missed by any copy that comes later ---
 */

static bool is_of_disk(const struct world *world, unsigned disk, unsigned round)
{
    for (unsigned i = 0; i < world->settings.nr_bitmaps; i++) {
        if (world->settings.disk[i] == disk && snapshot_is_of(world, i, round))
            return true;
    }
    return false;
}

static void add_delta(struct world *world, unsigned disk)
{
    world->delta[disk] =
        (struct qemu_bitmap){.there = 1, .recording = 1, .epoch = (uint8_t)world->source.epoch};
}

static bool record_one(struct world *world)
{
    struct action *action = &world->source_action;
    unsigned disk = 0;

    while (disk < world->settings.nr_disks &&
           (action->recorded & BIT(disk) || !is_of_disk(world, disk, action->round)))
        disk++;
    if (action->round != BF_ROUND_RECORDING || disk == world->settings.nr_disks)
        return false;
    action->recorded |= BIT(disk);
    if (action->with_delta && world->settings.breakage != BREAK_DELTA_AFTER_SNAPSHOT)
        add_delta(world, disk);
    return true;
}

/* --- the copies --- */

static bool is_possible(const struct world *world, unsigned bitmap)
{
    return world->source_qemu && world->guest != LEFT && world->guest != AT_DEST &&
           world->user[bitmap].there;
}

static void merge(struct world *world, unsigned bitmap)
{
    unsigned disk = world->settings.disk[bitmap];

    world->snapshot[bitmap].bits |= world->user[bitmap].bits;
    world->watched_generation[bitmap] = world->generation[bitmap];
    world->source_action.merged |= BIT(bitmap);
    if (world->source_action.with_delta && !world->delta[disk].there)
        world->source_action.late_delta |= BIT(disk); /* DELTA_AFTER_SNAPSHOT */
}

static bool has_twin(const struct world *world)
{
    return world->source_action.round == BF_ROUND_RECORDING && !is_brought(world);
}

static void add(struct world *world, unsigned bitmap)
{
    if (world->snapshot[bitmap].there)
        broken(world, "a snapshot was added a second time");
    world->snapshot[bitmap] =
        (struct qemu_bitmap){.there = 1, .epoch = (uint8_t)world->source.epoch};
    if (has_twin(world))
        world->twin[bitmap] =
            (struct qemu_bitmap){.there = 1, .recording = 1, .epoch = (uint8_t)world->source.epoch};
    world->source_action.added |= BIT(bitmap);
}

static void merge_twin(struct world *world, unsigned bitmap)
{
    world->twin[bitmap].bits |= world->user[bitmap].bits;
    world->source_action.twinned |= BIT(bitmap);
}

static bool copy_one(struct world *world)
{
    struct action *action = &world->source_action;
    unsigned bitmap = 0;

    while (bitmap < world->settings.nr_bitmaps &&
           (action->merged & BIT(bitmap) || !snapshot_is_of(world, bitmap, action->round)))
        bitmap++;
    if (bitmap == world->settings.nr_bitmaps)
        return false;
    if (!is_possible(world, bitmap))
        action->failed = 1;
    else if (!(action->added & BIT(bitmap)))
        add(world, bitmap);
    else if (has_twin(world) && !(action->twinned & BIT(bitmap)))
        merge_twin(world, bitmap);
    else
        merge(world, bitmap);
    return true;
}

/* --- one after the other --- */

static bool is_anything_left(const struct world *world)
{
    bool any = false;

    for (unsigned i = 0; i < world->settings.nr_bitmaps; i++)
        any = any ||
              (world->snapshot[i].there && snapshot_is_of(world, i, world->source_action.round));
    for (unsigned i = 0; i < world->settings.nr_disks; i++)
        any = any || world->delta[i].there;
    return any;
}

void snapshot_sweep(struct world *world)
{
    struct action *action = &world->source_action;

    for (unsigned i = 0; i < world->settings.nr_bitmaps; i++) {
        if (world->settings.recording[i] != (action->round != BF_ROUND_FROZEN))
            continue;
        if (world->settings.breakage == BREAK_OLD_COPY_NEW_DELTA && world->snapshot[i].bits)
            action->added |= action->merged |= BIT(i);
        else
            world->snapshot[i] = (struct qemu_bitmap){0};
        world->twin[i] = (struct qemu_bitmap){0};
        world->changed[i] = BF_DROP_NONE;
    }
    for (unsigned i = 0; i < world->settings.nr_disks && action->round == BF_ROUND_RECORDING; i++)
        world->delta[i] = (struct qemu_bitmap){0};
}

static bool begin_late_deltas(struct world *world)
{
    struct action *action = &world->source_action;
    bool any = action->late_delta != 0;

    for (unsigned i = 0; i < world->settings.nr_disks; i++) {
        if (action->late_delta & BIT(i))
            add_delta(world, i);
    }
    action->late_delta = 0;
    return any;
}

bool snapshot_one(struct world *world)
{
    struct action *action = &world->source_action;

    if (action->failed) {
        snapshot_sweep(world);
        return false;
    }
    if (!action->swept) {
        bool any = is_anything_left(world);

        action->swept = 1;
        snapshot_sweep(world);
        if (any)
            return true;
    }
    return record_one(world) || copy_one(world) || begin_late_deltas(world);
}

/* Nobody sees of a copy that is there whether it was merged.  Who has had all answers knows. */
bool snapshot_is_whole(const struct world *world, unsigned round)
{
    for (unsigned i = 0; i < world->settings.nr_bitmaps; i++) {
        if (snapshot_is_of(world, i, round) &&
            (!world->snapshot[i].there || world->snapshot[i].epoch != world->source.epoch))
            return false;
    }
    return world->source_qemu &&
           (world->all_answered || world->settings.breakage == BREAK_UNMERGED_TAKEN_FOR_WHOLE);
}
