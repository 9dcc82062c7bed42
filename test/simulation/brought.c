#include "brought.h"

#include "helpers.h"

#include <string.h>

enum { JUDGED_WELL = BF_FOUND_FRESH | BF_FOUND_SNAPSHOT | BF_FOUND_NATIVE };

bool is_brought(const struct world *world)
{
    return world->settings.kind == BF_HANDOFF_NATIVE;
}

void brought_announce(struct world *world)
{
    for (unsigned i = 0; i < world->settings.nr_bitmaps && is_brought(world); i++)
        world->announced_bits[i] = world->user[i].bits;
}

static int count(uint8_t bits)
{
    return __builtin_popcount(bits);
}

/* Of what the source's bitmap has; the snapshot may have it, or the delta alone.  (Somebody who
 * lets a frozen one record for a while, and a QEMU that loses just that, are not met at once.) */
static uint8_t brought_bits(const struct world *world, unsigned bitmap)
{
    uint8_t bits = world->user[bitmap].bits;
    uint8_t last = bits;

    if (!world->settings.recording[bitmap] && (world->gapped >> bitmap & 1))
        return bits;
    while (last & (uint8_t)(last - 1))
        last &= (uint8_t)(last - 1);
    switch (world->settings.native[bitmap]) {
    case NATIVE_SHORT:
        return bits & (uint8_t)(bits - 1);
    case NATIVE_SHORT_LAST:
        return bits & (uint8_t)~last;
    case NATIVE_EMPTY:
        return 0;
    default:
        return bits;
    }
}

void bring(struct world *world, unsigned bitmap)
{
    world->final[bitmap] = world->user[bitmap];
    world->final[bitmap].bits = brought_bits(world, bitmap);
    if (world->settings.native[bitmap] == NATIVE_SWITCHED)
        world->final[bitmap].recording = !world->settings.recording[bitmap];
}

/* --- fetched before the guest has come --- */

/* It is loaded when it is judged. */
void brought_fetch(struct world *world)
{
    bool served = world->source_helper == HELPER_ALIVE && world->served_epoch == world->dest.epoch;

    if (world->dest_action.kind == BF_DEST_LOAD)
        return;
    if (world->dest_action.round == BF_ROUND_RECORDING) {
        world->proving = served ? world->served : 0;
        memcpy(world->pulled_bits, world->served_bits, sizeof world->pulled_bits);
    } else {
        world->proving_delta = served ? world->served_delta : 0;
        memcpy(world->pulled_delta_bits, world->served_delta_bits, sizeof world->pulled_delta_bits);
    }
}

void brought_forget(struct world *world)
{
    world->proving = world->proving_delta = 0;
}

/* --- as the driver does it --- */

/* All of a frozen one, no less of one that has recorded since. */
static uint8_t judge_count(const struct world *world, unsigned bitmap)
{
    const struct qemu_bitmap *final = &world->final[bitmap];
    uint8_t announced = world->announced_bits[bitmap];

    if (final->recording != world->settings.recording[bitmap])
        return BY_NOTHING;
    if (!final->recording)
        return final->bits == announced ? BY_DIGEST : BY_NOTHING;
    return count(final->bits) >= count(announced) ? BY_COUNT : BY_NOTHING;
}

static uint8_t judge_bits(const struct world *world, unsigned bitmap)
{
    bool snapshot = world->proving >> bitmap & 1;
    bool delta = world->proving_delta >> world->settings.disk[bitmap] & 1;
    uint8_t must = snapshot ? world->pulled_bits[bitmap] : 0;

    if (delta)
        must |= world->pulled_delta_bits[world->settings.disk[bitmap]];
    if (world->settings.breakage == BREAK_PROOF_WITHOUT_SNAPSHOT) {
        must &= delta ? world->pulled_delta_bits[world->settings.disk[bitmap]] : 0;
        snapshot = true;
    }
    if (!snapshot)
        return BY_COUNT;
    if ((world->final[bitmap].bits & must) != must)
        return BY_NOTHING;
    return delta || world->settings.breakage == BREAK_PROOF_WITHOUT_DELTA ? BY_BITS : BY_COUNT;
}

static uint8_t proof_of(const struct world *world, unsigned bitmap)
{
    uint8_t proof = judge_count(world, bitmap);

    return proof == BY_COUNT ? judge_bits(world, bitmap) : proof;
}

static uint8_t judge(struct world *world, unsigned bitmap, uint8_t *ret_drop)
{
    bool there = world->final[bitmap].there;

    if (world->dest.state != BF_DEST_SURVEYING)
        return there ? BF_FOUND_FINAL | BF_FOUND_FRESH : 0;
    world->proof[bitmap] = there ? proof_of(world, bitmap) : BY_NOTHING;
    if (world->settings.breakage == BREAK_BROUGHT_UNJUDGED)
        world->proof[bitmap] = BY_BITS;
    if (world->proof[bitmap] == BY_BITS || world->proof[bitmap] == BY_DIGEST ||
        (world->proof[bitmap] == BY_COUNT && !world->settings.requires_bits))
        return BF_FOUND_FINAL | JUDGED_WELL;
    if (!there)
        *ret_drop = BF_DROP_BROUGHT_BY_NOBODY;
    else
        *ret_drop =
            world->proof[bitmap] == BY_COUNT ? BF_DROP_BROUGHT_UNPROVEN : BF_DROP_BROUGHT_SHORT;
    return there ? BF_FOUND_FINAL : 0;
}

void brought_answer_inspect(struct world *world)
{
    uint8_t found[BITMAPS] = {0};
    uint8_t drops[BITMAPS] = {0};

    for (unsigned i = 0; i < world->settings.nr_bitmaps && world->dest_qemu; i++)
        found[i] = judge(world, i, &drops[i]);
    dest_feed(world, &(struct bf_dest_fact){.kind = BF_DEST_INSPECTED,
                                            .found = found,
                                            .drops = drops,
                                            .guest_runs = world->guest == AT_DEST});
}

/* Whether it has all that it must is looked at after each step (world.c), but where only the count
 * speaks for it, and that is told. */
const char *brought_check_end(const struct world *world, unsigned bitmap)
{
    uint8_t native = world->settings.native[bitmap];
    uint8_t drop = world->dest_bitmaps[bitmap].drop;

    if (drop == BF_DROP_NATIVE && (native == NATIVE_LOST || world->final[bitmap].recording !=
                                                                world->settings.recording[bitmap]))
        return "a bitmap that QEMU has not brought is called carried";
    if (drop == BF_DROP_NATIVE && world->proof[bitmap] == BY_COUNT && world->settings.requires_bits)
        return "a count is taken for a proof against the will of the operator";
    if (drop == BF_DROP_BITMAP_UNSEEN)
        return "what became of a bitmap hides behind another reason";
    return NULL;
}
