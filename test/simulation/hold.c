#include "hold.h"

#include "helpers.h"
#include "qemu.h"

static bool is_carried(const struct world *world, unsigned bitmap)
{
    return bitmap < world->settings.nr_bitmaps &&
           world->source_bitmaps[bitmap].drop == BF_DROP_NONE;
}

/* Frozen ones stay; of a bitmap that QEMU is to bring itself nobody takes the name away; one that
 * was changed meanwhile is left to the examination. */
static bool may_hold(const struct world *world, unsigned bitmap)
{
    bool frozen = !world->settings.recording[bitmap];

    return is_carried(world, bitmap) && world->user[bitmap].there &&
           world->settings.native[bitmap] == NATIVE_NOT &&
           (frozen ? world->settings.breakage == BREAK_HOLD_FROZEN : world->twin[bitmap].there) &&
           (world->settings.breakage == BREAK_HELD_BEFORE_JUDGED ||
            source_compare(world, bitmap) == BF_DROP_NONE);
}

static struct qemu_bitmap *mark_of(struct world *world, unsigned bitmap)
{
    return &world->held[world->settings.disk[bitmap]];
}

/* What it consists of while it is not there. */
static const struct qemu_bitmap *rest_of(const struct world *world, unsigned bitmap)
{
    return world->settings.recording[bitmap] && world->settings.breakage != BREAK_PUT_BACK_SNAPSHOT
               ? &world->twin[bitmap]
               : &world->snapshot[bitmap]; /* HOLD_FROZEN takes those, too */
}

/* On a disk that is marked whatever is not there and has a twin, unless that stays. */
static bool is_held(const struct world *world, unsigned bitmap)
{
    const struct qemu_bitmap *mark = &world->held[world->settings.disk[bitmap]];
    bool recording = world->settings.recording[bitmap];
    const struct qemu_bitmap *twin = recording ? &world->twin[bitmap] : rest_of(world, bitmap);

    return mark->there && twin->there && twin->epoch == mark->epoch && !world->left[bitmap].there &&
           !world->user[bitmap].there &&
           (recording || world->settings.breakage == BREAK_HOLD_FROZEN);
}

/* What was marked as one that stays does so. */
static void look(struct world *world)
{
    world->source_action.looked = 1;
    for (unsigned i = 0; i < world->settings.nr_bitmaps; i++) {
        if (is_held(world, i)) {
            world->taken |= (uint8_t)(1u << i);
            continue;
        }
        if (world->settings.recording[i] && world->user[i].there)
            world->changed[i] = source_compare(world, i);
        if (world->left[i].there)
            continue;
        if (may_hold(world, i))
            world->source_action.to_hold |= (uint8_t)(1u << i);
        else if (world->twin[i].there)
            world->source_action.to_leave |= (uint8_t)(1u << i);
    }
}

void hold_note_change(struct world *world, unsigned bitmap)
{
    bool to_hold = world->source_action.to_hold >> bitmap & 1;

    if (to_hold || (mark_of(world, bitmap)->there && !world->left[bitmap].there))
        world->blurred |= (uint8_t)(1u << bitmap);
}

static void mark(struct qemu_bitmap *mark, const struct world *world)
{
    *mark = (struct qemu_bitmap){.there = 1, .epoch = (uint8_t)world->source.epoch};
}

static void take(struct world *world, unsigned bitmap)
{
    world->taken |= (uint8_t)(1u << bitmap);
    world->user[bitmap].there = 0;
    world->source_action.to_hold &= (uint8_t) ~(1u << bitmap);
}

static void mark_left(struct world *world)
{
    unsigned bitmap = (unsigned)__builtin_ctz(world->source_action.to_leave);

    world->source_action.to_leave &= (uint8_t) ~(1u << bitmap);
    if (world->settings.breakage != BREAK_LEFT_UNMARKED)
        mark(&world->left[bitmap], world);
}

/* Its disk's mark first, if that is not there yet. */
static void mark_or_take(struct world *world, unsigned bitmap)
{
    if (world->settings.breakage == BREAK_TAKEN_BEFORE_MARKED && world->user[bitmap].there &&
        !mark_of(world, bitmap)->there)
        world->user[bitmap].there = 0;
    else if (!mark_of(world, bitmap)->there)
        mark(mark_of(world, bitmap), world);
    else
        take(world, bitmap);
}

bool hold_one(struct world *world)
{
    if (!world->source_qemu || (world->guest != AT_SOURCE && world->guest != PAUSED))
        return false;
    if (!world->source_action.looked) {
        look(world);
        return true;
    }
    if (world->source_action.to_hold == 0)
        return false;
    if (world->source_action.to_leave != 0) {
        mark_left(world);
        return true;
    }
    mark_or_take(world, (unsigned)__builtin_ctz(world->source_action.to_hold));
    return true;
}

bool hold_is_whole(const struct world *world)
{
    for (unsigned i = 0; i < world->settings.nr_bitmaps; i++) {
        if (is_carried(world, i) && world->settings.recording[i] && !is_held(world, i) &&
            world->settings.breakage != BREAK_UNHELD_UNEXAMINED)
            return false;
    }
    return true;
}

/* What it is when it is put back now. */
static struct qemu_bitmap consists_of(const struct world *world, unsigned bitmap)
{
    return (struct qemu_bitmap){.there = 1,
                                .recording = world->settings.recording[bitmap],
                                .bits = rest_of(world, bitmap)->bits};
}

static bool may_put_back(struct world *world, unsigned bitmap)
{
    return is_held(world, bitmap) &&
           (world->settings.breakage != BREAK_HELD_OF_OLD_EPOCH_FORGOTTEN ||
            mark_of(world, bitmap)->epoch == world->source.epoch);
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
        world->twin[i] = (struct qemu_bitmap){0};
        return true;
    }
    return false;
}

/* One that was cleared, switched off or removed behind the look is what it was, and records. */
static bool is_as_it_should_be(const struct world *world, unsigned bitmap,
                               const struct qemu_bitmap *found)
{
    const struct qemu_bitmap *shadow = &world->shadow[bitmap];
    bool blurred = (world->blurred >> bitmap & 1) != 0;

    if (!found->there || !shadow->there)
        return found->there == shadow->there || (blurred && found->there);
    return (found->recording == shadow->recording || (blurred && found->recording)) &&
           (found->bits == shadow->bits ||
            (blurred && (found->bits & shadow->bits) == shadow->bits));
}

/* Once the end is COMMITTED the source's own are being removed. */
static bool must_be_there(const struct world *world)
{
    return world->source_qemu && !world->retired && world->source.outcome != BF_OUTCOME_COMMITTED;
}

const char *hold_check(const struct world *world)
{
    for (unsigned i = 0; i < world->settings.nr_bitmaps && must_be_there(world); i++) {
        struct qemu_bitmap found = is_held(world, i) ? consists_of(world, i) : world->user[i];

        if (!is_as_it_should_be(world, i, &found))
            return "a bitmap of the source is not what it should be";
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
