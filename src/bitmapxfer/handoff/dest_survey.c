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

/* What does the commit of this bitmap need that is not there? */
static enum bf_drop lacks(const struct bf_dest *dest, const struct bf_dest_fact *fact,
                          uint32_t index)
{
    bool recording = dest->bitmaps[index].recording;

    if (recording && (!dest->armed || !fact->trackers_found))
        return dest->armed ? BF_DROP_TRACKER_LOST : BF_DROP_TRACKER_LATE;
    if (recording && dest->with_delta && !fact->deltas_found)
        return BF_DROP_DELTA_LOST;
    return found(fact, index, BF_FOUND_SNAPSHOT) ? BF_DROP_NONE : BF_DROP_SNAPSHOT_LOST;
}

/* Is it carried, and not published yet? */
static bool is_left(const struct bf_dest *dest, uint32_t index)
{
    return dest->bitmaps[index].drop == BF_DROP_NONE && !bf_dest_is_published(dest, index);
}

static void require_all(struct bf_dest *dest, const struct bf_dest_fact *fact)
{
    for (uint32_t i = 0; i < dest->nr_bitmaps; i++) {
        if (is_left(dest, i))
            dest->bitmaps[i].drop = (uint8_t)lacks(dest, fact, i);
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
 * became of that.  One that may be older than the move must prove more: that it has all up to the
 * pause too, of a bitmap that was looked at until the end.  What came with the move, but cannot be
 * judged, is left to its owner. */
static enum bf_drop judge_native(const struct bf_dest *dest, const struct bf_dest_fact *fact,
                                 uint32_t index, bool examined)
{
    const struct bf_handoff_bitmap *bitmap = &dest->bitmaps[index];
    bool fresh = found(fact, index, BF_FOUND_FRESH);
    bool loaded = found(fact, index, BF_FOUND_SNAPSHOT);
    bool changed = is_changed(bitmap);
    bool complete =
        fresh ||
        (examined && bitmap->drop == BF_DROP_NONE &&
         (!bitmap->recording || (dest->delta_whole && found(fact, index, BF_FOUND_DELTA))));

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

/* A transaction of the commit takes a snapshot away as it gives the final name: the snapshot says
 * of each bitmap whether it was published. */
static void note_committed(struct bf_dest *dest, const struct bf_dest_fact *fact)
{
    for (uint32_t i = 0; i < dest->nr_bitmaps; i++) {
        struct bf_handoff_bitmap *bitmap = &dest->bitmaps[i];
        bool has_final = found(fact, i, BF_FOUND_FINAL);

        if (!is_left(dest, i))
            continue;
        if (found(fact, i, BF_FOUND_SNAPSHOT))
            bitmap->drop = has_final ? BF_DROP_NAME_TAKEN : BF_DROP_NONE;
        else if (has_final)
            bitmap->flags |= BF_SET_PUBLISHED;
        else
            bitmap->drop = BF_DROP_COMMIT_LOST;
    }
}

static bool any_left(const struct bf_dest *dest)
{
    for (uint32_t i = 0; i < dest->nr_bitmaps; i++) {
        if (is_left(dest, i))
            return true;
    }
    return false;
}

static void give_up_the_rest(struct bf_dest *dest)
{
    for (uint32_t i = 0; i < dest->nr_bitmaps; i++) {
        if (is_left(dest, i))
            dest->bitmaps[i].drop = BF_DROP_COMMIT_REFUSED;
    }
}

static void doubt_commit(struct bf_dest *dest, const struct bf_dest_fact *fact)
{
    note_committed(dest, fact);
    require_all(dest, fact);
    if (any_left(dest) && ++dest->tries >= TRIES_MAX)
        give_up_the_rest(dest);
    if (any_left(dest))
        bf_dest_set_state(dest, BF_DEST_NOTING_COMMIT);
    else
        bf_dest_set_state(dest, bf_dest_has(dest, BF_ROUND_NONE) ? BF_DEST_READING_BACK
                                                                 : BF_DEST_TIDYING);
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
