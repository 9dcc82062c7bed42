#include "helpers.h"

#include <string.h>

void put_on_wire(struct world *world, unsigned direction, const struct bf_word *word,
                 const struct bf_handoff_bitmap *bitmaps)
{
    struct wire_word *wire = world->wire[direction];
    struct wire_word new = {.used = 1,
                            .epoch = (uint8_t)word->epoch,
                            .step = (uint8_t)word->step,
                            .with_delta = word->with_delta,
                            .delta_whole = word->delta_whole};

    for (unsigned i = 0; i < BITMAPS; i++)
        new.drops[i] = bitmaps[i].drop;
    for (unsigned i = 0; i < WIRE; i++) {
        if (!wire[i].used || memcmp(&wire[i], &new, sizeof new) == 0) {
            wire[i] = new;
            return;
        }
    }
    memmove(wire, wire + 1, (WIRE - 1) * sizeof *wire);
    wire[WIRE - 1] = new;
}

struct bf_word heard_word(const struct wire_word *word)
{
    return (struct bf_word){
        .epoch = word->epoch,
        .step = (enum bf_step)word->step,
        .with_delta = word->with_delta,
        .delta_whole = word->delta_whole,
        .drops = word->drops,
    };
}

static void arrive(struct world *world, unsigned direction, struct wire_word word)
{
    struct bf_word heard = heard_word(&word);

    if (direction == 0) {
        dest_arrive(world, &word);
        return;
    }
    if (world->settings.breakage == BREAK_TRUST_OLD_EPOCH)
        heard.epoch = world->source.epoch;
    source_feed(world, &(struct bf_source_fact){.kind = BF_SOURCE_HEARD, .word = heard});
}

bool deliver(struct world *world, unsigned which)
{
    struct wire_word word = world->wire[which / WIRE][which % WIRE];

    if (!word.used)
        return false;
    world->wire[which / WIRE][which % WIRE] = (struct wire_word){0};
    arrive(world, which / WIRE, word);
    return true;
}

bool lose(struct world *world, unsigned which)
{
    if (!world->wire[which / WIRE][which % WIRE].used)
        return false;
    world->wire[which / WIRE][which % WIRE] = (struct wire_word){0};
    return true;
}

bool duplicate(struct world *world, unsigned which)
{
    if (!world->wire[which / WIRE][which % WIRE].used)
        return false;
    arrive(world, which / WIRE, world->wire[which / WIRE][which % WIRE]);
    return true;
}
