#include "hold.h"

#include "helpers.h"
#include "qemu.h"

void add_since(struct world *world, unsigned disk)
{
    world->since[disk] =
        (struct qemu_bitmap){.there = 1, .recording = 1, .epoch = (uint8_t)world->source.epoch};
}

static bool is_carried(const struct world *world, unsigned bitmap)
{
    return bitmap < world->settings.nr_bitmaps &&
           world->source_bitmaps[bitmap].drop == BF_DROP_NONE;
}

/* Of a bitmap that QEMU is to bring itself nobody takes the name away; one that was changed
 * meanwhile is left to the examination. */
static bool may_hold(const struct world *world, unsigned bitmap)
{
    return is_carried(world, bitmap) && world->user[bitmap].there &&
           world->snapshot[bitmap].there && world->settings.native[bitmap] == NATIVE_NOT &&
           (world->settings.breakage == BREAK_HELD_BEFORE_JUDGED ||
            source_compare(world, bitmap) == BF_DROP_NONE);
}

bool hold_one(struct world *world)
{
    if (!world->source_qemu || (world->guest != AT_SOURCE && world->guest != PAUSED))
        return false;
    for (unsigned i = 0; i < world->settings.nr_bitmaps; i++) {
        if (!may_hold(world, i))
            continue;
        world->held[i] = (struct qemu_bitmap){.there = 1, .epoch = (uint8_t)world->source.epoch};
        world->taken |= (uint8_t)(1u << i);
        world->user[i].there = 0;
        if (world->settings.breakage == BREAK_SINCE_AFTER_SNAPSHOT &&
            !world->since[world->settings.disk[i]].there)
            add_since(world, world->settings.disk[i]);
        return true;
    }
    return false;
}

bool hold_is_whole(const struct world *world)
{
    for (unsigned i = 0; i < world->settings.nr_bitmaps; i++) {
        if (is_carried(world, i) && !world->held[i].there &&
            world->settings.breakage != BREAK_UNHELD_UNEXAMINED)
            return false;
    }
    return true;
}

/* What it is when it is put back now. */
static struct qemu_bitmap consists_of(const struct world *world, unsigned bitmap)
{
    struct qemu_bitmap whole = {.there = world->held[bitmap].epoch == world->snapshot[bitmap].epoch,
                                .recording = world->settings.recording[bitmap],
                                .bits = world->snapshot[bitmap].bits};

    if (whole.recording && world->settings.breakage != BREAK_PUT_BACK_WITHOUT_SINCE)
        whole.bits |= world->since[world->settings.disk[bitmap]].bits;
    return whole;
}

static bool may_put_back(const struct world *world, unsigned bitmap)
{
    return world->held[bitmap].there &&
           (world->settings.breakage != BREAK_HELD_OF_OLD_EPOCH_FORGOTTEN ||
            world->held[bitmap].epoch == world->source.epoch);
}

bool put_back_one(struct world *world)
{
    if (world->settings.breakage == BREAK_HELD_CLEANED_AWAY)
        return false;
    for (unsigned i = 0; i < world->settings.nr_bitmaps; i++) {
        if (!may_put_back(world, i))
            continue;
        world->taken &= (uint8_t) ~(1u << i);
        world->user[i] = consists_of(world, i);
        world->held[i] = (struct qemu_bitmap){0};
        return true;
    }
    return false;
}

/* One that was switched off for a while gets what it had missed, too: nobody knows of that. */
static bool is_as_it_should_be(const struct world *world, unsigned bitmap,
                               const struct qemu_bitmap *found)
{
    const struct qemu_bitmap *shadow = &world->shadow[bitmap];
    uint8_t bits = found->bits;

    if (world->gapped >> bitmap & 1 && (bits & shadow->bits) == shadow->bits)
        bits = shadow->bits;
    return found->there == shadow->there &&
           (!found->there || (found->recording == shadow->recording && bits == shadow->bits));
}

/* Once the end is COMMITTED the source's own are being removed. */
static bool must_be_there(const struct world *world)
{
    return world->source_qemu && !world->retired && world->source.outcome != BF_OUTCOME_COMMITTED;
}

const char *hold_check(const struct world *world)
{
    for (unsigned i = 0; i < world->settings.nr_bitmaps && must_be_there(world); i++) {
        struct qemu_bitmap found = world->held[i].there ? consists_of(world, i) : world->user[i];

        if (!is_as_it_should_be(world, i, &found))
            return "a bitmap of the source is not what it should be";
        if (world->held[i].there && world->user[i].there)
            return "a bitmap of the source is there twice";
    }
    return NULL;
}

const char *hold_check_end(const struct world *world)
{
    for (unsigned i = 0; i < world->settings.nr_bitmaps && must_be_there(world); i++) {
        if (!is_as_it_should_be(world, i, &world->user[i]))
            return "the source has not its bitmaps back";
    }
    return NULL;
}
