#include "world.h"

#include "brought.h"
#include "helpers.h"
#include "hold.h"
#include "qemu.h"
#include "still.h"

#include <stddef.h>
#include <string.h>

enum cost { FREE_STEP, FAULT, WRITE, NUDGE };

struct step {
    const char *name;
    bool (*function)(struct world *world, unsigned argument);
    unsigned argument;
    enum cost cost;
    unsigned weight;
};

#define ONE(name, function, argument, cost, weight)                                                \
    {                                                                                              \
        name, function, argument, cost, weight                                                     \
    }
#define PER_DISK(name, function, cost, weight)                                                     \
    ONE(name, function, 0, cost, weight), ONE(name, function, 1, cost, weight)
#define PER_BITMAP(name, function, cost, weight)                                                   \
    ONE(name, function, 0, cost, weight), ONE(name, function, 1, cost, weight),                    \
        ONE(name, function, 2, cost, weight), ONE(name, function, 3, cost, weight)
#define PER_BLOCK(name, function, cost, weight)                                                    \
    ONE(name, function, 0, cost, weight), ONE(name, function, 1, cost, weight),                    \
        ONE(name, function, 2, cost, weight), ONE(name, function, 3, cost, weight),                \
        ONE(name, function, 4, cost, weight), ONE(name, function, 5, cost, weight)
#define PER_WIRE(name, function, cost, weight) PER_BLOCK(name, function, cost, weight)

_Static_assert(DISKS == 2 && BITMAPS == 4 && DISKS * BLOCKS == 6 && 2 * WIRE == 6,
               "the table of steps counts them");

static const struct step steps[] = {
    ONE("source carries out", source_carry_out, 0, FREE_STEP, 16),
    ONE("source is answered", source_answer, 0, FREE_STEP, 16),
    ONE("source notices", source_notice, 0, FREE_STEP, 8),
    PER_DISK("source sees a drained mirror", source_poll, FREE_STEP, 8),
    ONE("destination carries out", dest_carry_out, 0, FREE_STEP, 16),
    ONE("destination is answered", dest_answer, 0, FREE_STEP, 16),
    ONE("destination notices", dest_notice, 0, FREE_STEP, 8),
    PER_WIRE("word arrives", deliver, FREE_STEP, 8),
    PER_DISK("mirror reads", mirror_start, FREE_STEP, 8),
    PER_DISK("mirror writes", mirror_land, FREE_STEP, 6),
    PER_DISK("mirror is ready", mirror_ready, FREE_STEP, 8),
    PER_DISK("mirror is restarted", mirror_restart, FREE_STEP, 2),
    PER_DISK("mirror ends", mirror_end, FREE_STEP, 8),
    ONE("migration begins", migration_begin, 0, FREE_STEP, 2),
    ONE("guest is paused", migration_pause, 0, FREE_STEP, 1),
    ONE("guest leaves", migration_leave, 0, FREE_STEP, 4),
    ONE("guest starts at the destination", migration_start, 0, FREE_STEP, 6),
    ONE("source helper starts again", source_restart, 0, FREE_STEP, 8),
    ONE("destination helper starts again", dest_restart, 0, FREE_STEP, 8),
    ONE("machine is shut off again", machine_stop, 0, FREE_STEP, 4),
    ONE("machine starts at the destination", machine_start_there, 0, FREE_STEP, 4),
    ONE("late enable", enable_late, 0, FREE_STEP, 2),

    PER_BLOCK("guest writes", guest_write, WRITE, 3),
    PER_BLOCK("guest zeroes", guest_zero, WRITE, 2),
    PER_BLOCK("guest discards", guest_discard, WRITE, 1),

    ONE("machine starts at the source", machine_start_here, 0, WRITE, 4),

    ONE("source is nudged", source_tell, BF_SOURCE_NUDGE, NUDGE, 4),
    ONE("destination is nudged", dest_tell, BF_DEST_NUDGE, NUDGE, 4),

    PER_BITMAP("bitmap is cleared", bitmap_clear, FAULT, 1),
    PER_BITMAP("bitmap is removed", bitmap_remove, FAULT, 1),
    PER_BITMAP("bitmap is toggled", bitmap_toggle, FAULT, 1),
    PER_BITMAP("another bitmap is merged into it", bitmap_merge, FAULT, 1),
    PER_BITMAP("bitmap is toggled while others are held", bitmap_toggle_behind, FAULT, 6),
    PER_DISK("mirror breaks", mirror_break, FAULT, 1),
    ONE("migration is cancelled", migration_cancel, 0, FAULT, 1),
    ONE("source QEMU dies", source_dies, 0, FAULT, 1),
    ONE("destination QEMU dies", dest_dies, 0, FAULT, 1),
    ONE("machine starts at the destination too early", machine_start_early, 0, FAULT, 2),
    ONE("guest resumes on the source", source_returns, 0, FAULT, 1),
    PER_WIRE("word is lost", lose, FAULT, 1),
    PER_WIRE("word arrives twice", duplicate, FAULT, 1),
    ONE("source is in doubt", source_in_doubt, 0, FAULT, 2),
    ONE("source is refused", source_refuse, 0, FAULT, 1),
    ONE("destination is in doubt", dest_in_doubt, 0, FAULT, 2),
    ONE("destination is refused", dest_refuse, 0, FAULT, 1),
    ONE("source helper is killed", source_crash, 0, FAULT, 1),
    ONE("source helper is killed, wish carried out", source_crash, 1, FAULT, 1),
    ONE("destination helper is killed", dest_crash, 0, FAULT, 1),
    ONE("destination helper is killed, wish carried out", dest_crash, 1, FAULT, 1),
    ONE("mirror never drains", source_tell, BF_SOURCE_TOO_BUSY, FAULT, 2),
    ONE("source's operator aborts", source_tell, BF_SOURCE_ABORT, FAULT, 1),
    ONE("destination's operator aborts", dest_tell, BF_DEST_ABORT, FAULT, 1),
    ONE("source's deadline", source_tell, BF_SOURCE_DEADLINE, FAULT, 1),
    ONE("destination's deadline", dest_tell, BF_DEST_DEADLINE, FAULT, 1),
};

unsigned world_nr_steps(void)
{
    return sizeof steps / sizeof steps[0];
}

const char *world_step_name(unsigned step, unsigned *ret_argument)
{
    *ret_argument = steps[step].argument;
    return steps[step].name;
}

unsigned world_step_weight(unsigned step)
{
    return steps[step].weight;
}

bool world_step_optional(unsigned step)
{
    return steps[step].cost != FREE_STEP;
}

const char *breakage_name(enum breakage breakage)
{
    static const char *const names[] = {
#define NAME(name) #name,
        BREAKAGES(NAME)
#undef NAME
    };

    return names[breakage];
}

const char *kind_name(const struct settings *settings)
{
    static const char *const names[] = {[BF_HANDOFF_TRACKER] = "tracker",
                                        [BF_HANDOFF_FREEZE] = "freeze",
                                        [BF_HANDOFF_STILL] = "still",
                                        [BF_HANDOFF_NATIVE] = "native"};

    return names[settings->kind];
}

void world_init(struct world *world, const struct settings *settings)
{
    memset(world, 0, sizeof *world);
    world->settings = *settings;
    world->source_qemu = 1;
    world->dest_qemu = 1;
    if (is_still(world))
        world->guest = SHUT_OFF;
    for (unsigned i = 0; i < settings->nr_disks; i++) {
        for (unsigned block = 0; block < settings->nr_blocks; block++)
            world->source_data[i][block] = (uint8_t)(block % 2);
        world->mirror[i].dirty = (uint8_t)((1u << settings->nr_blocks) - 1);
    }
    for (unsigned i = 0; i < settings->nr_bitmaps; i++) {
        world->user[i] = (struct qemu_bitmap){
            .there = 1, .recording = settings->recording[i] | settings->becomes_recording[i]};
        memcpy(world->base[i], world->source_data[settings->disk[i]], BLOCKS);
        /* it has seen a write of its last block, unless that is the only one */
        world->user[i].bits = (uint8_t)(1u << (settings->nr_blocks - 1) & ~1u);
        world->need[i] = world->user[i].bits;
        world->shadow[i] = world->user[i];
    }
    source_begin(world);
}

bool world_step(struct world *world, unsigned index)
{
    const struct step *step = &steps[index];

    if ((step->cost == FAULT && world->faults_left == 0) ||
        (step->cost == NUDGE && world->nudges_left == 0) || !step->function(world, step->argument))
        return false;
    world->faults_left = (uint8_t)(world->faults_left - (step->cost == FAULT));
    world->nudges_left = (uint8_t)(world->nudges_left - (step->cost == NUDGE));
    return true;
}

/* --- the invariant -------------------------------------------------------------------------------
 */

/* A backup from this bitmap, put on top of the one at the bitmap's beginning, must give the disk.
 */
static bool backup_is_whole(const struct world *world, unsigned bitmap)
{
    unsigned disk = world->settings.disk[bitmap];

    for (unsigned block = 0; block < world->settings.nr_blocks; block++) {
        bool excused = ((world->final[bitmap].bits | world->loose[disk]) >> block) & 1;

        if (!excused && world->dest_data[disk][block] != world->base[bitmap][block])
            return false;
    }
    return true;
}

/* What a recording bitmap must cover.  Two things keep a block of the source's bitmap from the
 * tracker without any loss: a TRIM that the destination ignores leaves the content of the block
 * open; and a mirror that skips zeroes does not tell that a zero came over a zero, or over what it
 * had not yet copied over a zero - but then the bitmap's beginning had a zero there, and the disk
 * has one.  (Of a bitmap that was off for a while the beginning is no measure.) */
static uint8_t must_cover(const struct world *world, unsigned bitmap)
{
    unsigned disk = world->settings.disk[bitmap];
    uint8_t need = world->need[bitmap];

    if (!world->final[bitmap].recording)
        return need;
    need &= (uint8_t)~world->loose[disk];
    for (unsigned block = 0; block < world->settings.nr_blocks; block++) {
        if (world->settings.skips_zeroes && world->dest_data[disk][block] == 0 &&
            (world->base[bitmap][block] == 0 || (world->gapped >> bitmap & 1)))
            need &= (uint8_t) ~(1u << block);
    }
    return need;
}

/* What QEMU has brought is nobody's fault until the destination's helper answers for it. */
static bool is_answered_for(const struct world *world, unsigned bitmap)
{
    const struct qemu_bitmap *final = &world->final[bitmap];

    if (!world->dest_qemu || !final->there || final->stale ||
        (is_still(world) && !still_is_settled(world)))
        return false;
    if (is_brought(world) && world->proof[bitmap] == BY_COUNT)
        return false; /* which is told as the weaker proof that it is */
    return !final->native || (world->dest_helper == HELPER_ALIVE &&
                              world->dest_bitmaps[bitmap].drop == BF_DROP_NATIVE);
}

static const char *check_published(const struct world *world, unsigned bitmap)
{
    const struct qemu_bitmap *final = &world->final[bitmap];
    uint8_t need = must_cover(world, bitmap);

    if (world->guest != AT_DEST && !is_still(world))
        return "a bitmap is published although the guest is not at the destination";
    if ((final->bits & need) != need)
        return "a published bitmap misses a dirty block";
    if (world->user[bitmap].recording && !final->recording)
        return "a published bitmap does not record";
    if (final->recording && !(world->gapped >> bitmap & 1) && !backup_is_whole(world, bitmap))
        return "a backup from a published bitmap misses a changed block";
    return NULL;
}

const char *world_check(const struct world *world)
{
    for (unsigned i = 0; i < world->settings.nr_bitmaps; i++) {
        const char *wrong = NULL;

        if (is_answered_for(world, i))
            wrong = check_published(world, i);
        if (wrong)
            return wrong;
    }
    return world->broken ? world->broken : hold_check(world);
}

bool world_ended(const struct world *world)
{
    return world->source_helper == HELPER_ALIVE && world->source.state == BF_SOURCE_ENDED &&
           (world->dest_helper == HELPER_NONE ||
            (world->dest_helper == HELPER_ALIVE && world->dest.state == BF_DEST_ENDED));
}

static bool nothing_left(const struct world *world)
{
    static const struct qemu_bitmap none[BITMAPS];

    return memcmp(world->snapshot, none, sizeof world->snapshot) == 0 &&
           memcmp(world->delta, none, sizeof world->delta) == 0 &&
           memcmp(world->held, none, sizeof world->held) == 0 &&
           memcmp(world->left, none, sizeof world->left) == 0 &&
           memcmp(world->twin, none, sizeof world->twin) == 0 &&
           memcmp(world->loaded, none, sizeof world->loaded) == 0 &&
           memcmp(world->dest_delta, none, sizeof world->dest_delta) == 0 &&
           memcmp(world->tracker, none, sizeof world->tracker) == 0 && world->served == 0 &&
           world->served_delta == 0;
}

/* Is there one of QEMU's exactly where the destination says so?  Before the guest has come, and
 * where the helper had given up by then, it says nothing. */
static const char *check_native(const struct world *world, unsigned bitmap, bool committed)
{
    uint8_t drop = world->dest_bitmaps[bitmap].drop;
    bool reported = drop == BF_DROP_NATIVE || drop == BF_DROP_NATIVE_UNPROVEN;

    if (world->final[bitmap].native && !reported && committed)
        return "a bitmap that QEMU brought is neither proven nor removed";
    if (world->final[bitmap].native == NATIVE_OLD && drop == BF_DROP_NATIVE_UNPROVEN)
        return "an old bitmap is taken for one that came with the move";
    if (!world->final[bitmap].native && reported)
        return "a bitmap that QEMU brought is reported, but gone";
    if (world->source.outcome == BF_OUTCOME_COMMITTED && committed &&
        (drop == BF_DROP_NATIVE) != (world->source_bitmaps[bitmap].drop == BF_DROP_NATIVE))
        return "the source does not know what QEMU has brought";
    return committed && is_brought(world) ? brought_check_end(world, bitmap) : NULL;
}

static const char *check_report(const struct world *world)
{
    bool committed =
        world->dest_helper == HELPER_ALIVE && world->dest.outcome == BF_OUTCOME_COMMITTED;

    for (unsigned i = 0; i < world->settings.nr_bitmaps && world->dest_qemu; i++) {
        bool reported = committed && world->dest_bitmaps[i].drop == BF_DROP_NONE;

        const char *wrong = check_native(world, i, committed);

        if (wrong)
            return wrong;
        if (world->final[i].there && world->final[i].native)
            continue;
        if (world->final[i].there && world->final[i].stale) {
            if (world->guest == AT_DEST && committed)
                return "a bitmap of a former visit is left";
        } else if (reported != (bool)world->final[i].there) {
            return "the destination's report differs from what is there";
        }
        if (world->source.outcome == BF_OUTCOME_COMMITTED &&
            (world->source_bitmaps[i].drop == BF_DROP_NONE) != reported)
            return "the source's report differs from the destination's";
        if (world->source.outcome == BF_OUTCOME_ABORTED && reported && !world->in_vain)
            return "the source calls a move aborted that is committed";
    }
    return NULL;
}

const char *world_check_end(const struct world *world)
{
    const char *wrong;

    if (!nothing_left(world))
        return "temporaries are left";
    if (is_still(world) && world->source.outcome == BF_OUTCOME_COMMITTED &&
        world->source_runs != world->source_stamp)
        return "the bitmaps of a machine that has run at the source were given away";
    for (unsigned i = 0; i < world->settings.nr_bitmaps; i++) {
        if (world->dest_helper == HELPER_ALIVE && world->dest.outcome == BF_OUTCOME_OPEN)
            return "the destination ends without an outcome";
        if (world->source.outcome == BF_OUTCOME_ABORTED &&
            world->source_bitmaps[i].drop == BF_DROP_NONE)
            return "the source does not say why a bitmap was not carried";
    }
    wrong = hold_check_end(world);
    return wrong ? wrong : check_report(world);
}

bool world_push(struct world *world, unsigned round)
{
    bool source_took = false;
    bool dest_took = false;

    if (round < 3) {
        source_took = source_tell(world, BF_SOURCE_NUDGE);
        dest_took = dest_tell(world, BF_DEST_NUDGE);
        return source_took || dest_took;
    }
    /* the helper that has less to lose first; each later one only if that was not enough */
    if (round < 5)
        return source_tell(world, BF_SOURCE_DEADLINE);
    if (round < 8)
        return dest_tell(world, BF_DEST_DEADLINE);
    if (round >= 10)
        return false;
    source_took = source_tell(world, BF_SOURCE_DEADLINE);
    dest_took = dest_tell(world, BF_DEST_DEADLINE);
    return dest_tell(world, BF_DEST_ABORT) || dest_took || source_took;
}

static uint64_t mix(uint64_t hash, uint64_t word)
{
    hash = (hash ^ word) * UINT64_C(0x9fb21c651e98df25);
    return hash ^ (hash >> 29);
}

static uint64_t mix_bytes(uint64_t hash, const void *bytes, size_t nr_bytes)
{
    const unsigned char *from = bytes;
    uint64_t word = 0;

    for (; nr_bytes >= sizeof word; from += sizeof word, nr_bytes -= sizeof word) {
        memcpy(&word, from, sizeof word);
        hash = mix(hash, word);
    }
    word = 0;
    memcpy(&word, from, nr_bytes);
    return mix(hash, word);
}

/* Field by field: there is padding between them, which nobody fills. */
static uint64_t mix_source(uint64_t hash, const struct bf_source *source)
{
    const uint64_t words[] = {
        source->state,
        source->outcome,
        source->reason,
        source->epoch,
        source->step,
        source->resumed_from,
        source->giving_up,
        source->tries,
        (uint64_t)source->copies_left | (uint64_t)source->asked << 1 | (uint64_t)source->say << 2 |
            (uint64_t)source->with_delta << 3 | (uint64_t)source->paused << 4 |
            (uint64_t)source->switched << 5 | (uint64_t)source->voided << 6 |
            (uint64_t)source->too_busy << 7 | (uint64_t)source->migrating << 8 |
            (uint64_t)source->hold_tried << 9 | (uint64_t)source->held << 10 |
            (uint64_t)source->caught_up << 11 | (uint64_t)source->travelled << 12 |
            (uint64_t)source->early << 13,
    };

    return mix_bytes(hash, words, sizeof words);
}

static uint64_t mix_dest(uint64_t hash, const struct bf_dest *dest)
{
    const uint64_t words[] = {
        dest->state,
        dest->outcome,
        dest->reason,
        dest->epoch,
        dest->step,
        dest->next_epoch,
        dest->wanted,
        dest->resumed_from,
        dest->giving_up,
        dest->tries,
        (uint64_t)dest->asked | (uint64_t)dest->say << 1 | (uint64_t)dest->armed << 2 |
            (uint64_t)dest->deltas << 3 | (uint64_t)dest->with_delta << 4 |
            (uint64_t)dest->guest_runs << 5 | (uint64_t)dest->published << 6 |
            (uint64_t)dest->delta_whole << 7,
    };

    return mix_bytes(hash, words, sizeof words);
}

uint64_t world_hash(const struct world *world)
{
    uint64_t hash = UINT64_C(0x243f6a8885a308d3);

    /* up to the machines it is all bytes */
    hash = mix_bytes(hash, world, offsetof(struct world, wire) + sizeof world->wire);
    hash = mix_source(hash, &world->source);
    hash = mix_dest(hash, &world->dest);
    hash = mix_bytes(hash, world->source_disks, sizeof world->source_disks);
    hash = mix_bytes(hash, world->source_bitmaps, sizeof world->source_bitmaps);
    hash = mix_bytes(hash, world->dest_bitmaps, sizeof world->dest_bitmaps);
    return mix(hash, (uint64_t)world->writes_left << 16 | (uint64_t)world->faults_left << 8 |
                         world->nudges_left);
}
