#include "set.h"
#include "source_steps.h"
#include "source_table.h"

static struct bf_handoff_set set_of(const struct bf_source *source)
{
    return (struct bf_handoff_set){source->bitmaps, source->nr_bitmaps};
}

bool bf_source_has(const struct bf_source *source, enum bf_round round)
{
    struct bf_handoff_set set = set_of(source);

    return bf_set_has(&set, round);
}

void bf_source_drop(struct bf_source *source, enum bf_round round, enum bf_drop reason)
{
    struct bf_handoff_set set = set_of(source);

    bf_set_drop(&set, round, reason);
}

void bf_source_merge(struct bf_source *source, const uint8_t *drops)
{
    struct bf_handoff_set set = set_of(source);

    bf_set_merge(&set, drops);
}

/* Every change of state goes through here; a new ticket makes answers to what was wished before
 * late ones. */
void bf_source_set_state(struct bf_source *source, enum bf_source_state state)
{
    const struct bf_source_row *row = bf_source_row(state);

    if (source->trace)
        source->trace(source->trace_ctx, source->state, state);
    source->state = state;
    source->ticket++;
    source->asked = false;
    source->say = row->step != BF_STEP_NONE; /* never a word of a state that was left */
    if (source->say)
        source->step = row->step;
}

void bf_source_begin_epoch(struct bf_source *source)
{
    struct bf_handoff_set set = set_of(source);

    source->epoch++;
    source->step = BF_STEP_NONE;
    source->say = false;
    source->tries = 0;
    source->voided = false;
    source->too_busy = false;
    source->with_delta = false;
    source->travelled = false;
    source->caught_up = false;
    source->hold_tried = false;
    source->held = false;
    for (uint32_t i = 0; i < source->nr_disks; i++)
        source->disks[i].drained = false;
    bf_set_restart(&set);
    bf_source_set_state(source, BF_SOURCE_BEGINNING);
}

void bf_source_go_recording(struct bf_source *source)
{
    if (source->switched)
        bf_source_drop(source, BF_ROUND_RECORDING, BF_DROP_SWITCHED_EARLY);
    source->with_delta = bf_source_has(source, BF_ROUND_RECORDING);
    if (!source->with_delta)
        bf_source_set_state(source, BF_SOURCE_INSTALLED);
    else if (source->kind == BF_HANDOFF_TRACKER && !source->early)
        bf_source_set_state(source, BF_SOURCE_AWAITING_READY);
    else
        bf_source_set_state(source, BF_SOURCE_SNAPPING);
}

void bf_source_go_tracker(struct bf_source *source)
{
    bool tracked = source->kind == BF_HANDOFF_TRACKER && bf_source_has(source, BF_ROUND_RECORDING);

    source->travelled = true;
    bf_source_set_state(source, tracked ? BF_SOURCE_AWAITING_READY : BF_SOURCE_INSTALLED);
}

/* Snapshots and deltas only prove what QEMU brings.  Of frozen bitmaps the digest does. */
static void go_native(struct bf_source *source)
{
    source->with_delta = !source->switched && bf_source_has(source, BF_ROUND_RECORDING);
    bf_source_set_state(source, source->with_delta ? BF_SOURCE_SNAPPING : BF_SOURCE_INSTALLED);
}

void bf_source_go_frozen(struct bf_source *source)
{
    if (source->kind == BF_HANDOFF_NATIVE) {
        go_native(source);
        return;
    }
    if (source->switched)
        bf_source_drop(source, BF_ROUND_FROZEN, BF_DROP_SWITCHED_EARLY);
    if (bf_source_has(source, BF_ROUND_FROZEN))
        bf_source_set_state(source, BF_SOURCE_SNAPPING_FROZEN);
    else
        bf_source_go_recording(source);
}

void bf_source_go_delta(struct bf_source *source)
{
    if (source->with_delta && !source->caught_up && bf_source_has(source, BF_ROUND_RECORDING))
        bf_source_set_state(source, BF_SOURCE_SERVING_DELTA);
    else
        bf_source_go_stopped(source);
}

/* What QEMU brings is judged where it arrives: it may be on its way already, and a reason from here
 * would hide what became of it.  What is held was judged when it was taken away; frozen ones never
 * are. */
void bf_source_go_stopped(struct bf_source *source)
{
    bool examined = source->kind == BF_HANDOFF_NATIVE ||
                    (source->held && !bf_source_has(source, BF_ROUND_FROZEN));

    bf_source_set_state(source, examined ? BF_SOURCE_STOPPED : BF_SOURCE_EXAMINING);
}

/* The same is true of what only proves it. */
void bf_source_go_unproven(struct bf_source *source)
{
    bool paused =
        source->state == BF_SOURCE_SERVING_DELTA || source->state == BF_SOURCE_LOADING_DELTA;

    source->with_delta = false;
    bf_source_set_state(source, paused ? BF_SOURCE_STOPPED : BF_SOURCE_INSTALLED);
}

static void leave_installed(struct bf_source *source)
{
    if (source->kind == BF_HANDOFF_FREEZE && bf_source_has(source, BF_ROUND_RECORDING))
        bf_source_set_state(source, BF_SOURCE_ARMING_PAUSED);
    else
        bf_source_go_delta(source);
}

static bool disk_matters(const struct bf_source *source, uint32_t disk)
{
    for (uint32_t i = 0; i < source->nr_bitmaps; i++) {
        const struct bf_handoff_bitmap *bitmap = &source->bitmaps[i];

        if (bitmap->disk == disk && bitmap->recording && bitmap->drop == BF_DROP_NONE)
            return true;
    }
    return false;
}

static bool all_ready(const struct bf_source *source)
{
    for (uint32_t i = 0; i < source->nr_disks; i++) {
        if (!source->disks[i].ready && disk_matters(source, i))
            return false;
    }
    return true;
}

static bool all_drained(const struct bf_source *source)
{
    for (uint32_t i = 0; i < source->nr_disks; i++) {
        if (!source->disks[i].drained && disk_matters(source, i))
            return false;
    }
    return true;
}

/* Too late in the pause: then QEMU stores what is persistent, and all is examined. */
static bool may_hold(const struct bf_source *source)
{
    return source->kind == BF_HANDOFF_TRACKER && source->migrating && !source->hold_tried &&
           !source->paused && !source->switched && bf_source_has(source, BF_ROUND_RECORDING);
}

static void proceed_installed(struct bf_source *source)
{
    if (may_hold(source)) {
        source->hold_tried = true;
        bf_source_set_state(source, BF_SOURCE_HOLDING);
    } else if (source->paused || source->switched) {
        leave_installed(source);
    }
}

static void proceed_awaiting_ready(struct bf_source *source)
{
    if (source->switched) { /* where the guest runs now, nothing has recorded yet */
        bf_source_drop(source, BF_ROUND_RECORDING, BF_DROP_SWITCHED_EARLY);
        bf_source_set_state(source, BF_SOURCE_INSTALLED);
    } else if (all_ready(source)) {
        bf_source_set_state(source, source->travelled ? BF_SOURCE_ARMING : BF_SOURCE_SNAPPING);
    }
}

/* In the pause the deltas can be had whole, and are asked for on the way from INSTALLED. */
static void proceed_draining(struct bf_source *source)
{
    if (source->paused || source->switched || source->too_busy ||
        !bf_source_has(source, BF_ROUND_RECORDING)) {
        bf_source_set_state(source, BF_SOURCE_INSTALLED);
    } else if (all_drained(source)) {
        source->caught_up = true;
        bf_source_set_state(source, BF_SOURCE_CATCHING_UP);
    }
}

void bf_source_proceed(struct bf_source *source)
{
    if (source->state == BF_SOURCE_AWAITING_READY)
        proceed_awaiting_ready(source);
    if (source->state == BF_SOURCE_DRAINING)
        proceed_draining(source);
    if (source->state == BF_SOURCE_INSTALLED)
        proceed_installed(source);
    if (source->state == BF_SOURCE_STOPPED && source->switched)
        bf_source_set_state(source, BF_SOURCE_SEALING);
}
