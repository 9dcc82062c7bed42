#include "handoff/dest.h"

#include "dest_steps.h"
#include "dest_table.h"
#include "set.h"

#include <string.h>

static void hear_ended(struct bf_dest *dest, const struct bf_word *word)
{
    if (word->epoch > dest->epoch)
        dest->epoch = word->epoch;
    dest->say = word->step != BF_STEP_RETIRED;
}

/* The drops of an offer that must wait come again with the next words. */
static void hear_offer(struct bf_dest *dest, const struct bf_word *word)
{
    if (word->step != BF_STEP_OFFER || word->epoch <= dest->next_epoch)
        return;
    dest->next_epoch = word->epoch;
    bf_dest_interrupt(dest);
    if (dest->epoch == word->epoch)
        bf_dest_merge(dest, word->drops);
}

static void hear_step(struct bf_dest *dest, const struct bf_word *word)
{
    if (dest->state == BF_DEST_COMMITTED && word->step == BF_STEP_RETIRED)
        bf_dest_set_state(dest, BF_DEST_ENDING);
    else if (word->step <= dest->step)
        dest->say = true;
    else if (dest->state == BF_DEST_IDLE && word->step < BF_STEP_RETIRED)
        bf_dest_start_step(dest, word);
}

static void hear(struct bf_dest *dest, const struct bf_word *word)
{
    if (dest->state == BF_DEST_ENDED) {
        hear_ended(dest, word);
    } else if (word->epoch < dest->epoch) {
        return;
    } else if (word->step == BF_STEP_ABORT) {
        dest->epoch = word->epoch;
        bf_dest_want_abort(dest, BF_DROP_PEER_ABORTED);
    } else if (word->epoch > dest->epoch) {
        hear_offer(dest, word);
    } else {
        hear_step(dest, word);
    }
}

static void take_event(struct bf_dest *dest, const struct bf_dest_fact *fact)
{
    switch ((int)fact->kind) {
    case BF_DEST_HEARD:
        hear(dest, &fact->word);
        break;
    case BF_DEST_NUDGE:
        dest->say = dest->step != BF_STEP_NONE;
        break;
    case BF_DEST_GUEST_RUNS:
        dest->guest_runs = true;
        break;
    case BF_DEST_MIGRATION_FAILED:
        bf_dest_want_abort(dest, BF_DROP_MIGRATION_FAILED);
        break;
    case BF_DEST_QEMU_GONE:
        bf_dest_want_abort(dest, BF_DROP_DEST_QEMU_GONE);
        break;
    case BF_DEST_ABORT:
        bf_dest_want_abort(dest, BF_DROP_OPERATOR_ABORT);
        break;
    default: /* DEADLINE: only where the next word is the source's */
        if ((bf_dest_row(dest->state)->traits & BF_DEST_EPOCH) || dest->state == BF_DEST_COMMITTED)
            bf_dest_want_abort(dest, BF_DROP_SOURCE_SILENT);
    }
}

bool bf_dest_wants(const struct bf_dest *dest, enum bf_round round, uint32_t index)
{
    const struct bf_handoff_bitmap *bitmap = &dest->bitmaps[index];

    if (bitmap->drop != BF_DROP_NONE || !bf_set_in_round(bitmap, round))
        return false;
    return round == BF_ROUND_DELTA ? !dest->deltas : !(bitmap->flags & BF_SET_LOADED);
}

bool bf_dest_is_stale(const struct bf_dest *dest, uint32_t index)
{
    return dest->bitmaps[index].flags & BF_SET_STALE;
}

bool bf_dest_is_published(const struct bf_dest *dest, uint32_t index)
{
    return dest->bitmaps[index].flags & BF_SET_PUBLISHED;
}

static int illegal(struct bf_dest *dest, const struct bf_dest_fact *fact, struct bf_error *err)
{
    enum bf_dest_state state = dest->state;

    bf_dest_want_abort(dest, BF_DROP_PROTOCOL);
    if (state == BF_DEST_COMMITTED)
        bf_dest_interrupt(dest);
    else if (bf_dest_row(state)->traits & BF_DEST_OPEN)
        bf_dest_abandon(dest);
    return bf_error_set(err, BF_E_PROTOCOL, "fact %d is not legal in state %s", (int)fact->kind,
                        bf_dest_state_name(state));
}

static void take_answer(struct bf_dest *dest, const struct bf_dest_fact *fact)
{
    switch ((int)fact->kind) {
    case BF_DEST_DONE:
        bf_dest_be_done(dest, fact);
        break;
    case BF_DEST_INSPECTED:
        bf_dest_inspected(dest, fact);
        break;
    default:
        bf_dest_not_done(dest, fact->kind == BF_DEST_REFUSED);
    }
}

int bf_dest_feed(struct bf_dest *dest, const struct bf_dest_fact *fact, struct bf_error *err)
{
    bool answer = fact->kind >= BF_DEST_DONE;

    if (answer && fact->kind < BF_NR_DEST_FACTS && fact->ticket != dest->ticket)
        return 0;
    if (fact->kind >= BF_NR_DEST_FACTS || (answer && !dest->asked) ||
        !(bf_dest_row(dest->state)->facts & (UINT32_C(1) << fact->kind)))
        return illegal(dest, fact, err);
    if (answer)
        take_answer(dest, fact);
    else
        take_event(dest, fact);
    bf_dest_interrupt(dest);
    if (dest->state == BF_DEST_AWAITING_GUEST && dest->guest_runs)
        bf_dest_set_state(dest, BF_DEST_SURVEYING);
    return 0;
}

static void fill_wish(const struct bf_dest *dest, const struct bf_dest_row *row,
                      struct bf_dest_wish *wish)
{
    *wish = (struct bf_dest_wish){
        .kind = row->wish,
        .ticket = dest->ticket,
        .epoch = dest->epoch,
        .round = bf_dest_round_of(dest->wanted),
        .with_delta = dest->with_delta,
    };
    if (row->wish == BF_DEST_JOURNAL)
        wish->record = (struct bf_record){.mark = row->mark,
                                          .outcome = dest->outcome,
                                          .reason = dest->reason,
                                          .epoch = dest->epoch,
                                          .with_delta = dest->with_delta,
                                          .published = dest->published};
}

bool bf_dest_next(struct bf_dest *dest, struct bf_dest_wish *ret_wish)
{
    const struct bf_dest_row *row = bf_dest_row(dest->state);

    if (dest->say) {
        dest->say = false;
        *ret_wish = (struct bf_dest_wish){
            .kind = BF_DEST_SAY,
            .epoch = dest->epoch,
            .word = {.epoch = dest->epoch, .step = dest->step},
        };
        return true;
    }
    if (dest->asked || row->wish == BF_DEST_SAY)
        return false;
    dest->asked = true;
    fill_wish(dest, row, ret_wish);
    return true;
}

static int set_up(struct bf_dest *dest, struct bf_handoff_bitmap *bitmaps, uint32_t nr_bitmaps,
                  struct bf_error *err)
{
    if (nr_bitmaps > BF_HANDOFF_BITMAPS_MAX)
        return bf_error_set(err, BF_E_LIMIT, "%u bitmaps are more than one move takes (%d)",
                            (unsigned)nr_bitmaps, BF_HANDOFF_BITMAPS_MAX);
    memset(dest, 0, sizeof *dest);
    dest->bitmaps = bitmaps;
    dest->nr_bitmaps = nr_bitmaps;
    for (uint32_t i = 0; i < nr_bitmaps; i++) {
        bitmaps[i].offered = BF_DROP_NONE; /* each OFFER says it anew */
        bitmaps[i].flags = 0;
    }
    return 0;
}

int bf_dest_init(struct bf_dest *dest, uint32_t epoch, struct bf_handoff_bitmap *bitmaps,
                 uint32_t nr_bitmaps, struct bf_error *err)
{
    int r = set_up(dest, bitmaps, nr_bitmaps, err);

    if (r == 0)
        bf_dest_begin_epoch(dest, epoch);
    return r;
}

int bf_dest_resume(struct bf_dest *dest, struct bf_handoff_bitmap *bitmaps, uint32_t nr_bitmaps,
                   const struct bf_record *record, struct bf_error *err)
{
    static const enum bf_dest_state states[] = {
        [BF_MARK_BEGUN] = BF_DEST_RESUMING,      [BF_MARK_ARMED] = BF_DEST_RESUMING,
        [BF_MARK_SEALED] = BF_NR_DEST_STATES,    [BF_MARK_COMMITTING] = BF_DEST_DOUBTING_COMMIT,
        [BF_MARK_COMMITTED] = BF_DEST_COMMITTED, [BF_MARK_ABORTING] = BF_DEST_SURVEYING_UNDO,
        [BF_MARK_ENDED] = BF_DEST_ENDING,
    };
    int r;

    if (record->mark > BF_MARK_ENDED || states[record->mark] == BF_NR_DEST_STATES)
        return bf_error_set(err, BF_E_INVALID, "the journal holds a record of an unknown kind (%d)",
                            (int)record->mark);
    r = set_up(dest, bitmaps, nr_bitmaps, err);
    if (r < 0)
        return r;
    dest->epoch = record->epoch;
    dest->with_delta = record->with_delta;
    dest->outcome = record->mark == BF_MARK_COMMITTED ? BF_OUTCOME_COMMITTED : record->outcome;
    dest->reason = record->reason;
    dest->resumed_from = record->mark;
    dest->published = record->published || record->mark == BF_MARK_COMMITTING ||
                      record->mark == BF_MARK_COMMITTED;
    dest->armed = dest->published; /* no commit without */
    dest->wanted = BF_STEP_SEAL;
    if (dest->outcome == BF_OUTCOME_COMMITTED)
        dest->step = BF_STEP_SEAL;
    bf_dest_set_state(dest, states[record->mark]);
    dest->say = record->mark == BF_MARK_COMMITTED;
    return 0;
}
