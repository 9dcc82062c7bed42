#include "source_steps.h"

#include "source_table.h"

void bf_source_want_abort(struct bf_source *source, enum bf_drop reason)
{
    if (source->giving_up == BF_DROP_NONE || reason == BF_DROP_MIGRATION_FAILED)
        source->giving_up = reason;
}

void bf_source_abort_because(struct bf_source *source, enum bf_drop reason)
{
    source->reason = reason;
    source->outcome = BF_OUTCOME_ABORTED;
    bf_source_drop(source, BF_ROUND_NONE, reason);
}

void bf_source_abandon(struct bf_source *source)
{
    bf_source_abort_because(source, source->giving_up);
    bf_source_set_state(source, BF_SOURCE_ABANDONING);
}

/* After SEAL the destination may publish at any time.  Only two things can undo that: the guest
 * stays here, or the destination itself gives up. */
static void give_up_sealed(struct bf_source *source)
{
    switch ((int)source->giving_up) {
    case BF_DROP_SOURCE_QEMU_GONE: /* seen before it was known that the guest had left */
        source->giving_up = BF_DROP_NONE;
        break;
    case BF_DROP_OPERATOR_ABORT:
    case BF_DROP_DEST_SILENT:
        source->reason = source->giving_up;
        source->outcome = BF_OUTCOME_UNCONFIRMED;
        bf_source_set_state(source, BF_SOURCE_TIDYING);
        break;
    default:
        bf_source_abandon(source);
    }
}

/* A mirror broke on which the trackers' argument relies.  With the guest still running all begins
 * anew; once it is paused only a delta that ends no sooner can replace what the tracker may have
 * missed. */
static void begin_anew(struct bf_source *source)
{
    source->voided = false;
    if (!source->paused && !source->switched)
        bf_source_begin_epoch(source);
    else if (source->caught_up)
        bf_source_drop(source, BF_ROUND_RECORDING, BF_DROP_MIRROR_FAILED);
}

void bf_source_interrupt(struct bf_source *source)
{
    unsigned traits = bf_source_row(source->state)->traits;

    if (!(traits & BF_SOURCE_FREE))
        return;
    if (source->giving_up != BF_DROP_NONE) {
        if (source->state == BF_SOURCE_SEALED)
            give_up_sealed(source);
        else
            bf_source_abandon(source);
    } else if (source->voided && (traits & BF_SOURCE_EPOCH)) {
        begin_anew(source);
    }
}

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
        bf_source_go_frozen(source);
        break;
    case BF_SOURCE_LOADING_FROZEN:
        bf_source_go_recording(source);
        break;
    case BF_SOURCE_ARMING:
        bf_source_set_state(source, BF_SOURCE_DRAINING);
        break;
    case BF_SOURCE_LOADING:
        bf_source_go_tracker(source);
        break;
    case BF_SOURCE_LOADING_CATCH_UP:
        bf_source_set_state(source, BF_SOURCE_INSTALLED);
        break;
    case BF_SOURCE_ARMING_PAUSED:
        bf_source_go_delta(source);
        break;
    case BF_SOURCE_LOADING_DELTA:
        bf_source_go_stopped(source);
        break;
    case BF_SOURCE_SEALED:
        source->outcome = BF_OUTCOME_COMMITTED;
        bf_source_set_state(source, BF_SOURCE_CONFIRMING);
        break;
    default: /* ABORTING: nothing is left at the destination */
        bf_source_set_state(source, BF_SOURCE_ENDING);
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
        bf_source_merge(source, word->drops);
        after_word(source);
    } else if (word->step == BF_STEP_ABORT) {
        bf_source_want_abort(source, BF_DROP_PEER_ABORTED);
    }
}

/* The guest stays.  What the destination has published since must go again. */
static void kept(struct bf_source *source)
{
    source->paused = false;
    source->switched = false;
    source->migrating = false;
    bf_source_want_abort(source, BF_DROP_MIGRATION_FAILED);
}

static void deadline(struct bf_source *source)
{
    if (source->state == BF_SOURCE_ABORTING)
        bf_source_set_state(source, BF_SOURCE_ENDING);
    else if (source->kind == BF_HANDOFF_NATIVE &&
             (source->state == BF_SOURCE_LOADING || source->state == BF_SOURCE_LOADING_DELTA))
        bf_source_go_unproven(source); /* it has time to answer until the guest is there */
    else
        bf_source_want_abort(source, BF_DROP_DEST_SILENT);
}

void bf_source_take_event(struct bf_source *source, const struct bf_source_fact *fact)
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
    case BF_SOURCE_MIGRATING:
        source->migrating = true;
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
    case BF_SOURCE_QEMU_GONE: /* once the guest has left, it has done its work */
        if (!source->switched)
            bf_source_want_abort(source, BF_DROP_SOURCE_QEMU_GONE);
        break;
    case BF_SOURCE_TOO_BUSY:
        source->too_busy = source->state == BF_SOURCE_DRAINING;
        break;
    case BF_SOURCE_ABORT:
        bf_source_want_abort(source, BF_DROP_OPERATOR_ABORT);
        break;
    default:
        deadline(source);
    }
}
