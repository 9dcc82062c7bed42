#include "source_steps.h"

#include "source_table.h"

enum {
    TRIES_MAX = 3, /* of one transaction that QEMU refuses without our seeing why */
};

/* What is served of NATIVE is a proof, and no bitmap is lost without it. */
static bool only_proves(const struct bf_source *source)
{
    enum bf_source_wish_kind wish = bf_source_row(source->state)->wish;

    return source->kind == BF_HANDOFF_NATIVE &&
           (wish == BF_SOURCE_SNAPSHOT || wish == BF_SOURCE_SERVE);
}

static void done(struct bf_source *source, const uint8_t *drops)
{
    if (!only_proves(source))
        bf_source_merge(source, drops);
    source->tries = 0;
    if (source->state == BF_SOURCE_CONFIRMING &&
        source->giving_up == BF_DROP_MIGRATION_FAILED) /* not retired yet: KEEP */
        bf_source_abandon(source);
    else if (source->state == BF_SOURCE_CLEANING && source->reason == BF_DROP_PEER_ABORTED)
        bf_source_set_state(source, BF_SOURCE_ENDING); /* it has said so when nothing was left */
    else
        bf_source_set_state(source, bf_source_row(source->state)->after);
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
        bf_source_set_state(source, BF_SOURCE_TIDYING);
        break;
    case BF_SOURCE_ENDING:
    case BF_SOURCE_ABANDONING:
        done(source, NULL);
        break;
    default:
        bf_source_abort_because(source, BF_DROP_JOURNAL_FAILED);
        bf_source_set_state(source, BF_SOURCE_CLEANING);
    }
}

static void refused(struct bf_source *source)
{
    const struct bf_source_row *row = bf_source_row(source->state);

    if (row->wish == BF_SOURCE_JOURNAL) {
        journal_failed(source);
    } else if (only_proves(source)) {
        bf_source_go_unproven(source);
    } else if (row->wish == BF_SOURCE_SERVE) {
        bf_source_drop(source, row->round, BF_DROP_SERVE_FAILED);
        done(source, NULL);
    } else if (row->wish == BF_SOURCE_RETIRE) {
        source->copies_left = true;
        done(source, NULL);
    } else if (row->wish == BF_SOURCE_HOLD) {
        done(source, NULL);
    } else {
        bf_source_set_state(source, source->state == BF_SOURCE_SNAPPING
                                        ? BF_SOURCE_DOUBTING
                                        : BF_SOURCE_DOUBTING_FROZEN);
    }
}

static void unknown(struct bf_source *source)
{
    if (bf_source_row(source->state)->wish == BF_SOURCE_SNAPSHOT)
        refused(source); /* look, then decide */
    else
        bf_source_set_state(source, source->state); /* repeatable: again */
}

/* Was the snapshot taken after all?  If not, without those bitmaps that are to blame, again. */
static void resolve_doubt(struct bf_source *source, const struct bf_source_fact *fact)
{
    bool recording = source->state == BF_SOURCE_DOUBTING;
    enum bf_round round = bf_source_row(source->state)->round;

    if (fact->snapshots_found) {
        bf_source_set_state(source, recording ? BF_SOURCE_SERVING : BF_SOURCE_SERVING_FROZEN);
        return;
    }
    if (source->switched)
        bf_source_drop(source, round, BF_DROP_SWITCHED_EARLY);
    else if (++source->tries >= TRIES_MAX)
        bf_source_drop(source, round, BF_DROP_SNAPSHOT_REFUSED);
    if (bf_source_has(source, round))
        bf_source_set_state(source, recording ? BF_SOURCE_SNAPPING : BF_SOURCE_SNAPPING_FROZEN);
    else if (recording)
        bf_source_set_state(source, BF_SOURCE_INSTALLED);
    else
        bf_source_go_recording(source);
}

/* While the helper was away nobody watched the mirrors: an epoch cannot be gone on with, but it can
 * be begun anew as long as the guest is here. */
static void resume_begun(struct bf_source *source, enum bf_source_guest guest)
{
    if (source->kind == BF_HANDOFF_NATIVE &&
        (guest == BF_SOURCE_GUEST_LOST || guest == BF_SOURCE_GUEST_LEFT)) {
        /* Nothing had to be seen here; what came, or did not, the destination judges. */
        source->switched = true;
        bf_source_set_state(source, BF_SOURCE_SEALING);
    } else if (guest == BF_SOURCE_GUEST_LOST) {
        source->giving_up = BF_DROP_SOURCE_QEMU_GONE;
        bf_source_abandon(source);
    } else if (guest == BF_SOURCE_GUEST_LEFT) {
        source->switched = true;
        bf_source_drop(source, BF_ROUND_NONE, BF_DROP_SOURCE_BLIND);
        bf_source_set_state(source, BF_SOURCE_SEALING);
    } else {
        source->paused = guest == BF_SOURCE_GUEST_PAUSED;
        bf_source_begin_epoch(source);
    }
}

static void resume_sealed(struct bf_source *source, enum bf_source_guest guest)
{
    source->switched = true;
    if (guest == BF_SOURCE_GUEST_HERE || guest == BF_SOURCE_GUEST_PAUSED)
        bf_source_want_abort(source, BF_DROP_MIGRATION_FAILED);
    bf_source_set_state(source, BF_SOURCE_SEALED);
}

static void inspected(struct bf_source *source, const struct bf_source_fact *fact)
{
    bf_source_merge(source, fact->drops);
    if (source->state == BF_SOURCE_EXAMINING)
        bf_source_set_state(source, BF_SOURCE_STOPPED);
    else if (source->state != BF_SOURCE_RESUMING)
        resolve_doubt(source, fact);
    else if (source->resumed_from == BF_MARK_SEALED)
        resume_sealed(source, fact->guest);
    else
        resume_begun(source, fact->guest);
}

void bf_source_take_answer(struct bf_source *source, const struct bf_source_fact *fact)
{
    switch ((int)fact->kind) {
    case BF_SOURCE_DONE:
        source->held = source->held || (source->state == BF_SOURCE_HOLDING && fact->held);
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
