/** What the two helpers say to each other, and what each keeps of itself.
 *
 * The conversation is a ladder of steps.  The source says "step k of epoch e, please"; the
 * destination does it and answers with the same step.  Only the newest word matters: each side says
 * its last one again when asked to (a new connection, a silence), and a word that is not newer than
 * what was obeyed changes nothing.  So loss, duplicates, delay and reordering need no more care
 * than this order:
 *
 *     step        the source asks                      the destination answers when
 *
 *     OFFER       here are the bitmaps of the move     temporaries of older epochs are gone, and
 *                                                      each bitmap has a place (or is dropped)
 *     FROZEN      fetch the frozen bitmaps' snapshots  they are checked and loaded
 *     RECORDING   fetch the recording bitmaps'         they are checked and loaded
 *                 snapshots
 *     ARM         all mirrors are ready, or the guest  they record (t0)
 *                 is paused: add the trackers
 *     DELTA       fetch the deltas, one per disk       they are checked and loaded
 *     SEAL        the guest has left, all went well:   the guest runs at the destination, and all
 *                 what is not dropped may be           that is not dropped is published
 *                 published
 *     RETIRED     my copies are gone                   (no answer)
 *     ABORT       the source keeps its bitmaps         nothing of the move is left here
 *
 * Steps without work are left out.  ABORT may be said by either side at any time before the end.
 *
 * An epoch is one attempt: a mirror that broke, or a source helper that was restarted, begins the
 * next one with a new OFFER.  A number is never used again (it is durable before it is said), and
 * words of another epoch than the current one are ignored.
 */
#ifndef HANDOFF_WORD_H
#define HANDOFF_WORD_H

#include "handoff/drop.h"

#include <stdbool.h>
#include <stdint.h>

enum {
    BF_HANDOFF_DISKS_MAX = 256, /* more than any bus of QEMU takes */
    BF_HANDOFF_BITMAPS_MAX =
        16384, /* 64 disks with 256 checkpoints each; 6 bytes of state apiece */
};

#define BF_STEPS(X)                                                                                \
    X(NONE)                                                                                        \
    X(OFFER)                                                                                       \
    X(FROZEN)                                                                                      \
    X(RECORDING)                                                                                   \
    X(ARM)                                                                                         \
    X(DELTA)                                                                                       \
    X(SEAL)                                                                                        \
    X(RETIRED)                                                                                     \
    X(ABORT)

enum bf_step {
#define BF_ENUM(name) BF_STEP_##name,
    BF_STEPS(BF_ENUM)
#undef BF_ENUM
        BF_NR_STEPS
};

const char *bf_step_name(enum bf_step step);

/** What travels together. */
enum bf_round {
    BF_ROUND_NONE,
    BF_ROUND_FROZEN,    /* snapshots of bitmaps that do not record */
    BF_ROUND_RECORDING, /* snapshots of bitmaps that do */
    BF_ROUND_DELTA,     /* what was written after the snapshots of the recording ones, per disk */
};

/** How what is written after the snapshot is caught.  One kind per move: a disk that cannot have a
 *  tracker during the copy makes it FREEZE for all. */
enum bf_handoff_kind {
    BF_HANDOFF_TRACKER, /* the mirror writes through nodes that can carry trackers */
    BF_HANDOFF_FREEZE,  /* it does not: deltas at the pause, and a gate for the orchestrator */
    BF_HANDOFF_STILL,   /* nobody writes: the guest is shut off, its images are copied by others.
                           Every bitmap is one that does not record, to the machines */
    BF_HANDOFF_NATIVE,  /* QEMU brings the bitmaps itself, into a QEMU that nobody can see until the
                           guest runs in it (libvirt).  Snapshots and deltas only prove: what came is
                           judged by state, count and digest, and by them as far as they could be
                           had.  No bitmap is lost with its proof */
};

/** One bitmap of the move, in the order of the offer, which is the same on both sides.  The driver
 *  fills in @disk and @recording before init (and @drop, when it knows at once that a bitmap cannot
 *  be carried, or from the journal); then the array belongs to the machine, and the driver reads
 *  @drop for words, records and reports. */
struct bf_handoff_bitmap {
    uint16_t disk;   /* index of the disk in the offer */
    bool recording;  /* as offered */
    bool native;     /* destination: QEMU may bring it by itself (shared image, its own stream) */
    uint8_t drop;    /* enum bf_drop */
    uint8_t flags;   /* private */
    uint8_t offered; /* private: @drop as the driver filled it in */
};

/** A word as it travels.  @drops has one enum bf_drop for each bitmap of the offer (NULL: none is
 *  dropped); for a word to be said the driver takes them from the machine's bitmaps. */
struct bf_word {
    uint32_t epoch;
    enum bf_step step;
    bool with_delta;  /* SEAL: the tracker alone is not enough, the deltas are needed */
    bool delta_whole; /* SEAL: and they have all that was written until the guest was paused */
    const uint8_t *drops;
};

/** How far a machine is, as its journal says.  Every record is the whole truth: after a restart
 * only the last intact one counts.  The driver adds the @drop of each bitmap when it writes one,
 * and fills them into the bitmaps before the machine is resumed with it. */
enum bf_mark {
    BF_MARK_BEGUN,      /* source: @epoch is in use.  destination: @epoch was accepted */
    BF_MARK_ARMED,      /* destination: the trackers of @epoch record since before the guest ran */
    BF_MARK_SEALED,     /* source: SEAL may have been said */
    BF_MARK_COMMITTING, /* destination: the commit may have been sent */
    BF_MARK_COMMITTED,  /* source: the destination has confirmed.  destination: read back */
    BF_MARK_ABORTING,   /* the move is given up, for @reason */
    BF_MARK_ENDED,
};

/** How a move ended.  Which bitmaps were carried: those whose @drop is NONE, when COMMITTED. */
enum bf_outcome {
    BF_OUTCOME_OPEN,
    BF_OUTCOME_COMMITTED,   /* the guest is at the destination, what is not dropped is published */
    BF_OUTCOME_ABORTED,     /* nothing published; the source's bitmaps are as they were */
    BF_OUTCOME_UNCONFIRMED, /* source only: sealed, but the destination never confirmed: its
                               bitmaps may be published or not; the source's copies were left */
};

struct bf_record {
    enum bf_mark mark;
    enum bf_outcome outcome; /* ENDED */
    enum bf_drop reason;     /* ABORTING, ENDED after it */
    uint32_t epoch;
    bool with_delta; /* SEALED, COMMITTING */
    bool published;  /* destination, ABORTING: a commit may have been sent before */
};

#endif
