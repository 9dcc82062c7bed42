/** The destination's half of the hand-over: one machine per move, facts in, wishes out.
 *
 *   ACCEPTING -> SWEEPING -> SURVEYING_OFFER -> IDLE <-------------------------------------+
 *       ^                                        |  step asked by the source               | step
 * done | OFFER of a newer epoch                 +--> ARMING -> NOTING_ARMED --------------+
 *       +---- IDLE, PULLING, ...                 |      +-> DOUBTING_ARMED (and back)      |
 *                                                +--> PULLING -> LOADING ----------------->+
 *                                                |      +-> DOUBTING_LOADED (and back)
 *                                                v  SEAL
 *        AWAITING_GUEST -> SURVEYING <-> REMOVING_STALE
 *                              v
 *        NOTING_COMMIT -> COMMITTING -> READING_BACK -> UNPUBLISHING
 *              ^              v              |
 *              +-------- DOUBTING_COMMIT     v            v
 *                                         TIDYING <-----+
 *                                            v
 *                                     NOTING_DONE -> COMMITTED -> ENDING -> ENDED
 *   for any reason to give up, and from COMMITTED when the source says that the guest stays there:
 *        ABANDONING -> SURVEYING_UNDO -> UNDOING -> ENDING -> ENDED
 *   after a restart of the helper:  RESUMING -> IDLE, DOUBTING_COMMIT, COMMITTED or UNDOING's way.
 *
 * What must hold, and where it is made sure: a final name is only put into QEMU when the source has
 * sealed the move, the guest runs here, and for each bitmap its snapshot is loaded and checked and
 * - if it was recording - the tracker has recorded since before the guest ran here, and the deltas
 * are loaded if the source says that they are needed.  The commit is written down before; each of
 * its transactions gives final names and takes their snapshots away; so, when an answer is lost,
 * the snapshots tell what happened, and none is published twice.
 *
 * Where QEMU may bring a bitmap by itself (@native: a shared image, its own stream), one of the
 * final name that is there when the guest runs is judged first.  Proven, it stays, with the drop
 * NATIVE; else it is replaced by ours, or goes, unless it surely came with this move and nothing is
 * there to judge it by (NATIVE_UNPROVEN).
 *
 * Pure, and pumped like the source's machine: see handoff/source.h.
 */
#ifndef HANDOFF_DEST_H
#define HANDOFF_DEST_H

#include "base/error.h"
#include "handoff/word.h"

#define BF_DEST_STATES(X)                                                                          \
    X(ACCEPTING)                                                                                   \
    X(SWEEPING)                                                                                    \
    X(SURVEYING_OFFER)                                                                             \
    X(IDLE)                                                                                        \
    X(ARMING)                                                                                      \
    X(DOUBTING_ARMED)                                                                              \
    X(NOTING_ARMED)                                                                                \
    X(PULLING)                                                                                     \
    X(LOADING)                                                                                     \
    X(DOUBTING_LOADED)                                                                             \
    X(AWAITING_GUEST)                                                                              \
    X(SURVEYING)                                                                                   \
    X(REMOVING_STALE)                                                                              \
    X(NOTING_COMMIT)                                                                               \
    X(COMMITTING)                                                                                  \
    X(DOUBTING_COMMIT)                                                                             \
    X(READING_BACK)                                                                                \
    X(UNPUBLISHING)                                                                                \
    X(TIDYING)                                                                                     \
    X(NOTING_DONE)                                                                                 \
    X(COMMITTED)                                                                                   \
    X(ENDING)                                                                                      \
    X(ENDED)                                                                                       \
    X(ABANDONING)                                                                                  \
    X(SURVEYING_UNDO)                                                                              \
    X(UNDOING)                                                                                     \
    X(RESUMING)

enum bf_dest_state {
#define BF_ENUM(name) BF_DEST_##name,
    BF_DEST_STATES(BF_ENUM)
#undef BF_ENUM
        BF_NR_DEST_STATES
};

/** As on the source: events may come in any state, answers only to the wish that is out, and an
 * answer with the ticket of an older wish is ignored. */
enum bf_dest_fact_kind {
    /* Events */
    BF_DEST_HEARD,      /* @word came from the source (of this move, authenticated) */
    BF_DEST_NUDGE,      /* a new connection to the peer, or a silence: say the last word again */
    BF_DEST_GUEST_RUNS, /* RESUME, or query-status `running`, after the incoming migration.  Fed
                           again after RESUMING was answered, if it holds */
    BF_DEST_MIGRATION_FAILED, /* MIGRATION `failed`: this QEMU will not get the guest */
    BF_DEST_QEMU_GONE,        /* the QMP socket is dead and the process with it */
    BF_DEST_ABORT,            /* the operator gives up */
    BF_DEST_DEADLINE,         /* the source has not said a word for too long */

    /* Answers */
    BF_DEST_DONE,      /* as wished; @drops, @before_guest where the wish says so */
    BF_DEST_REFUSED,   /* certain: nothing was done */
    BF_DEST_UNKNOWN,   /* sent, but no answer: done or not done, yet nothing is under way any more
                          (the QMP   connection was closed: what QEMU had read before is carried out
                          before anything   that comes over the next one) */
    BF_DEST_INSPECTED, /* to INSPECT: @found, @trackers_found, @deltas_found, @guest_runs, @drops */
    BF_NR_DEST_FACTS
};

/** What INSPECT found of a bitmap. */
enum {
    BF_FOUND_SNAPSHOT = 1, /* the temporary of this epoch, with the announced count and digest */
    BF_FOUND_FINAL = 2,    /* a bitmap of the final name */
    BF_FOUND_DELTA = 4,    /* recording ones: the delta of this epoch for its disk, checked */
    /* Of a final name where QEMU may have brought the bitmap itself (@native): */
    BF_FOUND_NATIVE = 8, /* consistent, recording and granularity as offered, and it has all that is
                            in SNAPSHOT and, for recording ones, in DELTA, as far as found */
    BF_FOUND_FRESH = 16, /* it came with this move: from the image that both have open, or there was
                           none of that name in the image when the offer was surveyed */
};

struct bf_dest_fact {
    enum bf_dest_fact_kind kind;
    uint32_t ticket;      /* answers: that of the wish */
    struct bf_word word;  /* HEARD */
    const uint8_t *drops; /* DONE, INSPECTED: an enum bf_drop per bitmap, or NULL for all well */
    const uint8_t *found; /* INSPECTED: BF_FOUND_ flags per bitmap, or NULL for nothing found */
    bool trackers_found;  /* INSPECTED: the trackers of this epoch, of all disks with recording
                             bitmaps  that are not dropped; recording */
    bool deltas_found;    /* INSPECTED: the deltas of this epoch, likewise, checked */
    bool guest_runs;      /* INSPECTED: the guest runs, or has ever run here (query-status after all
                             else was queried, on the same connection) */
    bool before_guest;    /* DONE of ARM: the guest had not run yet when all trackers recorded */
};

/** What is wanted.  At most one wish that wants an answer is out at a time; SAY wants none.  A new
 * one supersedes the old: the driver first stops what PULL or INSPECT has under way.  QMP
 * transactions are never superseded; the driver sets them a deadline and answers UNKNOWN then.
 * "Carried" are the bitmaps whose drop is NONE; "ours" are the names of names.h with this move's
 * id.  The wishes that need one transaction are all or nothing. */
enum bf_dest_wish_kind {
    BF_DEST_SAY,     /* send @word with the drops; nothing to answer */
    BF_DEST_JOURNAL, /* append @record with the drops, fsync -> DONE, REFUSED (must not be used any
                        more: the move fails).  What SERVED announced (digests) is kept with it */
    BF_DEST_ARM,     /* one transaction: block-dirty-bitmap-add (recording, transient, finest
                        granularity     among the disk's recording bitmaps) TRACKER of this epoch on the
                        node of each disk     with carried recording bitmaps; then, on the same
                        connection,     query-status.
                        -> DONE with @before_guest (false if the guest runs or ever ran), REFUSED,
                        UNKNOWN */
    BF_DEST_PULL,    /* fetch what is carried of @round and not yet loaded (bf_dest_wants()) into
                        carriers in the move's folder, check SHA-256 and count, retry within the
                        driver's    deadline.  DELTA: one per disk with carried recording bitmaps.
                        -> DONE with @drops (PULL_FAILED, DIGEST_MISMATCH; a delta's for all recording
                        bitmaps of its disk), REFUSED (all).  The driver may begin with LOAD
                        meanwhile, if it answers UNKNOWN to that where QEMU has not answered */
    BF_DEST_LOAD,    /* put the same into QEMU as SNAPSHOT or DELTA temporaries of this epoch:
                        blockdev-add    the carrier read-only, one transaction of -add disabled and
                        -merge, blockdev-del,    then compare count and digest.  -> DONE with @drops,
                        REFUSED, UNKNOWN */
    BF_DEST_INSPECT, /* query-named-block-nodes, query-status, x-debug-block-dirty-bitmap-sha256.
                        SURVEYING_OFFER: @drops for what cannot be placed here (NODE_MISSING,
                        SIZE_MISMATCH, FORMAT_UNSUPPORTED, NAME_RESERVED).  RESUMING: the same, too.
                        SURVEYING, SURVEYING_UNDO: also what QEMU has
                        brought: one transaction makes NATIVE = final and UNITED = final + SNAPSHOT
                        (+ DELTA); of equal digest, nothing is missing in the final one, whatever
                        the guest writes meanwhile.
                        -> INSPECTED */
    BF_DEST_REMOVE_STALE, /* remove the bitmaps of bf_dest_is_stale(): a former visit left them, and
                             what was written since is not in them.  -> DONE, REFUSED, UNKNOWN */
    BF_DEST_COMMIT, /* for each carried bitmap that is not published, in one transaction: -add the
                       final name (persistent where the format can, recording as offered, offered
                       granularity), -merge SNAPSHOT, for recording ones also TRACKER and -
                       @with_delta - DELTA of its disk, -remove SNAPSHOT.  As many transactions
                       as it takes for none to hold QEMU's main loop for long, each sent when the
                       one before it is answered.
                       -> DONE, REFUSED, UNKNOWN */
    BF_DEST_READ_BACK, /* for each published bitmap (bf_dest_is_published()): there, recording as
                          offered, not inconsistent, count not below the snapshot's; frozen ones:
                          count and digest equal.  (The source's own last count is no measure: it
                          has the TRIMs that the destination ignores, and zeroes over zeroes that a
                          mirror of QEMU 10.1 skips.)  -> DONE with @drops (READ_BACK_FAILED,
                          COMMIT_LOST) */
    BF_DEST_UNPUBLISH, /* remove the final names that are published and dropped, as far as they are
                          there.  Repeatable.  -> DONE, UNKNOWN (again) */
    BF_DEST_CLEAN, /* remove every bitmap of ours from QEMU (@epoch is being begun: there is nothing
                      of it yet), stop PULL's children, delete carriers.  With no QEMU there is
                      nothing to remove.  Repeatable.  -> DONE, UNKNOWN (again) */
    BF_DEST_UNDO,  /* CLEAN, and remove the final names of bf_dest_is_published() and
                      bf_dest_is_stale().  Repeatable.  -> DONE, UNKNOWN (again) */
};

struct bf_dest_wish {
    enum bf_dest_wish_kind kind;
    uint32_t ticket; /* goes into the answer */
    uint32_t epoch;
    enum bf_round round;     /* PULL, LOAD */
    bool with_delta;         /* COMMIT */
    struct bf_word word;     /* SAY */
    struct bf_record record; /* JOURNAL */
};

struct bf_dest {
    /* to be read by the driver */
    enum bf_dest_state state;
    enum bf_outcome outcome;
    enum bf_drop reason; /* why the move was given up */
    uint32_t epoch;
    enum bf_step step; /* the last step done: the last word said */
    struct bf_handoff_bitmap *bitmaps;
    uint32_t nr_bitmaps;
    /* private */
    uint32_t ticket;
    uint32_t next_epoch;       /* an offer that waits for the machine to be free */
    enum bf_step wanted;       /* the step under way */
    enum bf_mark resumed_from; /* RESUMING */
    enum bf_drop giving_up;    /* a reason that waits for the machine to be free */
    uint8_t tries;
    bool asked;
    bool say;
    bool armed;      /* the trackers record, since before the guest ran */
    bool deltas;     /* loaded */
    bool with_delta; /* as SEAL says */
    bool delta_whole;
    bool guest_runs;
    bool published; /* a commit may have been sent */
    /* optional: told of each change of state, for the log */
    void (*trace)(void *ctx, enum bf_dest_state from, enum bf_dest_state to);
    void *trace_ctx;
};

/** A new move, when the first OFFER (of @epoch) has come and is durable in the move's folder (an
 * OFFER of another epoch later must have the same bitmaps, or is refused by the driver).  @bitmaps
 * belongs to the caller, must outlive @dest, and has the drops of the OFFER.  Errors: LIMIT. */
int bf_dest_init(struct bf_dest *dest, uint32_t epoch, struct bf_handoff_bitmap *bitmaps,
                 uint32_t nr_bitmaps, struct bf_error *err);

/** The same after a restart of the helper, from the last intact record of the journal, whose drops
 * are in @bitmaps.  With no record at all nothing was done: wait for the OFFER to be said again.
 *  Errors: LIMIT; INVALID for a record that bf_dest_next() does not make. */
int bf_dest_resume(struct bf_dest *dest, struct bf_handoff_bitmap *bitmaps, uint32_t nr_bitmaps,
                   const struct bf_record *record, struct bf_error *err);

/** Tell what happened.  Errors: PROTOCOL for a fact that is illegal in this state; the move is
 * being given up then (reason PROTOCOL), and the wishes say how. */
int bf_dest_feed(struct bf_dest *dest, const struct bf_dest_fact *fact, struct bf_error *err);

/** The next thing to do; false: nothing until the next fact. */
bool bf_dest_next(struct bf_dest *dest, struct bf_dest_wish *ret_wish);

/** Must bitmap @index be pulled and loaded in this round? */
bool bf_dest_wants(const struct bf_dest *dest, enum bf_round round, uint32_t index);
bool bf_dest_is_stale(const struct bf_dest *dest, uint32_t index);
bool bf_dest_is_published(const struct bf_dest *dest, uint32_t index);

/** "PULLING" and so on. */
const char *bf_dest_state_name(enum bf_dest_state state);

#endif
