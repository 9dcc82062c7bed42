#include "handoff/source.h"

#include "set.h"
#include "source_steps.h"
#include "source_table.h"

#include <string.h>

/* A fact that has no place here: the move fails, unless it is too late for that. */
static int illegal(struct bf_source *source, const struct bf_source_fact *fact,
                   struct bf_error *err)
{
    enum bf_source_state state = source->state;

    bf_source_want_abort(source, BF_DROP_PROTOCOL);
    if (bf_source_row(state)->traits & BF_SOURCE_ALIVE)
        bf_source_abandon(source);
    else
        bf_source_interrupt(source);
    return bf_error_set(err, BF_E_PROTOCOL, "fact %d is not legal in state %s", (int)fact->kind,
                        bf_source_state_name(state));
}

int bf_source_feed(struct bf_source *source, const struct bf_source_fact *fact,
                   struct bf_error *err)
{
    bool answer = fact->kind >= BF_SOURCE_DONE;

    if (answer && fact->kind < BF_NR_SOURCE_FACTS && fact->ticket != source->ticket)
        return 0;
    if (fact->kind >= BF_NR_SOURCE_FACTS || (answer && !source->asked) ||
        !(bf_source_row(source->state)->facts & (UINT32_C(1) << fact->kind)) ||
        ((fact->kind == BF_SOURCE_MIRROR_READY || fact->kind == BF_SOURCE_MIRROR_VOID ||
          fact->kind == BF_SOURCE_DRAINED) &&
         fact->disk >= source->nr_disks))
        return illegal(source, fact, err);
    if (answer)
        bf_source_take_answer(source, fact);
    else
        bf_source_take_event(source, fact);
    bf_source_interrupt(source);
    bf_source_proceed(source);
    bf_source_interrupt(source); /* what had to wait for a free state */
    return 0;
}

static void fill_wish(const struct bf_source *source, const struct bf_source_row *row,
                      struct bf_source_wish *wish)
{
    *wish = (struct bf_source_wish){
        .kind = row->wish,
        .ticket = source->ticket,
        .epoch = source->epoch,
        .round = row->round,
        .with_delta = source->with_delta && row->round == BF_ROUND_RECORDING,
        .put_back = row->wish == BF_SOURCE_CLEAN && source->outcome != BF_OUTCOME_COMMITTED,
    };
    if (row->wish == BF_SOURCE_JOURNAL)
        wish->record = (struct bf_record){.mark = row->mark,
                                          .outcome = source->outcome,
                                          .reason = source->reason,
                                          .epoch = source->epoch,
                                          .with_delta = source->with_delta};
}

bool bf_source_next(struct bf_source *source, struct bf_source_wish *ret_wish)
{
    const struct bf_source_row *row = bf_source_row(source->state);

    if (source->say) {
        source->say = false;
        *ret_wish = (struct bf_source_wish){
            .kind = BF_SOURCE_SAY,
            .epoch = source->epoch,
            .word = {.epoch = source->epoch, .step = source->step},
        };
        if (source->step == BF_STEP_SEAL) {
            ret_wish->word.with_delta = source->with_delta;
            ret_wish->word.delta_whole = source->with_delta && !source->caught_up;
        }
        return true;
    }
    if (source->asked || row->wish == BF_SOURCE_SAY)
        return false;
    source->asked = true;
    fill_wish(source, row, ret_wish);
    return true;
}

enum bf_source_milestone bf_source_milestone(const struct bf_source *source)
{
    enum bf_source_milestone milestone = bf_source_row(source->state)->milestone;

    if (milestone == BF_SOURCE_REACHED_COMMITTED && source->outcome != BF_OUTCOME_COMMITTED)
        return source->outcome == BF_OUTCOME_UNCONFIRMED ? BF_SOURCE_REACHED_FROZEN
                                                         : BF_SOURCE_REACHED_NONE;
    return milestone;
}

static int set_up(struct bf_source *source, enum bf_handoff_kind kind, struct bf_handoff_set set,
                  struct bf_source_disk *disks, uint32_t nr_disks, struct bf_error *err)
{
    if (nr_disks > BF_HANDOFF_DISKS_MAX || set.nr_bitmaps > BF_HANDOFF_BITMAPS_MAX)
        return bf_error_set(err, BF_E_LIMIT,
                            "%u disks with %u bitmaps are more than one move takes (%d, %d)",
                            (unsigned)nr_disks, (unsigned)set.nr_bitmaps, BF_HANDOFF_DISKS_MAX,
                            BF_HANDOFF_BITMAPS_MAX);
    for (uint32_t i = 0; i < set.nr_bitmaps; i++) {
        if (set.bitmaps[i].disk >= nr_disks)
            return bf_error_set(err, BF_E_INVALID, "bitmap %u is of disk %u, but there are %u",
                                (unsigned)i, (unsigned)set.bitmaps[i].disk, (unsigned)nr_disks);
    }
    memset(source, 0, sizeof *source);
    memset(disks, 0, nr_disks * sizeof *disks);
    source->kind = kind;
    source->early = true;
    source->bitmaps = set.bitmaps;
    source->nr_bitmaps = set.nr_bitmaps;
    source->disks = disks;
    source->nr_disks = nr_disks;
    bf_set_init(&set);
    return 0;
}

int bf_source_init(struct bf_source *source, enum bf_handoff_kind kind,
                   struct bf_handoff_bitmap *bitmaps, uint32_t nr_bitmaps,
                   struct bf_source_disk *disks, uint32_t nr_disks, struct bf_error *err)
{
    int r =
        set_up(source, kind, (struct bf_handoff_set){bitmaps, nr_bitmaps}, disks, nr_disks, err);

    if (r == 0)
        bf_source_begin_epoch(source);
    return r;
}

int bf_source_resume(struct bf_source *source, enum bf_handoff_kind kind,
                     struct bf_handoff_bitmap *bitmaps, uint32_t nr_bitmaps,
                     struct bf_source_disk *disks, uint32_t nr_disks,
                     const struct bf_record *record, struct bf_error *err)
{
    static const enum bf_source_state states[] = {
        [BF_MARK_BEGUN] = BF_SOURCE_RESUMING,     [BF_MARK_ARMED] = BF_NR_SOURCE_STATES,
        [BF_MARK_SEALED] = BF_SOURCE_RESUMING,    [BF_MARK_COMMITTING] = BF_NR_SOURCE_STATES,
        [BF_MARK_COMMITTED] = BF_SOURCE_RETIRING, [BF_MARK_ABORTING] = BF_SOURCE_CLEANING,
        [BF_MARK_ENDED] = BF_SOURCE_ENDING,
    };
    int r;

    if (record->mark > BF_MARK_ENDED || states[record->mark] == BF_NR_SOURCE_STATES)
        return bf_error_set(err, BF_E_INVALID, "the journal holds a record of an unknown kind (%d)",
                            (int)record->mark);
    r = set_up(source, kind, (struct bf_handoff_set){bitmaps, nr_bitmaps}, disks, nr_disks, err);
    if (r < 0)
        return r;
    source->epoch = record->epoch;
    source->with_delta = record->with_delta;
    source->caught_up = true; /* for all that is known */
    source->outcome = record->mark == BF_MARK_COMMITTED ? BF_OUTCOME_COMMITTED : record->outcome;
    source->reason = record->reason;
    source->resumed_from = record->mark;
    if (record->mark == BF_MARK_COMMITTED) /* said again, it brings the answer once more */
        source->step = BF_STEP_SEAL;
    bf_source_set_state(source, states[record->mark]);
    return 0;
}
