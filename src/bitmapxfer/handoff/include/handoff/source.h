/** The source's half of the hand-over: one machine per move, facts in, wishes out.
 *
 *   BEGINNING -> SWEEPING -> OFFERING ----------------------------------------+
 *       ^                       | frozen bitmaps                              | none
 *       |        SNAPPING_FROZEN -> SERVING_FROZEN -> LOADING_FROZEN ---------+
 *       |                                                                     v
 *       |                                   SNAPPING (t1) -> SERVING -> LOADING
 *       |                                                                     |
 *       |  +---------------------------- TRACKER -----------------------------+ FREEZE, NATIVE
 *       |  v                                                                  |
 *       |  AWAITING_READY -> ARMING (t0) -> DRAINING -> CATCHING_UP (t2)      |
 *       |                                      |             v                v
 *       |                  paused, or too busy |    LOADING_CATCH_UP -> INSTALLED <-> HOLDING
 *       |                                      +------------------------->    | guest (migrating)
 *       | mirror broke since t0: next epoch                                   | paused
 *       +--------------------------------------------------------+            v or gone
 *       STOPPED <- EXAMINING <- LOADING_DELTA <- SERVING_DELTA <- ARMING_PAUSED (FREEZE)
 *          | guest gone            (a stage without work is passed)
 *          v
 *       SEALING -> SEALED -> CONFIRMING -> RETIRING -> TIDYING -> ENDING -> ENDED
 *                     | the destination never confirms: UNCONFIRMED ^
 *                     +---------------------------------------------+
 *   before CONFIRMING, for any reason to give up:
 *       ABANDONING -> CLEANING -> ABORTING -> ENDING -> ENDED    (no ABORTING where the other has)
 *   after a restart of the helper:  RESUMING -> BEGINNING (next epoch), SEALING, SEALED or
 * ABANDONING; an answer in doubt:  SNAPPING_FROZEN -> DOUBTING_FROZEN, SNAPPING -> DOUBTING, and
 * back or on.
 *
 * What must hold, and where it is made sure: snapshots travel while the mirrors still copy, so
 * that next to nothing is left to be done when they are ready.  With each snapshot (t1) a delta is
 * begun that misses no write behind it.  The deltas only end (t2) when the destination has said
 * that its trackers record (t0), and when each mirror was seen with nothing left to copy after that
 * - or when the guest is paused.  So a bitmap is its snapshot, its disk's delta up to t2, and what
 * the tracker has seen from t0 on.  (Where reading snapshots would hold up a mirror that copies,
 * the driver takes back @early: AWAITING_READY comes before SNAPPING, too.)
 * In NATIVE, where all this only proves what QEMU brings, what fails is left out: the way goes on
 * at INSTALLED, or at STOPPED, and nothing is dropped for it. SEAL is only said when the guest has
 * left and nothing voided this.  The source's copies are only touched when the destination has said
 * that the guest runs there.
 *
 * TWIN: with each snapshot of a recording bitmap another one is begun that records, and gets all
 * that it has.  From then on the two are the same, if nobody but the guest changes the bitmap. QEMU
 * counts both at one moment, and an unequal count says that somebody has cleared, switched or
 * merged something: what is carried would not be what the bitmap is, and it is dropped.
 *
 * HOLDING: persistent bitmaps would be stored by QEMU while the guest is paused, and what users can
 * still change must be examined then.  But the twin is the bitmap, too.  So when the migration
 * begins the bitmap is judged, its disk is marked, and it is taken out of QEMU: nobody stores it
 * and nobody changes it any more.  Whoever cleans up puts back what is not there though it has a
 * twin on a marked disk, after any crash, unless the end is COMMITTED (a bitmap that stays, for it
 * was changed or removed, has a mark of its own); if QEMU dies meanwhile, it is absent.  Behind the
 * look somebody may still clear such a bitmap, switch it off or remove it: then it is what it was,
 * or records on, here and there: more than needed, never less.
 *
 * Frozen bitmaps are not held.  Who switches one on behind the look would find it gone, and frozen
 * at the destination, where it would miss what was written since; and QEMU has no transaction that
 * fails for a bitmap that records.  They stay, QEMU stores them, and EXAMINING looks at them when
 * no write can come any more; what is held needs no second look.
 *
 * What nobody sees: what a user merges into a recording bitmap in the milliseconds between that
 * look and the removal; and, where it was not taken out, what he merges after the look if the QEMU
 * that has the twin is gone before EXAMINING.  What it got by that is lost on the way.  The same of
 * a clear and a merge that together leave the count as it was.
 *
 * With a mirror that skips zeroes (QEMU 10.1 and later) a bitmap that is cleared, or removed and
 * made anew, behind the look and after the drain was seen can lose a block (a value written but not
 * yet mirrored, the clear, a zero: never sent).  Deltas that end in the pause have no such hole:
 * with those QEMUs feed TOO_BUSY as soon as the state is DRAINING.
 *
 * Pure: no fd, clock or memory of its own.  A driver pumps it:
 *
 *     bf_source_feed(source, &fact, err);             a callback stores what happened ...
 *     while (bf_source_next(source, &wish))           ... and carries out what is wanted
 *         carry_out(&wish);
 *
 * Not thread-safe; one machine belongs to one loop.
 */
#ifndef HANDOFF_SOURCE_H
#define HANDOFF_SOURCE_H

#include "base/error.h"
#include "handoff/word.h"

#define BF_SOURCE_STATES(X)                                                                        \
    X(BEGINNING)                                                                                   \
    X(SWEEPING)                                                                                    \
    X(OFFERING)                                                                                    \
    X(SNAPPING_FROZEN)                                                                             \
    X(DOUBTING_FROZEN)                                                                             \
    X(SERVING_FROZEN)                                                                              \
    X(LOADING_FROZEN)                                                                              \
    X(SNAPPING)                                                                                    \
    X(DOUBTING)                                                                                    \
    X(SERVING)                                                                                     \
    X(LOADING)                                                                                     \
    X(AWAITING_READY)                                                                              \
    X(ARMING)                                                                                      \
    X(DRAINING)                                                                                    \
    X(CATCHING_UP)                                                                                 \
    X(LOADING_CATCH_UP)                                                                            \
    X(INSTALLED)                                                                                   \
    X(HOLDING)                                                                                     \
    X(ARMING_PAUSED)                                                                               \
    X(SERVING_DELTA)                                                                               \
    X(LOADING_DELTA)                                                                               \
    X(EXAMINING)                                                                                   \
    X(STOPPED)                                                                                     \
    X(SEALING)                                                                                     \
    X(SEALED)                                                                                      \
    X(CONFIRMING)                                                                                  \
    X(RETIRING)                                                                                    \
    X(TIDYING)                                                                                     \
    X(ENDING)                                                                                      \
    X(ENDED)                                                                                       \
    X(ABANDONING)                                                                                  \
    X(CLEANING)                                                                                    \
    X(ABORTING)                                                                                    \
    X(RESUMING)

enum bf_source_state {
#define BF_ENUM(name) BF_SOURCE_##name,
    BF_SOURCE_STATES(BF_ENUM)
#undef BF_ENUM
        BF_NR_SOURCE_STATES
};

/** What happened.  Events may come in any state; answers only to the wish that is out.  An answer
 *  with the ticket of an older wish is late: it is ignored. */
enum bf_source_fact_kind {
    /* Events.  After a start, and after RESUMING was answered, the driver feeds what already holds
     * (MIRROR_READY, PAUSED, SWITCHED).  Answers of QEMU come in one stream with its events: the
     * driver feeds them in the order in which QEMU sent them. */
    BF_SOURCE_HEARD, /* @word came from the destination (of this move, authenticated) */
    BF_SOURCE_NUDGE, /* a new connection to the peer, or a silence: say the last word again */
    BF_SOURCE_MIRROR_READY, /* the mirror of @disk: BLOCK_JOB_READY, or query-block-jobs `ready` */
    BF_SOURCE_MIRROR_VOID,  /* the mirror of @disk reported an error (BLOCK_JOB_ERROR), was
                               restarted,  ended, or is no longer ready, with the guest not paused;
                               or  ended after  the pause with an error or with offset below len.
                               Feed  it  whenever the  contrary is not known, e.g. after a lost QMP
                               connection.
                             */
    BF_SOURCE_MIGRATING,    /* the guest is on its way: MIGRATION status `setup` or `active` */
    BF_SOURCE_PAUSED, /* no guest write comes any more unless the migration fails: MIGRATION status
                         `pre-switchover`; FREEZE also: the orchestrator's word for it, or SHUTDOWN.
                         Never for a mere `stop` by somebody. */
    BF_SOURCE_SWITCHED, /* the guest has left for good: MIGRATION `completed` or `postcopy-active`;
                           FREEZE also: the orchestrator's word */
    BF_SOURCE_KEPT, /* the guest stays: MIGRATION `failed` or `cancelled`, or RESUME after PAUSED or
                       SWITCHED */
    BF_SOURCE_QEMU_GONE, /* the QMP socket is dead and the process with it.  After SWITCHED nothing
                            is lost with it: what needs it is REFUSED, the images tell the rest */
    BF_SOURCE_TOO_BUSY,  /* DRAINING is not to be waited for: the deltas go on until the pause */
    BF_SOURCE_ABORT,     /* the operator gives up */
    BF_SOURCE_DEADLINE,  /* the destination has not answered a word for too long */

    /* Answers */
    BF_SOURCE_DONE,      /* as wished; @drops where the wish says so */
    BF_SOURCE_REFUSED,   /* certain: nothing was done */
    BF_SOURCE_UNKNOWN,   /* sent, but no answer: done or not done, yet nothing is under way any more
                            (the   QMP connection was closed) */
    BF_SOURCE_DRAINED,   /* to WATCH_DRAIN, once per disk */
    BF_SOURCE_INSPECTED, /* to INSPECT: @guest, @snapshots_found, @drops */
    BF_NR_SOURCE_FACTS
};

enum bf_source_guest {
    BF_SOURCE_GUEST_HERE,   /* it runs, or may run again at any time; also while migrating */
    BF_SOURCE_GUEST_PAUSED, /* as of the fact PAUSED */
    BF_SOURCE_GUEST_LEFT,   /* as of the fact SWITCHED: query-migrate, or status `postmigrate` */
    BF_SOURCE_GUEST_LOST,   /* there is no such QEMU any more, and nobody knows how it ended */
};

struct bf_source_fact {
    enum bf_source_fact_kind kind;
    uint32_t ticket;      /* answers: that of the wish */
    uint32_t disk;        /* MIRROR_READY, MIRROR_VOID, DRAINED */
    struct bf_word word;  /* HEARD */
    const uint8_t *drops; /* DONE, INSPECTED: an enum bf_drop per bitmap, or NULL for all well */
    bool held;            /* DONE of HOLD */
    enum bf_source_guest guest; /* INSPECTED */
    bool snapshots_found; /* INSPECTED: every temporary that the last SNAPSHOT wish of this epoch
                             would have made is there */
};

/** What is wanted.  At most one wish that wants an answer is out at a time; SAY wants none.  A new
 *  one supersedes the old: the driver first stops what SERVE, WATCH_DRAIN or INSPECT has under way
 * (its children, its timers).  QMP transactions are never superseded; the driver sets them a
 * deadline and answers UNKNOWN then.  "Ours" are the names of names.h with this move's id. */
enum bf_source_wish_kind {
    BF_SOURCE_SAY,      /* send @word with the drops; nothing to answer */
    BF_SOURCE_JOURNAL,  /* append @record with the drops, fsync -> DONE, REFUSED (must not be used
                           any  more: the move fails) */
    BF_SOURCE_SNAPSHOT, /* first remove what an earlier try of this epoch has left.  @with_delta:
                           for each disk with bitmaps of @round that are not dropped -add
                           (recording) DELTA, the finest granularity among them.  Then, of each of
                           these bitmaps, block-dirty-bitmap-add SNAPSHOT of this epoch, disabled,
                           with the same granularity, -merge from the bitmap; before that, RECORDING
                           but not NATIVE: the same with TWIN, recording.  Plain commands, one
                           bitmap after the other: a transaction would wait for the I/O of the
                           mirrors, and what is written meanwhile is in DELTA.  A busy bitmap is
                           waited for within the driver's deadline.
                           -> DONE with @drops: CLEARED for a bitmap that holds less than the offer
                           said; REFUSED: what was made is removed again; UNKNOWN: INSPECT may only
                           find snapshots whose last answer was seen, for one that was added and not
                           merged looks the same */
    BF_SOURCE_SERVE,    /* RECORDING, FROZEN: read the snapshots (spill into a carrier in the
                           destination's size, or block status), serve them by nbdkit, have SHA-256
                           and counts at hand for the word that follows.  DELTA: first
                           block-dirty-bitmap-disable all deltas, then the same with them.  Keeps
                           serving until CLEAN.  -> DONE with @drops (SERVE_FAILED), REFUSED (all).
                           DONE may come when all is summed up and can be read: who fetches what is
                           not written yet waits for it */
    BF_SOURCE_WATCH_DRAIN, /* poll query-block-jobs: for each disk with recording bitmaps, when
                              `len` = `offset` or `actively-synced` is seen -> DRAINED.  Only
                              queries that were sent after this wish count.  At once where a mirror
                              sends all that it has not sent yet */
    BF_SOURCE_HOLD, /* judge, like EXAMINING, each carried recording bitmap of a mirrored disk that
                       nobody but bitferry is to bring; and if all is well and its TWIN is there:
                       -add the mark LEFT of each that has a TWIN and stays, then HELD of its
                       disk, and when these are there -remove the bitmap.
                       Plain commands, for a transaction waits for the I/O of the mirrors; none once
                       the guest is paused.  Repeatable.
                       -> DONE with @held: all of those that are carried are held; REFUSED, UNKNOWN
                       (again) */
    BF_SOURCE_INSPECT, /* query-named-block-nodes and query-migrate.  DOUBTING, RESUMING: what is
                          there. EXAMINING: compare all bitmaps that are not held with the offer
                          (gone, cleared, switched on or off; recording ones by the count of
                          TWIN, frozen ones by digest) - in the paused
                          QEMU, or, where the guest has already left, in its image (QEMU stores
                          persistent ones at inactivation and forgets them), BITMAP_UNSEEN where
                          neither can be had.
                          -> INSPECTED with @drops, about bitmaps that are not dropped yet */
    BF_SOURCE_RETIRE,  /* remove the source's own copies of all offered bitmaps (dropped ones too:
                          they miss what the guest writes from now on): in QEMU if it lives, else in
                          the image (never in one that the destination has open too), else a
                          tombstone in the manifest.  Repeatable.  -> DONE,  UNKNOWN  (again),
                          REFUSED  (copies are left: reported) */
    BF_SOURCE_CLEAN,   /* stop serving; @put_back: on each disk with HELD, of any epoch, for each
                          bitmap that is not there and has TWIN but not LEFT of that epoch, in one
                          transaction: -add the bitmap as it was offered, -merge TWIN, -remove that;
                          then remove every bitmap
                          of ours from QEMU in one transaction, delete carriers.  With no QEMU there
                          is nothing to remove.  Repeatable.
                          -> DONE, UNKNOWN (again) */
};

struct bf_source_wish {
    enum bf_source_wish_kind kind;
    uint32_t ticket; /* goes into the answer */
    uint32_t epoch;
    enum bf_round round;     /* SNAPSHOT, SERVE */
    bool with_delta;         /* SNAPSHOT */
    bool put_back;           /* CLEAN */
    struct bf_word word;     /* SAY */
    struct bf_record record; /* JOURNAL */
};

/** Per disk; private. */
struct bf_source_disk {
    bool ready;   /* the mirror is */
    bool drained; /* it was seen with nothing left to copy since t0 */
};

/** What an orchestrator can wait for; each includes the ones before.  A new epoch takes back
 *  INSTALLED. */
enum bf_source_milestone {
    BF_SOURCE_REACHED_NONE,
    BF_SOURCE_REACHED_INSTALLED, /* all that need not wait for the pause is in QEMU at the
                                    destination */
    BF_SOURCE_REACHED_FROZEN,    /* the deltas too: the guest may be started at the destination */
    BF_SOURCE_REACHED_COMMITTED, /* published and read back at the destination */
    BF_SOURCE_REACHED_ENDED,     /* see @outcome */
};

struct bf_source {
    /* to be read by the driver */
    enum bf_source_state state;
    enum bf_handoff_kind kind; /* and to be set again by it in OFFERING, before the answer is fed */
    bool early; /* likewise: snapshots need not wait for the mirrors.  True by default */
    enum bf_outcome outcome;
    enum bf_drop reason; /* why the move was given up */
    uint32_t epoch;      /* from 1 */
    bool caught_up;      /* the deltas ended at t2, while the guest still ran */
    bool copies_left;    /* RETIRE was refused */
    struct bf_handoff_bitmap *bitmaps;
    uint32_t nr_bitmaps;
    /* private */
    struct bf_source_disk *disks;
    uint32_t nr_disks;
    uint32_t ticket;
    enum bf_step step;         /* the last word said */
    enum bf_mark resumed_from; /* RESUMING */
    enum bf_drop giving_up;    /* a reason that waits for the machine to be free */
    uint8_t tries;
    bool asked; /* the state's wish is out */
    bool say;   /* the word is to be said */
    bool with_delta;
    bool travelled; /* the snapshots have */
    bool paused;
    bool switched;
    bool migrating;
    bool hold_tried; /* in this epoch */
    bool held;       /* all recording ones that are carried are, and were judged */
    bool voided;     /* a mirror broke since t0 */
    bool too_busy;
    /* optional: told of each change of state, for the log */
    void (*trace)(void *ctx, enum bf_source_state from, enum bf_source_state to);
    void *trace_ctx;
};

/** A new move.  @bitmaps and @disks belong to the caller and must outlive @source; @disks needs no
 *  content.  The offer itself (names, sizes, granularities) must be durable in the move's folder
 * before. Errors: LIMIT (numbers over the caps of word.h), INVALID (a bitmap of a disk that is not
 * there). */
int bf_source_init(struct bf_source *source, enum bf_handoff_kind kind,
                   struct bf_handoff_bitmap *bitmaps, uint32_t nr_bitmaps,
                   struct bf_source_disk *disks, uint32_t nr_disks, struct bf_error *err);

/** The same after a restart of the helper, from the last intact record of the journal, whose drops
 * are in @bitmaps.  With no record at all: bf_source_init().  Errors: as bf_source_init(), and
 *  INVALID for a record that bf_source_next() does not make. */
int bf_source_resume(struct bf_source *source, enum bf_handoff_kind kind,
                     struct bf_handoff_bitmap *bitmaps, uint32_t nr_bitmaps,
                     struct bf_source_disk *disks, uint32_t nr_disks,
                     const struct bf_record *record, struct bf_error *err);

/** Tell what happened.  Errors: PROTOCOL for a fact that is illegal in this state; the move is
 * being given up then (reason PROTOCOL), and the wishes say how. */
int bf_source_feed(struct bf_source *source, const struct bf_source_fact *fact,
                   struct bf_error *err);

/** The next thing to do; false: nothing until the next fact. */
bool bf_source_next(struct bf_source *source, struct bf_source_wish *ret_wish);

enum bf_source_milestone bf_source_milestone(const struct bf_source *source);

/** "SNAPPING" and so on. */
const char *bf_source_state_name(enum bf_source_state state);

#endif
