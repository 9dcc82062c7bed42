#include "still.h"

#include "helpers.h"
#include "qemu.h"

#include <string.h>

enum {
    RUNS_MAX = 2, /* of the machine at the source, so that searches end */
};

bool is_still(const struct world *world)
{
    return world->settings.kind == BF_HANDOFF_STILL;
}

/* --- who runs it ---------------------------------------------------------------------------------
 */

/* Once the source has confirmed, nobody would start the machine there. */
static bool is_given_away(const struct world *world)
{
    const struct kept_record *record = &world->source_journal.record;

    return world->source.outcome == BF_OUTCOME_COMMITTED || record->mark == BF_MARK_COMMITTED ||
           record->outcome == BF_OUTCOME_COMMITTED;
}

/* Is there a lock, and no later look that would tell of one who does not care for it? */
static bool is_locked(const struct world *world)
{
    return world->source_helper == HELPER_ALIVE && world->source.state > BF_SOURCE_EXAMINING &&
           world->source.state != BF_SOURCE_ENDED;
}

/* What happened before the move had begun is what it offers. */
bool machine_start_here(struct world *world, unsigned unused)
{
    (void)unused;
    if (world->guest != SHUT_OFF || !world->source_journal.written ||
        world->source_runs >= RUNS_MAX || is_given_away(world) || is_locked(world))
        return false;
    world->source_runs++;
    world->guest = AT_SOURCE;
    return true;
}

bool machine_stop(struct world *world, unsigned unused)
{
    (void)unused;
    if (!is_still(world) || world->guest != AT_SOURCE)
        return false;
    world->guest = SHUT_OFF;
    return true;
}

/* Nobody starts a copy that is older than the machine. */
static bool can_start_there(const struct world *world)
{
    return world->guest == SHUT_OFF && world->copied && world->copied_runs == world->source_runs;
}

static bool dest_is_done(const struct world *world)
{
    return world->dest_helper == HELPER_ALIVE &&
           (world->dest.state == BF_DEST_COMMITTED || world->dest.state == BF_DEST_ENDED);
}

bool machine_start_there(struct world *world, unsigned unused)
{
    (void)unused;
    if (!can_start_there(world) || !dest_is_done(world))
        return false;
    world->guest = AT_DEST;
    return true;
}

bool machine_start_early(struct world *world, unsigned unused)
{
    (void)unused;
    if (!can_start_there(world) || dest_is_done(world))
        return false;
    world->guest = AT_DEST;
    return true;
}

bool still_is_settled(const struct world *world)
{
    return world->guest == AT_DEST || world->source.outcome == BF_OUTCOME_COMMITTED;
}

/* --- the source's helper -------------------------------------------------------------------------
 */

static bool has_run_here(const struct world *world)
{
    return (world->guest == AT_SOURCE || world->source_runs != world->source_stamp) &&
           world->settings.breakage != BREAK_SOURCE_RAN_UNNOTICED;
}

void still_open(struct world *world)
{
    world->source_stamp = world->source_runs;
    world->source_lost = 0;
    world->source_told = 0;
}

void still_reopen(struct world *world)
{
    world->source_lost =
        has_run_here(world) && world->source_journal.record.mark != BF_MARK_COMMITTED;
    world->source_told = 0;
}

static bool carries_any(const struct world *world)
{
    for (unsigned i = 0; i < world->settings.nr_bitmaps; i++) {
        if (world->source_bitmaps[i].drop == BF_DROP_NONE)
            return true;
    }
    return false;
}

/* Of images that nobody writes to the machine is told that they are paused, and, when all is done,
 * that they have left. */
bool still_follow(struct world *world)
{
    enum bf_source_fact_kind kind = world->source_lost ? BF_SOURCE_KEPT : BF_SOURCE_PAUSED;

    if (world->source_told && world->source.state != BF_SOURCE_STOPPED)
        return false;
    if (world->source_told)
        kind = carries_any(world) ? BF_SOURCE_SWITCHED : BF_SOURCE_KEPT;
    world->source_told = 1;
    source_feed(world, &(struct bf_source_fact){.kind = kind});
    return true;
}

void still_serve(struct world *world)
{
    for (unsigned i = 0; i < world->settings.nr_bitmaps; i++) {
        if (world->source_bitmaps[i].drop != BF_DROP_NONE)
            continue;
        if (!world->user[i].there) {
            world->source_action.drops[i] = BF_DROP_SERVE_FAILED;
            continue;
        }
        world->served_bits[i] = world->user[i].bits;
        world->served |= (uint8_t)(1u << i);
    }
    world->served_epoch = (uint8_t)world->source.epoch;
}

void still_answer_inspect(struct world *world)
{
    uint8_t drops[BITMAPS] = {0};
    bool resuming = world->source.state == BF_SOURCE_RESUMING;
    enum bf_source_guest guest = BF_SOURCE_GUEST_PAUSED;

    if (resuming && world->source_journal.record.mark == BF_MARK_SEALED)
        guest = world->source_lost ? BF_SOURCE_GUEST_HERE : BF_SOURCE_GUEST_LEFT;
    if (!resuming && has_run_here(world))
        memset(drops, BF_DROP_BITMAP_CHANGED, world->settings.nr_bitmaps);
    source_feed(world, &(struct bf_source_fact){.kind = BF_SOURCE_INSPECTED,
                                                .drops = drops,
                                                .guest = guest,
                                                .snapshots_found = !resuming});
}

/* --- the destination's helper --------------------------------------------------------------------
 */

/* The copy may hold bitmaps of its own: of a former visit, or as they were on the source. */
bool still_copy(struct world *world)
{
    if (world->copied)
        return true;
    if (world->guest != SHUT_OFF)
        return false;
    world->copied = 1;
    world->copied_runs = world->source_runs;
    memcpy(world->dest_data, world->source_data, sizeof world->dest_data);
    for (unsigned i = 0; i < world->settings.nr_bitmaps && world->settings.stale; i++)
        world->final[i] = (struct qemu_bitmap){.there = 1, .recording = 1, .stale = 1};
    return true;
}

static bool is_touched(const struct world *world)
{
    return world->guest == AT_DEST && world->settings.breakage != BREAK_COPY_RAN_UNNOTICED;
}

static bool carried(const struct world *world, unsigned bitmap)
{
    return world->dest_bitmaps[bitmap].drop == BF_DROP_NONE;
}

static bool has_carrier(const struct world *world, unsigned bitmap)
{
    return world->loaded[bitmap].there && world->loaded[bitmap].epoch == world->dest.epoch;
}

static bool is_made(const struct world *world, unsigned bitmap)
{
    const struct qemu_bitmap *final = &world->final[bitmap];

    return final->there && !final->stale && final->bits == world->loaded[bitmap].bits &&
           final->recording == world->settings.becomes_recording[bitmap];
}

/* All that is carried of the image is in it. */
static bool image_is_done(const struct world *world, unsigned disk)
{
    for (unsigned i = 0; i < world->settings.nr_bitmaps; i++) {
        if (world->settings.disk[i] == disk && carried(world, i) && !is_made(world, i))
            return false;
    }
    return true;
}

/* All of one image or nothing of it, whatever stood there of that name. */
static void install(struct world *world, unsigned disk)
{
    for (unsigned i = 0; i < world->settings.nr_bitmaps; i++) {
        if (world->settings.disk[i] != disk || !carried(world, i))
            continue;
        if (!has_carrier(world, i))
            broken(world, "a bitmap is put into an image without its bits");
        world->final[i] = (struct qemu_bitmap){.there = 1,
                                               .recording = world->settings.becomes_recording[i],
                                               .bits = world->loaded[i].bits};
    }
}

static void commit(struct world *world)
{
    bool done = false;

    for (unsigned i = 0; i < world->settings.nr_disks; i++) {
        if (image_is_done(world, i))
            continue;
        if (done) {
            world->dest_action.carried_out = 0;
            return;
        }
        world->dest_action.failed = is_touched(world);
        if (world->dest_action.failed)
            return;
        install(world, i);
        done = true;
    }
}

void still_make_carriers(struct world *world)
{
    for (unsigned i = 0; i < world->settings.nr_bitmaps; i++) {
        if (bf_dest_wants(&world->dest, BF_ROUND_FROZEN, i))
            world->loaded[i] = (struct qemu_bitmap){
                .there = 1, .bits = world->pulled_bits[i], .epoch = (uint8_t)world->dest.epoch};
    }
}

bool still_carry_out(struct world *world)
{
    struct action *action = &world->dest_action;

    switch ((int)action->kind) {
    case BF_DEST_LOAD: /* a rehearsal */
        if (is_touched(world))
            memset(action->drops, BF_DROP_LOAD_REFUSED, world->settings.nr_bitmaps);
        return true;
    case BF_DEST_REMOVE_STALE:
        action->failed = is_touched(world);
        return action->failed;
    case BF_DEST_COMMIT:
        commit(world);
        return true;
    default:
        return false;
    }
}

/* A destination that has published and waits for no source any more cannot be told that the machine
 * ran there after all.  What it has fits its own copy. */
void still_note_patience(struct world *world, unsigned fact)
{
    if (is_still(world) && fact == BF_DEST_DEADLINE && world->dest.state == BF_DEST_COMMITTED)
        world->in_vain = 1;
}

/* Until it is written down that all went well only they can prove what is in the images. */
bool still_keeps_carriers(const struct world *world)
{
    return is_still(world) && world->dest.state == BF_DEST_TIDYING;
}

static bool all_done(const struct world *world)
{
    for (unsigned i = 0; i < world->settings.nr_disks; i++) {
        if (!image_is_done(world, i))
            return false;
    }
    return true;
}

static uint8_t look(const struct world *world, unsigned bitmap)
{
    uint8_t carrier = has_carrier(world, bitmap) ? BF_FOUND_SNAPSHOT : 0;
    uint8_t name = world->final[bitmap].there ? BF_FOUND_FINAL : 0;

    switch ((int)world->dest.state) {
    case BF_DEST_SURVEYING_OFFER:
        return 0;
    case BF_DEST_DOUBTING_COMMIT:
        return all_done(world) ? name : carrier;
    case BF_DEST_SURVEYING_UNDO:
        return name;
    case BF_DEST_SURVEYING:
        return (uint8_t)(carrier | (carried(world, bitmap) ? 0 : name));
    default:
        return carrier;
    }
}

void still_answer_dest_inspect(struct world *world)
{
    uint8_t found[BITMAPS] = {0};

    for (unsigned i = 0; i < world->settings.nr_bitmaps; i++)
        found[i] = look(world, i);
    dest_feed(world, &(struct bf_dest_fact){.kind = BF_DEST_INSPECTED,
                                            .found = found,
                                            .trackers_found = true,
                                            .deltas_found = true});
}
