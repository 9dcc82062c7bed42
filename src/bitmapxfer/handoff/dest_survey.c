#include "dest_steps.h"
#include "dest_table.h"
#include "set.h"

enum {
    TRIES_MAX = 3, /* of one transaction that QEMU refuses without our seeing why */
};

static bool found(const struct bf_dest_fact *fact, uint32_t index, uint8_t flag)
{
    return fact->found && (fact->found[index] & flag);
}

static void doubt_armed(struct bf_dest *dest, const struct bf_dest_fact *fact)
{
    if (fact->trackers_found) {
        bf_dest_be_armed(dest, !fact->guest_runs);
    } else if (++dest->tries >= TRIES_MAX) {
        bf_dest_drop(dest, BF_ROUND_RECORDING, BF_DROP_TRACKER_REFUSED);
        bf_dest_finish_step(dest, BF_DEST_IDLE);
    } else {
        bf_dest_set_state(dest, BF_DEST_ARMING);
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
    enum bf_round round = bf_dest_round_of(dest->wanted);

    note_found(dest, fact);
    if (++dest->tries >= TRIES_MAX) {
        for (uint32_t i = 0; i < dest->nr_bitmaps; i++) {
            if (bf_dest_wants(dest, round, i))
                dest->bitmaps[i].drop = BF_DROP_LOAD_REFUSED;
        }
    }
    if (bf_dest_wants_any(dest, round))
        bf_dest_set_state(dest, BF_DEST_LOADING);
    else
        bf_dest_finish_step(dest, BF_DEST_IDLE);
}

/* Drop what cannot be committed: something that it needs is not there. */
static void require_all(struct bf_dest *dest, const struct bf_dest_fact *fact)
{
    struct bf_handoff_bitmap *bitmap;

    if (!dest->armed || !fact->trackers_found)
        bf_dest_drop(dest, BF_ROUND_RECORDING,
                     dest->armed ? BF_DROP_TRACKER_LOST : BF_DROP_TRACKER_LATE);
    if (dest->with_delta && !fact->deltas_found)
        bf_dest_drop(dest, BF_ROUND_RECORDING, BF_DROP_DELTA_LOST);
    for (uint32_t i = 0; i < dest->nr_bitmaps; i++) {
        bitmap = &dest->bitmaps[i];
        if (bitmap->drop == BF_DROP_NONE && !found(fact, i, BF_FOUND_SNAPSHOT))
            bitmap->drop = BF_DROP_SNAPSHOT_LOST;
    }
}

static bool is_native(const struct bf_handoff_bitmap *bitmap)
{
    return bitmap->drop == BF_DROP_NATIVE || bitmap->drop == BF_DROP_NATIVE_UNPROVEN;
}

/* Has the source seen that the bitmap is no longer what was offered, or not looked at all? */
static bool is_changed(const struct bf_handoff_bitmap *bitmap)
{
    return bitmap->drop >= BF_DROP_BITMAP_VANISHED && bitmap->drop <= BF_DROP_BITMAP_UNSEEN;
}

/* What QEMU has brought, and nothing is missing in, is better than anything of ours, whatever
 * became of that.  One that may be older than the move must prove more: that it has the delta too,
 * of a bitmap that was looked at until the end.  What came with the move, but cannot be judged, is
 * left to its owner. */
static enum bf_drop judge_native(const struct bf_dest *dest, const struct bf_dest_fact *fact,
                                 uint32_t index, bool examined)
{
    const struct bf_handoff_bitmap *bitmap = &dest->bitmaps[index];
    bool fresh = found(fact, index, BF_FOUND_FRESH);
    bool loaded = found(fact, index, BF_FOUND_SNAPSHOT);
    bool changed = is_changed(bitmap);
    bool complete = fresh || (examined && bitmap->drop == BF_DROP_NONE &&
                              (!bitmap->recording || found(fact, index, BF_FOUND_DELTA)));

    if (loaded && complete && found(fact, index, BF_FOUND_NATIVE) &&
        (!changed || bitmap->drop == BF_DROP_BITMAP_UNSEEN))
        return BF_DROP_NATIVE;
    if (fresh && (changed || !loaded))
        return BF_DROP_NATIVE_UNPROVEN;
    return (enum bf_drop)bitmap->drop;
}

static void note_native(struct bf_dest *dest, const struct bf_dest_fact *fact, bool examined)
{
    for (uint32_t i = 0; i < dest->nr_bitmaps; i++) {
        if (dest->bitmaps[i].native && found(fact, i, BF_FOUND_FINAL))
            dest->bitmaps[i].drop = (uint8_t)judge_native(dest, fact, i, examined);
    }
}

static void survey(struct bf_dest *dest, const struct bf_dest_fact *fact)
{
    bool stale = false;

    note_native(dest, fact, true);
    require_all(dest, fact);
    for (uint32_t i = 0; i < dest->nr_bitmaps; i++) {
        dest->bitmaps[i].flags &= (uint8_t)~BF_SET_STALE;
        if (found(fact, i, BF_FOUND_FINAL) && !is_native(&dest->bitmaps[i])) {
            dest->bitmaps[i].flags |= BF_SET_STALE;
            stale = true;
        }
    }
    if (stale)
        bf_dest_set_state(dest, BF_DEST_REMOVING_STALE);
    else
        bf_dest_set_state(dest, bf_dest_has(dest, BF_ROUND_NONE) ? BF_DEST_NOTING_COMMIT
                                                                 : BF_DEST_TIDYING);
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
    bf_dest_note_published(dest);
    bf_dest_set_state(dest, BF_DEST_READING_BACK);
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
        bf_dest_drop(dest, BF_ROUND_NONE, BF_DROP_COMMIT_REFUSED);
    bf_dest_set_state(dest,
                      bf_dest_has(dest, BF_ROUND_NONE) ? BF_DEST_NOTING_COMMIT : BF_DEST_TIDYING);
}

/* What must go besides the temporaries: what we have published, or, where the guest runs and we
 * have not, what a former visit left. */
static void survey_undo(struct bf_dest *dest, const struct bf_dest_fact *fact)
{
    if (!dest->published && (dest->guest_runs || fact->guest_runs))
        note_native(dest, fact, false);
    for (uint32_t i = 0; i < dest->nr_bitmaps; i++) {
        struct bf_handoff_bitmap *bitmap = &dest->bitmaps[i];

        bitmap->flags &= (uint8_t) ~(BF_SET_STALE | BF_SET_PUBLISHED);
        if (!found(fact, i, BF_FOUND_FINAL) || is_native(bitmap))
            continue;
        if (!dest->published && (dest->guest_runs || fact->guest_runs))
            bitmap->flags |= BF_SET_STALE;
        else if (dest->published && bitmap->drop == BF_DROP_NONE &&
                 !found(fact, i, BF_FOUND_SNAPSHOT))
            bitmap->flags |= BF_SET_PUBLISHED;
    }
    bf_dest_set_state(dest, BF_DEST_UNDOING);
}

static void resume(struct bf_dest *dest, const struct bf_dest_fact *fact)
{
    bool noted = dest->resumed_from == BF_MARK_ARMED;

    dest->guest_runs = fact->guest_runs;
    dest->armed = fact->trackers_found && (noted || !fact->guest_runs);
    if (fact->trackers_found && !dest->armed) /* nobody saw which was first */
        bf_dest_drop(dest, BF_ROUND_RECORDING, BF_DROP_TRACKER_LATE);
    note_found(dest, fact);
    dest->wanted = BF_STEP_OFFER;
    bf_dest_finish_step(dest, BF_DEST_IDLE);
}

void bf_dest_inspected(struct bf_dest *dest, const struct bf_dest_fact *fact)
{
    bf_dest_merge(dest, fact->drops);
    switch ((int)dest->state) {
    case BF_DEST_SURVEYING_OFFER:
        bf_dest_finish_step(dest, BF_DEST_IDLE);
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
