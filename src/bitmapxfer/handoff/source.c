#include "handoff/source.h"

#include "set.h"
#include "source_table.h"

#include <string.h>

enum {
    TRIES_MAX = 3, /* of one transaction that QEMU refuses without our seeing why */
};

static struct bf_handoff_set set_of(const struct bf_source *source)
{
    return (struct bf_handoff_set){source->bitmaps, source->nr_bitmaps};
}

static bool has(const struct bf_source *source, enum bf_round round)
{
    struct bf_handoff_set set = set_of(source);

    return bf_set_has(&set, round);
}

static void drop(struct bf_source *source, enum bf_round round, enum bf_drop reason)
{
    struct bf_handoff_set set = set_of(source);

    bf_set_drop(&set, round, reason);
}

static void merge(struct bf_source *source, const uint8_t *drops)
{
    struct bf_handoff_set set = set_of(source);

    bf_set_merge(&set, drops);
}

/* Every change of state goes through here; a new ticket makes answers to what was wished before
 * late ones. */
static void set_state(struct bf_source *source, enum bf_source_state state)
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

static void begin_epoch(struct bf_source *source)
{
    struct bf_handoff_set set = set_of(source);

    source->epoch++;
    source->step = BF_STEP_NONE;
    source->say = false;
    source->tries = 0;
    source->voided = false;
    source->too_busy = false;
    source->with_delta = false;
    for (uint32_t i = 0; i < source->nr_disks; i++)
        source->disks[i].drained = false;
    bf_set_restart(&set);
    set_state(source, BF_SOURCE_BEGINNING);
}

/* --- the ladder of an epoch: a stage without work is passed ------------------------------------
 */

static void go_recording(struct bf_source *source)
{
    if (source->switched)
        drop(source, BF_ROUND_RECORDING, BF_DROP_SWITCHED_EARLY);
    if (!has(source, BF_ROUND_RECORDING)) {
        set_state(source, BF_SOURCE_INSTALLED);
    } else if (source->kind == BF_HANDOFF_FREEZE) {
        source->with_delta = true;
        set_state(source, BF_SOURCE_SNAPPING);
    } else {
        set_state(source, BF_SOURCE_AWAITING_READY);
    }
}

static void go_frozen(struct bf_source *source)
{
    if (source->switched)
        drop(source, BF_ROUND_FROZEN, BF_DROP_SWITCHED_EARLY);
    if (has(source, BF_ROUND_FROZEN))
        set_state(source, BF_SOURCE_SNAPPING_FROZEN);
    else
        go_recording(source);
}

static void go_delta(struct bf_source *source)
{
    if (source->with_delta && has(source, BF_ROUND_RECORDING))
        set_state(source, BF_SOURCE_SERVING_DELTA);
    else
        set_state(source, BF_SOURCE_EXAMINING);
}

static void go_stopped(struct bf_source *source)
{
    if (source->kind == BF_HANDOFF_FREEZE && has(source, BF_ROUND_RECORDING))
        set_state(source, BF_SOURCE_ARMING_PAUSED);
    else
        go_delta(source);
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

/* Leave a state that waits for an event, if it has come. */
static void proceed_before_snapshot(struct bf_source *source)
{
    if (source->switched) {
        go_recording(source); /* which drops them: too late for a snapshot */
    } else if (source->state == BF_SOURCE_AWAITING_READY) {
        if (all_ready(source))
            set_state(source, BF_SOURCE_ARMING);
    } else if (source->paused || all_drained(source)) {
        set_state(source, BF_SOURCE_SNAPPING); /* paused: no write can follow the snapshot */
    } else if (source->too_busy) {
        source->with_delta = true;
        set_state(source, BF_SOURCE_SNAPPING);
    }
}

static void proceed(struct bf_source *source)
{
    if (source->state == BF_SOURCE_AWAITING_READY || source->state == BF_SOURCE_DRAINING)
        proceed_before_snapshot(source);
    if (source->state == BF_SOURCE_INSTALLED && (source->paused || source->switched))
        go_stopped(source);
    if (source->state == BF_SOURCE_STOPPED && source->switched)
        set_state(source, BF_SOURCE_SEALING);
}

/* --- giving up, beginning anew -----------------------------------------------------------------
 */

static void want_abort(struct bf_source *source, enum bf_drop reason)
{
    if (source->giving_up == BF_DROP_NONE || reason == BF_DROP_MIGRATION_FAILED)
        source->giving_up = reason;
}

static void abort_because(struct bf_source *source, enum bf_drop reason)
{
    source->reason = reason;
    source->outcome = BF_OUTCOME_ABORTED;
    drop(source, BF_ROUND_NONE, reason);
}

static void abandon(struct bf_source *source)
{
    abort_because(source, source->giving_up);
    set_state(source, BF_SOURCE_ABANDONING);
}

/* After SEAL the destination may publish at any time.  Only two things can undo that: the guest
 * stays here, or the destination itself gives up. */
static void give_up_sealed(struct bf_source *source)
{
    switch ((int)source->giving_up) {
    case BF_DROP_SOURCE_QEMU_GONE: /* it has done its work */
        source->giving_up = BF_DROP_NONE;
        break;
    case BF_DROP_OPERATOR_ABORT:
    case BF_DROP_DEST_SILENT:
        source->reason = source->giving_up;
        source->outcome = BF_OUTCOME_UNCONFIRMED;
        set_state(source, BF_SOURCE_TIDYING);
        break;
    default:
        abandon(source);
    }
}

/* A mirror broke on which the trackers' argument relies.  With the guest still running all begins
 * anew; once it is paused only a delta can replace what the tracker may have missed. */
static void begin_anew(struct bf_source *source)
{
    source->voided = false;
    if (!source->paused && !source->switched)
        begin_epoch(source);
    else if (!source->with_delta)
        drop(source, BF_ROUND_RECORDING, BF_DROP_MIRROR_FAILED);
}

static void interrupt(struct bf_source *source)
{
    unsigned traits = bf_source_row(source->state)->traits;

    if (!(traits & BF_SOURCE_FREE))
        return;
    if (source->giving_up != BF_DROP_NONE) {
        if (source->state == BF_SOURCE_SEALED)
            give_up_sealed(source);
        else
            abandon(source);
    } else if (source->voided && (traits & BF_SOURCE_EPOCH)) {
        begin_anew(source);
    }
}

/* --- events -------------------------------------------------------------------------------------
 */

static void mirror_void(struct bf_source *source, uint32_t disk)
{
    source->disks[disk].ready = false;
    source->disks[disk].drained = false;
    if (source->kind == BF_HANDOFF_TRACKER &&
        (bf_source_row(source->state)->traits & BF_SOURCE_EPOCH))
        source->voided = true;
}

static void after_word(struct bf_source *source)
{
    switch ((int)source->state) {
    case BF_SOURCE_OFFERING:
        go_frozen(source);
        break;
    case BF_SOURCE_LOADING_FROZEN:
        go_recording(source);
        break;
    case BF_SOURCE_ARMING:
        set_state(source, BF_SOURCE_DRAINING);
        break;
    case BF_SOURCE_LOADING:
        set_state(source, BF_SOURCE_INSTALLED);
        break;
    case BF_SOURCE_ARMING_PAUSED:
        go_delta(source);
        break;
    case BF_SOURCE_LOADING_DELTA:
        set_state(source, BF_SOURCE_EXAMINING);
        break;
    case BF_SOURCE_SEALED:
        source->outcome = BF_OUTCOME_COMMITTED;
        set_state(source, BF_SOURCE_CONFIRMING);
        break;
    default: /* ABORTING: nothing is left at the destination */
        set_state(source, BF_SOURCE_ENDING);
    }
}

static void hear(struct bf_source *source, const struct bf_word *word)
{
    enum bf_step awaited = bf_source_row(source->state)->step;

    if (source->state == BF_SOURCE_ENDED) {
        source->say = source->step != BF_STEP_NONE && word->step != source->step;
    } else if (word->epoch != source->epoch) {
        return;
    } else if (awaited != BF_STEP_NONE && word->step == awaited) {
        merge(source, word->drops);
        after_word(source);
    } else if (word->step == BF_STEP_ABORT) {
        want_abort(source, BF_DROP_PEER_ABORTED);
    }
}

/* The guest stays.  What the destination has published since must go again. */
static void kept(struct bf_source *source)
{
    source->paused = false;
    source->switched = false;
    want_abort(source, BF_DROP_MIGRATION_FAILED);
}

static void deadline(struct bf_source *source)
{
    if (source->state == BF_SOURCE_ABORTING)
        set_state(source, BF_SOURCE_ENDING);
    else
        want_abort(source, BF_DROP_DEST_SILENT);
}

static void take_event(struct bf_source *source, const struct bf_source_fact *fact)
{
    switch ((int)fact->kind) {
    case BF_SOURCE_HEARD:
        hear(source, &fact->word);
        break;
    case BF_SOURCE_NUDGE:
        source->say = source->step != BF_STEP_NONE;
        break;
    case BF_SOURCE_MIRROR_READY:
        source->disks[fact->disk].ready = true;
        break;
    case BF_SOURCE_MIRROR_VOID:
        mirror_void(source, fact->disk);
        break;
    case BF_SOURCE_PAUSED:
        source->paused = true;
        break;
    case BF_SOURCE_SWITCHED:
        source->switched = true;
        break;
    case BF_SOURCE_KEPT:
        kept(source);
        break;
    case BF_SOURCE_QEMU_GONE:
        want_abort(source, BF_DROP_SOURCE_QEMU_GONE);
        break;
    case BF_SOURCE_TOO_BUSY:
        source->too_busy = source->state == BF_SOURCE_DRAINING;
        break;
    case BF_SOURCE_ABORT:
        want_abort(source, BF_DROP_OPERATOR_ABORT);
        break;
    default:
        deadline(source);
    }
}

/* --- answers ------------------------------------------------------------------------------------
 */

static void done(struct bf_source *source, const uint8_t *drops)
{
    merge(source, drops);
    source->tries = 0;
    if (source->state == BF_SOURCE_CONFIRMING &&
        source->giving_up == BF_DROP_MIGRATION_FAILED) /* not retired yet: KEEP */
        abandon(source);
    else
        set_state(source, bf_source_row(source->state)->after);
    if (source->state == BF_SOURCE_ENDED) {
        source->step = source->outcome == BF_OUTCOME_COMMITTED ? BF_STEP_RETIRED : BF_STEP_ABORT;
        source->say = source->outcome == BF_OUTCOME_COMMITTED;
        if (source->outcome == BF_OUTCOME_UNCONFIRMED)
            source->step = BF_STEP_NONE;
    }
}

/* A journal that cannot be trusted any more ends the move; what is already certain stays so. */
static void journal_failed(struct bf_source *source)
{
    switch ((int)source->state) {
    case BF_SOURCE_CONFIRMING:
        source->reason = BF_DROP_JOURNAL_FAILED;
        source->outcome = BF_OUTCOME_UNCONFIRMED;
        set_state(source, BF_SOURCE_TIDYING);
        break;
    case BF_SOURCE_ENDING:
    case BF_SOURCE_ABANDONING:
        done(source, NULL);
        break;
    default:
        abort_because(source, BF_DROP_JOURNAL_FAILED);
        set_state(source, BF_SOURCE_CLEANING);
    }
}

static void refused(struct bf_source *source)
{
    const struct bf_source_row *row = bf_source_row(source->state);

    if (row->wish == BF_SOURCE_JOURNAL) {
        journal_failed(source);
    } else if (row->wish == BF_SOURCE_SERVE) {
        drop(source, row->round, BF_DROP_SERVE_FAILED);
        done(source, NULL);
    } else if (row->wish == BF_SOURCE_RETIRE) {
        source->copies_left = true;
        done(source, NULL);
    } else {
        set_state(source, source->state == BF_SOURCE_SNAPPING ? BF_SOURCE_DOUBTING
                                                              : BF_SOURCE_DOUBTING_FROZEN);
    }
}

static void unknown(struct bf_source *source)
{
    if (bf_source_row(source->state)->wish == BF_SOURCE_SNAPSHOT)
        refused(source); /* look, then decide */
    else
        set_state(source, source->state); /* repeatable: again */
}

/* Was the snapshot taken after all?  If not, without those bitmaps that are to blame, again. */
static void resolve_doubt(struct bf_source *source, const struct bf_source_fact *fact)
{
    bool recording = source->state == BF_SOURCE_DOUBTING;
    enum bf_round round = bf_source_row(source->state)->round;

    if (fact->snapshots_found) {
        set_state(source, recording ? BF_SOURCE_SERVING : BF_SOURCE_SERVING_FROZEN);
        return;
    }
    if (source->switched)
        drop(source, round, BF_DROP_SWITCHED_EARLY);
    else if (++source->tries >= TRIES_MAX)
        drop(source, round, BF_DROP_SNAPSHOT_REFUSED);
    if (has(source, round))
        set_state(source, recording ? BF_SOURCE_SNAPPING : BF_SOURCE_SNAPPING_FROZEN);
    else if (recording)
        set_state(source, BF_SOURCE_INSTALLED);
    else
        go_recording(source);
}

/* While the helper was away nobody watched the mirrors: an epoch cannot be gone on with, but it can
 * be begun anew as long as the guest is here. */
static void resume_begun(struct bf_source *source, enum bf_source_guest guest)
{
    if (guest == BF_SOURCE_GUEST_LOST) {
        source->giving_up = BF_DROP_SOURCE_QEMU_GONE;
        abandon(source);
    } else if (guest == BF_SOURCE_GUEST_LEFT) {
        source->switched = true;
        drop(source, BF_ROUND_NONE, BF_DROP_SOURCE_BLIND);
        set_state(source, BF_SOURCE_SEALING);
    } else {
        source->paused = guest == BF_SOURCE_GUEST_PAUSED;
        begin_epoch(source);
    }
}

static void resume_sealed(struct bf_source *source, enum bf_source_guest guest)
{
    source->switched = true;
    if (guest == BF_SOURCE_GUEST_HERE || guest == BF_SOURCE_GUEST_PAUSED)
        want_abort(source, BF_DROP_MIGRATION_FAILED);
    set_state(source, BF_SOURCE_SEALED);
}

static void inspected(struct bf_source *source, const struct bf_source_fact *fact)
{
    merge(source, fact->drops);
    if (source->state == BF_SOURCE_EXAMINING)
        set_state(source, BF_SOURCE_STOPPED);
    else if (source->state != BF_SOURCE_RESUMING)
        resolve_doubt(source, fact);
    else if (source->resumed_from == BF_MARK_SEALED)
        resume_sealed(source, fact->guest);
    else
        resume_begun(source, fact->guest);
}

static void take_answer(struct bf_source *source, const struct bf_source_fact *fact)
{
    switch ((int)fact->kind) {
    case BF_SOURCE_DONE:
        done(source, fact->drops);
        break;
    case BF_SOURCE_REFUSED:
        refused(source);
        break;
    case BF_SOURCE_UNKNOWN:
        unknown(source);
        break;
    case BF_SOURCE_DRAINED:
        source->disks[fact->disk].drained = true;
        break;
    default:
        inspected(source, fact);
    }
}

/* --- public -------------------------------------------------------------------------------------
 */

/* A fact that has no place here: the move fails, unless it is too late for that. */
static int illegal(struct bf_source *source, const struct bf_source_fact *fact,
                   struct bf_error *err)
{
    enum bf_source_state state = source->state;

    want_abort(source, BF_DROP_PROTOCOL);
    if (bf_source_row(state)->traits & BF_SOURCE_ALIVE)
        abandon(source);
    else
        interrupt(source);
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
        take_answer(source, fact);
    else
        take_event(source, fact);
    interrupt(source);
    proceed(source);
    interrupt(source); /* what had to wait for a free state */
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
            .word = {source->epoch, source->step,
                     source->with_delta && source->step == BF_STEP_SEAL, NULL},
        };
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
        return source->outcome == BF_OUTCOME_UNCONFIRMED ? BF_SOURCE_REACHED_FROZEN : BF_SOURCE_REACHED_NONE;
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
        begin_epoch(source);
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
    source->outcome = record->mark == BF_MARK_COMMITTED ? BF_OUTCOME_COMMITTED : record->outcome;
    source->reason = record->reason;
    source->resumed_from = record->mark;
    set_state(source, states[record->mark]);
    return 0;
}
