#include "handoff/dest.h"

#include "dest_table.h"
#include "set.h"

#include <string.h>

enum {
    TRIES_MAX = 3, /* of one transaction that QEMU refuses without our seeing why */
};

static struct bf_handoff_set set_of(const struct bf_dest *dest)
{
    return (struct bf_handoff_set){dest->bitmaps, dest->nr_bitmaps};
}

static bool has(const struct bf_dest *dest, enum bf_round round)
{
    struct bf_handoff_set set = set_of(dest);

    return bf_set_has(&set, round);
}

static void drop(struct bf_dest *dest, enum bf_round round, enum bf_drop reason)
{
    struct bf_handoff_set set = set_of(dest);

    bf_set_drop(&set, round, reason);
}

static void merge(struct bf_dest *dest, const uint8_t *drops)
{
    struct bf_handoff_set set = set_of(dest);

    bf_set_merge(&set, drops);
}

/* Every change of state goes through here; a new ticket makes answers to what was wished before
 * late ones. */
static void set_state(struct bf_dest *dest, enum bf_dest_state state)
{
    if (dest->trace)
        dest->trace(dest->trace_ctx, dest->state, state);
    dest->state = state;
    dest->ticket++;
    dest->asked = false;
    dest->say = false;
}

static void begin_epoch(struct bf_dest *dest, uint32_t epoch)
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
    set_state(dest, BF_DEST_ACCEPTING);
}

static void finish_step(struct bf_dest *dest, enum bf_dest_state state)
{
    dest->step = dest->wanted;
    set_state(dest, state);
    dest->say = true;
}

/* --- the steps that the source asks for ---------------------------------------------------------
 */

static enum bf_round round_of(enum bf_step step)
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

static bool wants_any(const struct bf_dest *dest, enum bf_round round)
{
    for (uint32_t i = 0; i < dest->nr_bitmaps; i++) {
        if (bf_dest_wants(dest, round, i))
            return true;
    }
    return false;
}

static void start_step(struct bf_dest *dest, const struct bf_word *word)
{
    enum bf_round round = round_of(word->step);

    merge(dest, word->drops);
    dest->wanted = word->step;
    dest->tries = 0;
    if (word->step == BF_STEP_SEAL) {
        dest->with_delta = word->with_delta;
        set_state(dest, BF_DEST_AWAITING_GUEST);
    } else if (round != BF_ROUND_NONE && wants_any(dest, round)) {
        set_state(dest, BF_DEST_PULLING);
    } else if (round == BF_ROUND_NONE && !dest->armed && has(dest, BF_ROUND_RECORDING)) {
        set_state(dest, BF_DEST_ARMING);
    } else {
        finish_step(dest, BF_DEST_IDLE);
    }
}

static void note_loaded(struct bf_dest *dest)
{
    enum bf_round round = round_of(dest->wanted);

    if (round == BF_ROUND_DELTA)
        dest->deltas = true;
    for (uint32_t i = 0; i < dest->nr_bitmaps && round != BF_ROUND_DELTA; i++) {
        if (bf_dest_wants(dest, round, i))
            dest->bitmaps[i].flags |= BF_SET_LOADED;
    }
    finish_step(dest, BF_DEST_IDLE);
}

/* --- giving up, beginning anew ------------------------------------------------------------------
 */

static void want_abort(struct bf_dest *dest, enum bf_drop reason)
{
    if (dest->giving_up == BF_DROP_NONE || reason == BF_DROP_PEER_ABORTED)
        dest->giving_up = reason;
}

static void abandon(struct bf_dest *dest)
{
    dest->reason = dest->giving_up;
    dest->outcome = BF_OUTCOME_ABORTED;
    set_state(dest, BF_DEST_ABANDONING);
}

/* What is published stays, unless the source says that the guest is there. */
static void give_up_committed(struct bf_dest *dest)
{
    enum bf_drop reason = dest->giving_up;

    dest->giving_up = BF_DROP_NONE;
    switch ((int)reason) {
    case BF_DROP_PEER_ABORTED:
        dest->giving_up = reason;
        abandon(dest);
        break;
    case BF_DROP_SOURCE_SILENT:
        set_state(dest, BF_DEST_ENDING);
        break;
    case BF_DROP_DEST_QEMU_GONE: /* and the published bitmaps with it */
        drop(dest, BF_ROUND_NONE, reason);
        dest->say = true;
        break;
    default:
        break;
    }
}

static void interrupt(struct bf_dest *dest)
{
    unsigned traits = bf_dest_row(dest->state)->traits;

    if (!(traits & BF_DEST_FREE))
        return;
    if (dest->giving_up != BF_DROP_NONE) {
        if (dest->state == BF_DEST_COMMITTED)
            give_up_committed(dest);
        else
            abandon(dest);
    } else if (dest->next_epoch > dest->epoch && (traits & BF_DEST_EPOCH)) {
        begin_epoch(dest, dest->next_epoch);
    }
}

/* --- events -------------------------------------------------------------------------------------
 */

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
    interrupt(dest);
    if (dest->epoch == word->epoch)
        merge(dest, word->drops);
}

static void hear_step(struct bf_dest *dest, const struct bf_word *word)
{
    if (dest->state == BF_DEST_COMMITTED && word->step == BF_STEP_RETIRED)
        set_state(dest, BF_DEST_ENDING);
    else if (word->step <= dest->step)
        dest->say = true;
    else if (dest->state == BF_DEST_IDLE && word->step < BF_STEP_RETIRED)
        start_step(dest, word);
}

static void hear(struct bf_dest *dest, const struct bf_word *word)
{
    if (dest->state == BF_DEST_ENDED) {
        hear_ended(dest, word);
    } else if (word->epoch < dest->epoch) {
        return;
    } else if (word->step == BF_STEP_ABORT) {
        dest->epoch = word->epoch;
        want_abort(dest, BF_DROP_PEER_ABORTED);
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
        want_abort(dest, BF_DROP_MIGRATION_FAILED);
        break;
    case BF_DEST_QEMU_GONE:
        want_abort(dest, BF_DROP_DEST_QEMU_GONE);
        break;
    case BF_DEST_ABORT:
        want_abort(dest, BF_DROP_OPERATOR_ABORT);
        break;
    default: /* DEADLINE: only where the next word is the source's */
        if ((bf_dest_row(dest->state)->traits & BF_DEST_EPOCH) || dest->state == BF_DEST_COMMITTED)
            want_abort(dest, BF_DROP_SOURCE_SILENT);
    }
}

/* --- answers ------------------------------------------------------------------------------------
 */

static void armed(struct bf_dest *dest, bool before_guest)
{
    dest->armed = before_guest;
    if (before_guest) {
        set_state(dest, BF_DEST_NOTING_ARMED);
    } else {
        drop(dest, BF_ROUND_RECORDING, BF_DROP_TRACKER_LATE);
        finish_step(dest, BF_DEST_IDLE);
    }
}

static void ended(struct bf_dest *dest)
{
    if (dest->outcome == BF_OUTCOME_ABORTED)
        dest->step = BF_STEP_ABORT;
    set_state(dest, BF_DEST_ENDED);
    dest->say = dest->outcome == BF_OUTCOME_ABORTED;
}

static void read_back(struct bf_dest *dest)
{
    bool bad = false;

    for (uint32_t i = 0; i < dest->nr_bitmaps; i++)
        bad = bad || (bf_dest_is_published(dest, i) && dest->bitmaps[i].drop != BF_DROP_NONE);
    set_state(dest, bad ? BF_DEST_UNPUBLISHING : BF_DEST_TIDYING);
}

static void note_published(struct bf_dest *dest)
{
    for (uint32_t i = 0; i < dest->nr_bitmaps; i++) {
        if (dest->bitmaps[i].drop == BF_DROP_NONE)
            dest->bitmaps[i].flags |= BF_SET_PUBLISHED;
    }
}

static void done(struct bf_dest *dest, const struct bf_dest_fact *fact)
{
    merge(dest, fact->drops);
    switch ((int)dest->state) {
    case BF_DEST_ARMING:
        armed(dest, fact->before_guest);
        return;
    case BF_DEST_NOTING_ARMED:
        finish_step(dest, BF_DEST_IDLE);
        return;
    case BF_DEST_LOADING:
        note_loaded(dest);
        return;
    case BF_DEST_NOTING_COMMIT:
        dest->published = true;
        break;
    case BF_DEST_COMMITTING:
        note_published(dest);
        break;
    case BF_DEST_READING_BACK:
        read_back(dest);
        return;
    case BF_DEST_NOTING_DONE:
        dest->outcome = BF_OUTCOME_COMMITTED;
        finish_step(dest, BF_DEST_COMMITTED);
        return;
    case BF_DEST_UNDOING: /* only now: until then the drops say what was committed */
        drop(dest, BF_ROUND_NONE, dest->reason);
        break;
    case BF_DEST_ENDING:
        ended(dest);
        return;
    default:
        break;
    }
    set_state(dest, bf_dest_row(dest->state)->after);
}

/* A journal that cannot be trusted any more ends the move; what is published and read back stays.
 */
static void journal_failed(struct bf_dest *dest)
{
    if (dest->state == BF_DEST_ENDING || dest->state == BF_DEST_ABANDONING) {
        done(dest, &(struct bf_dest_fact){.kind = BF_DEST_DONE});
        return;
    }
    dest->reason = BF_DROP_JOURNAL_FAILED;
    dest->outcome = BF_OUTCOME_ABORTED;
    set_state(dest, BF_DEST_SURVEYING_UNDO);
}

/* Refused or in doubt: look what is there, then decide. */
static void not_done(struct bf_dest *dest, bool refused)
{
    switch ((int)dest->state) {
    case BF_DEST_ARMING:
        set_state(dest, BF_DEST_DOUBTING_ARMED);
        break;
    case BF_DEST_PULLING:
        drop(dest, round_of(dest->wanted), BF_DROP_PULL_FAILED);
        finish_step(dest, BF_DEST_IDLE);
        break;
    case BF_DEST_LOADING:
        set_state(dest, BF_DEST_DOUBTING_LOADED);
        break;
    case BF_DEST_REMOVING_STALE:
        set_state(dest, BF_DEST_SURVEYING);
        break;
    case BF_DEST_COMMITTING:
        set_state(dest, BF_DEST_DOUBTING_COMMIT);
        break;
    default:
        if (refused)
            journal_failed(dest);
        else
            set_state(dest, dest->state); /* repeatable: again */
    }
}

static bool found(const struct bf_dest_fact *fact, uint32_t index, uint8_t flag)
{
    return fact->found && (fact->found[index] & flag);
}

static void doubt_armed(struct bf_dest *dest, const struct bf_dest_fact *fact)
{
    if (fact->trackers_found) {
        armed(dest, !fact->guest_runs);
    } else if (++dest->tries >= TRIES_MAX) {
        drop(dest, BF_ROUND_RECORDING, BF_DROP_TRACKER_REFUSED);
        finish_step(dest, BF_DEST_IDLE);
    } else {
        set_state(dest, BF_DEST_ARMING);
    }
}

static void note_found(struct bf_dest *dest, const struct bf_dest_fact *fact)
{
    for (uint32_t i = 0; i < dest->nr_bitmaps; i++) {
        dest->bitmaps[i].flags &= (uint8_t)~BF_SET_LOADED;
        if (found(fact, i, BF_FOUND_SNAPSHOT))
            dest->bitmaps[i].flags |= BF_SET_LOADED;
    }
    dest->deltas = fact->deltas_found;
}

static void doubt_loaded(struct bf_dest *dest, const struct bf_dest_fact *fact)
{
    enum bf_round round = round_of(dest->wanted);

    note_found(dest, fact);
    if (++dest->tries >= TRIES_MAX) {
        for (uint32_t i = 0; i < dest->nr_bitmaps; i++) {
            if (bf_dest_wants(dest, round, i))
                dest->bitmaps[i].drop = BF_DROP_LOAD_REFUSED;
        }
    }
    if (wants_any(dest, round))
        set_state(dest, BF_DEST_LOADING);
    else
        finish_step(dest, BF_DEST_IDLE);
}

/* Drop what cannot be committed: something that it needs is not there. */
static void require_all(struct bf_dest *dest, const struct bf_dest_fact *fact)
{
    struct bf_handoff_bitmap *bitmap;

    if (!dest->armed || !fact->trackers_found)
        drop(dest, BF_ROUND_RECORDING, dest->armed ? BF_DROP_TRACKER_LOST : BF_DROP_TRACKER_LATE);
    if (dest->with_delta && !fact->deltas_found)
        drop(dest, BF_ROUND_RECORDING, BF_DROP_DELTA_LOST);
    for (uint32_t i = 0; i < dest->nr_bitmaps; i++) {
        bitmap = &dest->bitmaps[i];
        if (bitmap->drop == BF_DROP_NONE && !found(fact, i, BF_FOUND_SNAPSHOT))
            bitmap->drop = BF_DROP_SNAPSHOT_LOST;
    }
}

static void survey(struct bf_dest *dest, const struct bf_dest_fact *fact)
{
    bool stale = false;

    require_all(dest, fact);
    for (uint32_t i = 0; i < dest->nr_bitmaps; i++) {
        dest->bitmaps[i].flags &= (uint8_t)~BF_SET_STALE;
        if (found(fact, i, BF_FOUND_FINAL)) {
            dest->bitmaps[i].flags |= BF_SET_STALE;
            stale = true;
        }
    }
    if (stale)
        set_state(dest, BF_DEST_REMOVING_STALE);
    else
        set_state(dest, has(dest, BF_ROUND_NONE) ? BF_DEST_NOTING_COMMIT : BF_DEST_TIDYING);
}

/* The commit takes the snapshots away and gives the final names in one transaction: a single
 * snapshot that is still there says that it was not carried out. */
static bool commit_was_done(const struct bf_dest *dest, const struct bf_dest_fact *fact)
{
    for (uint32_t i = 0; i < dest->nr_bitmaps; i++) {
        if (dest->bitmaps[i].drop == BF_DROP_NONE && found(fact, i, BF_FOUND_SNAPSHOT))
            return false;
    }
    return true;
}

static void after_commit(struct bf_dest *dest, const struct bf_dest_fact *fact)
{
    for (uint32_t i = 0; i < dest->nr_bitmaps; i++) {
        if (dest->bitmaps[i].drop == BF_DROP_NONE && !found(fact, i, BF_FOUND_FINAL))
            dest->bitmaps[i].drop = BF_DROP_COMMIT_LOST;
    }
    note_published(dest);
    set_state(dest, BF_DEST_READING_BACK);
}

static void doubt_commit(struct bf_dest *dest, const struct bf_dest_fact *fact)
{
    if (commit_was_done(dest, fact)) {
        after_commit(dest, fact);
        return;
    }
    for (uint32_t i = 0; i < dest->nr_bitmaps; i++) {
        if (dest->bitmaps[i].drop == BF_DROP_NONE && found(fact, i, BF_FOUND_FINAL))
            dest->bitmaps[i].drop = BF_DROP_NAME_TAKEN;
    }
    require_all(dest, fact);
    if (++dest->tries >= TRIES_MAX)
        drop(dest, BF_ROUND_NONE, BF_DROP_COMMIT_REFUSED);
    set_state(dest, has(dest, BF_ROUND_NONE) ? BF_DEST_NOTING_COMMIT : BF_DEST_TIDYING);
}

/* What must go besides the temporaries: what we have published, or, where the guest runs and we
 * have not, what a former visit left. */
static void survey_undo(struct bf_dest *dest, const struct bf_dest_fact *fact)
{
    for (uint32_t i = 0; i < dest->nr_bitmaps; i++) {
        struct bf_handoff_bitmap *bitmap = &dest->bitmaps[i];

        bitmap->flags &= (uint8_t) ~(BF_SET_STALE | BF_SET_PUBLISHED);
        if (!found(fact, i, BF_FOUND_FINAL))
            continue;
        if (!dest->published && (dest->guest_runs || fact->guest_runs))
            bitmap->flags |= BF_SET_STALE;
        else if (dest->published && bitmap->drop == BF_DROP_NONE &&
                 !found(fact, i, BF_FOUND_SNAPSHOT))
            bitmap->flags |= BF_SET_PUBLISHED;
    }
    set_state(dest, BF_DEST_UNDOING);
}

static void resume(struct bf_dest *dest, const struct bf_dest_fact *fact)
{
    bool noted = dest->resumed_from == BF_MARK_ARMED;

    dest->guest_runs = fact->guest_runs;
    dest->armed = fact->trackers_found && (noted || !fact->guest_runs);
    if (fact->trackers_found && !dest->armed) /* nobody saw which was first */
        drop(dest, BF_ROUND_RECORDING, BF_DROP_TRACKER_LATE);
    note_found(dest, fact);
    dest->wanted = BF_STEP_OFFER;
    finish_step(dest, BF_DEST_IDLE);
}

static void inspected(struct bf_dest *dest, const struct bf_dest_fact *fact)
{
    merge(dest, fact->drops);
    switch ((int)dest->state) {
    case BF_DEST_SURVEYING_OFFER:
        finish_step(dest, BF_DEST_IDLE);
        break;
    case BF_DEST_DOUBTING_ARMED:
        doubt_armed(dest, fact);
        break;
    case BF_DEST_DOUBTING_LOADED:
        doubt_loaded(dest, fact);
        break;
    case BF_DEST_SURVEYING:
        survey(dest, fact);
        break;
    case BF_DEST_DOUBTING_COMMIT:
        doubt_commit(dest, fact);
        break;
    case BF_DEST_SURVEYING_UNDO:
        survey_undo(dest, fact);
        break;
    default:
        resume(dest, fact);
    }
}

/* --- public -------------------------------------------------------------------------------------
 */

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

    want_abort(dest, BF_DROP_PROTOCOL);
    if (state == BF_DEST_COMMITTED)
        interrupt(dest);
    else if (bf_dest_row(state)->traits & BF_DEST_OPEN)
        abandon(dest);
    return bf_error_set(err, BF_E_PROTOCOL, "fact %d is not legal in state %s", (int)fact->kind,
                        bf_dest_state_name(state));
}

static void take_answer(struct bf_dest *dest, const struct bf_dest_fact *fact)
{
    switch ((int)fact->kind) {
    case BF_DEST_DONE:
        done(dest, fact);
        break;
    case BF_DEST_INSPECTED:
        inspected(dest, fact);
        break;
    default:
        not_done(dest, fact->kind == BF_DEST_REFUSED);
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
    interrupt(dest);
    if (dest->state == BF_DEST_AWAITING_GUEST && dest->guest_runs)
        set_state(dest, BF_DEST_SURVEYING);
    return 0;
}

static void fill_wish(const struct bf_dest *dest, const struct bf_dest_row *row,
                      struct bf_dest_wish *wish)
{
    *wish = (struct bf_dest_wish){
        .kind = row->wish,
        .ticket = dest->ticket,
        .epoch = dest->epoch,
        .round = round_of(dest->wanted),
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
            .word = {dest->epoch, dest->step, false, NULL},
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
        begin_epoch(dest, epoch);
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
    set_state(dest, states[record->mark]);
    dest->say = record->mark == BF_MARK_COMMITTED;
    return 0;
}
