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

/* The judge's limit: of a bitmap that records, what the guest writes before anybody looks can make
 * up for the number that is missing.  Then it is the state that tells. */
void bring_short(struct world *world, unsigned bitmap)
{
    uint8_t announced = world->announced_bits[bitmap];
    uint8_t bits = announced & (uint8_t)(announced - 1);
    bool recording = world->settings.recording[bitmap];
    int may_grow = recording ? world->writes_left : 0;

    world->final[bitmap] = (struct qemu_bitmap){
        .there = 1,
        .recording = count(bits) + may_grow < count(announced) ? recording : !recording,
        .bits = bits};
}

/* As the driver does it: all of a frozen one, no less of one that has recorded since. */
static bool covers(const struct world *world, unsigned bitmap)
{
    const struct qemu_bitmap *final = &world->final[bitmap];
    uint8_t announced = world->announced_bits[bitmap];

    if (final->recording != world->settings.recording[bitmap])
        return false;
    return final->recording ? count(final->bits) >= count(announced) : final->bits == announced;
}

static uint8_t judge(const struct world *world, unsigned bitmap, uint8_t *ret_drop)
{
    bool there = world->final[bitmap].there;

    if (world->dest.state != BF_DEST_SURVEYING)
        return there ? BF_FOUND_FINAL | BF_FOUND_FRESH : 0;
    if (world->settings.breakage == BREAK_BROUGHT_UNJUDGED)
        return BF_FOUND_FINAL | JUDGED_WELL;
    if (!there) {
        *ret_drop = BF_DROP_BROUGHT_BY_NOBODY;
        return 0;
    }
    if (covers(world, bitmap))
        return BF_FOUND_FINAL | JUDGED_WELL;
    *ret_drop = BF_DROP_BROUGHT_SHORT;
    return BF_FOUND_FINAL;
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

const char *brought_check_end(const struct world *world, unsigned bitmap)
{
    uint8_t native = world->settings.native[bitmap];
    uint8_t drop = world->dest_bitmaps[bitmap].drop;

    if (native == NATIVE_SHORT && world->final[bitmap].there)
        return "a bitmap of which QEMU has brought too little is left";
    if (native != NATIVE_GOOD && drop == BF_DROP_NATIVE)
        return "a bitmap that QEMU has not brought is called carried";
    if (drop == BF_DROP_BITMAP_UNSEEN)
        return "what became of a bitmap hides behind another reason";
    return NULL;
}
