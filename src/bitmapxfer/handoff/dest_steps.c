#include "dest_steps.h"
#include "dest_table.h"
#include "set.h"

static struct bf_handoff_set set_of(const struct bf_dest *dest)
{
    return (struct bf_handoff_set){dest->bitmaps, dest->nr_bitmaps};
}

bool bf_dest_has(const struct bf_dest *dest, enum bf_round round)
{
    struct bf_handoff_set set = set_of(dest);

    return bf_set_has(&set, round);
}

void bf_dest_drop(struct bf_dest *dest, enum bf_round round, enum bf_drop reason)
{
    struct bf_handoff_set set = set_of(dest);

    bf_set_drop(&set, round, reason);
}

void bf_dest_merge(struct bf_dest *dest, const uint8_t *drops)
{
    struct bf_handoff_set set = set_of(dest);

    bf_set_merge(&set, drops);
}

/* Every change of state goes through here; a new ticket makes answers to what was wished before
 * late ones. */
void bf_dest_set_state(struct bf_dest *dest, enum bf_dest_state state)
{
    if (dest->trace)
        dest->trace(dest->trace_ctx, dest->state, state);
    dest->state = state;
    dest->ticket++;
    dest->asked = false;
    dest->say = false;
}

void bf_dest_begin_epoch(struct bf_dest *dest, uint32_t epoch)
{
    struct bf_handoff_set set = set_of(dest);

    bf_set_restart(&set); /* what was found in older epochs is found again, or is no more */
    dest->epoch = epoch;
    dest->next_epoch = 0;
    dest->step = BF_STEP_NONE;
    dest->wanted = BF_STEP_OFFER;
    dest->armed = false;
    dest->deltas = false;
    dest->tries = 0;
    bf_dest_set_state(dest, BF_DEST_ACCEPTING);
}

void bf_dest_finish_step(struct bf_dest *dest, enum bf_dest_state state)
{
    dest->step = dest->wanted;
    bf_dest_set_state(dest, state);
    dest->say = true;
}

enum bf_round bf_dest_round_of(enum bf_step step)
{
    switch ((int)step) {
    case BF_STEP_FROZEN:
        return BF_ROUND_FROZEN;
    case BF_STEP_RECORDING:
        return BF_ROUND_RECORDING;
    case BF_STEP_DELTA:
        return BF_ROUND_DELTA;
    default:
        return BF_ROUND_NONE;
    }
}

bool bf_dest_wants_any(const struct bf_dest *dest, enum bf_round round)
{
    for (uint32_t i = 0; i < dest->nr_bitmaps; i++) {
        if (bf_dest_wants(dest, round, i))
            return true;
    }
    return false;
}

void bf_dest_start_step(struct bf_dest *dest, const struct bf_word *word)
{
    enum bf_round round = bf_dest_round_of(word->step);

    bf_dest_merge(dest, word->drops);
    dest->wanted = word->step;
    dest->tries = 0;
    if (word->step == BF_STEP_SEAL) {
        dest->with_delta = word->with_delta;
        dest->delta_whole = word->delta_whole;
        bf_dest_set_state(dest, BF_DEST_AWAITING_GUEST);
    } else if (round != BF_ROUND_NONE && bf_dest_wants_any(dest, round)) {
        bf_dest_set_state(dest, BF_DEST_PULLING);
    } else if (round == BF_ROUND_NONE && !dest->armed && bf_dest_has(dest, BF_ROUND_RECORDING)) {
        bf_dest_set_state(dest, BF_DEST_ARMING);
    } else {
        bf_dest_finish_step(dest, BF_DEST_IDLE);
    }
}

void bf_dest_note_loaded(struct bf_dest *dest)
{
    enum bf_round round = bf_dest_round_of(dest->wanted);

    if (round == BF_ROUND_DELTA)
        dest->deltas = true;
    for (uint32_t i = 0; i < dest->nr_bitmaps && round != BF_ROUND_DELTA; i++) {
        if (bf_dest_wants(dest, round, i))
            dest->bitmaps[i].flags |= BF_SET_LOADED;
    }
    bf_dest_finish_step(dest, BF_DEST_IDLE);
}

void bf_dest_want_abort(struct bf_dest *dest, enum bf_drop reason)
{
    if (dest->giving_up == BF_DROP_NONE || reason == BF_DROP_PEER_ABORTED)
        dest->giving_up = reason;
}

void bf_dest_abandon(struct bf_dest *dest)
{
    dest->reason = dest->giving_up;
    dest->outcome = BF_OUTCOME_ABORTED;
    bf_dest_set_state(dest, BF_DEST_ABANDONING);
}

/* What is published stays, unless the source says that the guest is there. */
static void give_up_committed(struct bf_dest *dest)
{
    enum bf_drop reason = dest->giving_up;

    dest->giving_up = BF_DROP_NONE;
    switch ((int)reason) {
    case BF_DROP_PEER_ABORTED:
        dest->giving_up = reason;
        bf_dest_abandon(dest);
        break;
    case BF_DROP_SOURCE_SILENT:
        bf_dest_set_state(dest, BF_DEST_ENDING);
        break;
    case BF_DROP_DEST_QEMU_GONE: /* and the published bitmaps with it */
        bf_dest_drop(dest, BF_ROUND_NONE, reason);
        dest->say = true;
        break;
    default:
        break;
    }
}

void bf_dest_interrupt(struct bf_dest *dest)
{
    unsigned traits = bf_dest_row(dest->state)->traits;

    if (!(traits & BF_DEST_FREE))
        return;
    if (dest->giving_up != BF_DROP_NONE) {
        if (dest->state == BF_DEST_COMMITTED)
            give_up_committed(dest);
        else
            bf_dest_abandon(dest);
    } else if (dest->next_epoch > dest->epoch && (traits & BF_DEST_EPOCH)) {
        bf_dest_begin_epoch(dest, dest->next_epoch);
    }
}
