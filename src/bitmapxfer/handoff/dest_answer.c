#include "dest_steps.h"
#include "dest_table.h"
#include "set.h"

void bf_dest_be_armed(struct bf_dest *dest, bool before_guest)
{
    dest->armed = before_guest;
    if (before_guest) {
        bf_dest_set_state(dest, BF_DEST_NOTING_ARMED);
        return;
    }
    for (uint32_t i = 0; i < dest->nr_bitmaps; i++) {
        struct bf_handoff_bitmap *bitmap = &dest->bitmaps[i];

        /* what QEMU may have brought is recording by itself; the delta will prove it */
        if (bitmap->recording && !bitmap->native && bitmap->drop == BF_DROP_NONE)
            bitmap->drop = BF_DROP_TRACKER_LATE;
    }
    bf_dest_finish_step(dest, BF_DEST_IDLE);
}

static void ended(struct bf_dest *dest)
{
    if (dest->outcome == BF_OUTCOME_ABORTED)
        dest->step = BF_STEP_ABORT;
    bf_dest_set_state(dest, BF_DEST_ENDED);
    dest->say = dest->outcome == BF_OUTCOME_ABORTED;
}

static void read_back(struct bf_dest *dest)
{
    bool bad = false;

    for (uint32_t i = 0; i < dest->nr_bitmaps; i++)
        bad = bad || (bf_dest_is_published(dest, i) && dest->bitmaps[i].drop != BF_DROP_NONE);
    bf_dest_set_state(dest, bad ? BF_DEST_UNPUBLISHING : BF_DEST_TIDYING);
}

void bf_dest_note_published(struct bf_dest *dest)
{
    for (uint32_t i = 0; i < dest->nr_bitmaps; i++) {
        if (dest->bitmaps[i].drop == BF_DROP_NONE)
            dest->bitmaps[i].flags |= BF_SET_PUBLISHED;
    }
}

void bf_dest_be_done(struct bf_dest *dest, const struct bf_dest_fact *fact)
{
    bf_dest_merge(dest, fact->drops);
    switch ((int)dest->state) {
    case BF_DEST_ARMING:
        bf_dest_be_armed(dest, fact->before_guest);
        return;
    case BF_DEST_NOTING_ARMED:
        bf_dest_finish_step(dest, BF_DEST_IDLE);
        return;
    case BF_DEST_LOADING:
        bf_dest_note_loaded(dest);
        return;
    case BF_DEST_NOTING_COMMIT:
        dest->published = true;
        break;
    case BF_DEST_COMMITTING:
        bf_dest_note_published(dest);
        break;
    case BF_DEST_READING_BACK:
        read_back(dest);
        return;
    case BF_DEST_NOTING_DONE:
        dest->outcome = BF_OUTCOME_COMMITTED;
        bf_dest_finish_step(dest, BF_DEST_COMMITTED);
        return;
    case BF_DEST_UNDOING: /* only now: until then the drops say what was committed */
        bf_dest_drop(dest, BF_ROUND_NONE, dest->reason);
        break;
    case BF_DEST_ENDING:
        ended(dest);
        return;
    default:
        break;
    }
    bf_dest_set_state(dest, bf_dest_row(dest->state)->after);
}

/* A journal that cannot be trusted any more ends the move; what is published and read back stays.
 */
static void journal_failed(struct bf_dest *dest)
{
    if (dest->state == BF_DEST_ENDING || dest->state == BF_DEST_ABANDONING) {
        bf_dest_be_done(dest, &(struct bf_dest_fact){.kind = BF_DEST_DONE});
        return;
    }
    dest->reason = BF_DROP_JOURNAL_FAILED;
    dest->outcome = BF_OUTCOME_ABORTED;
    bf_dest_set_state(dest, BF_DEST_SURVEYING_UNDO);
}

/* Refused or in doubt: look what is there, then decide. */
void bf_dest_not_done(struct bf_dest *dest, bool refused)
{
    switch ((int)dest->state) {
    case BF_DEST_ARMING:
        bf_dest_set_state(dest, BF_DEST_DOUBTING_ARMED);
        break;
    case BF_DEST_PULLING:
        bf_dest_drop(dest, bf_dest_round_of(dest->wanted), BF_DROP_PULL_FAILED);
        bf_dest_finish_step(dest, BF_DEST_IDLE);
        break;
    case BF_DEST_LOADING:
        bf_dest_set_state(dest, BF_DEST_DOUBTING_LOADED);
        break;
    case BF_DEST_REMOVING_STALE:
        bf_dest_set_state(dest, BF_DEST_SURVEYING);
        break;
    case BF_DEST_COMMITTING:
        bf_dest_set_state(dest, BF_DEST_DOUBTING_COMMIT);
        break;
    default:
        if (refused)
            journal_failed(dest);
        else
            bf_dest_set_state(dest, dest->state); /* repeatable: again */
    }
}
