/** A world in memory for the two machines of the hand-over: two QEMUs with a guest that writes, a
 * mirror that lags, a network that loses and repeats, helpers that crash - and a log that knows
 * every write.
 *
 * One step is one thing that can happen, chosen by number; all of the world is plain data, so it
 * can be copied, hashed and compared.  After each step world_check() says whether the invariant
 * still holds.
 */
#ifndef WORLD_H
#define WORLD_H

#include "handoff/dest.h"
#include "handoff/source.h"

#include <stdint.h>

enum {
    DISKS = 2,
    BLOCKS = 3,
    BITMAPS = 4,
    WIRE = 3, /* words on their way, per direction */
};

/** What is made wrong on purpose, to see that the simulation notices. */
#define BREAKAGES(X)                                                                               \
    X(NOTHING)                                                                                     \
    X(DELTA_AFTER_SNAPSHOT)                                                                        \
    X(UNMERGED_TAKEN_FOR_WHOLE)                                                                    \
    X(OLD_COPY_NEW_DELTA)                                                                          \
    X(DELTA_ENDED_BEFORE_TRACKER)                                                                  \
    X(EARLY_DELTA_CALLED_WHOLE)                                                                    \
    X(MIRROR_VOID_UNNOTICED)                                                                       \
    X(NO_WAIT_FOR_DRAIN)                                                                           \
    X(COMMIT_WITHOUT_TRACKER)                                                                      \
    X(COMMIT_WITHOUT_DELTA)                                                                        \
    X(ENABLE_LATER)                                                                                \
    X(RETIRE_BEFORE_CONFIRMED)                                                                     \
    X(TRUST_OLD_EPOCH)                                                                             \
    X(SECOND_COMMIT_IN_DOUBT)                                                                      \
    X(CLEAR_UNNOTICED)                                                                             \
    X(CHANGES_UNNOTICED)                                                                           \
    X(GAP_UNNOTICED)                                                                               \
    X(STALE_LEFT)                                                                                  \
    X(LEAVE_TEMPORARIES)                                                                           \
    X(NATIVE_BELIEVED)                                                                             \
    X(BROUGHT_UNJUDGED)                                                                            \
    X(PROOF_WITHOUT_SNAPSHOT)                                                                      \
    X(PROOF_WITHOUT_DELTA)                                                                         \
    X(SOURCE_RAN_UNNOTICED)                                                                        \
    X(COPY_RAN_UNNOTICED)                                                                          \
    X(HELD_BEFORE_JUDGED)                                                                          \
    X(PUT_BACK_SNAPSHOT)                                                                           \
    X(TWIN_UNCOMPARED)                                                                             \
    X(CHANGE_FORGOTTEN)                                                                            \
    X(HELD_CLEANED_AWAY)                                                                           \
    X(HELD_OF_OLD_EPOCH_FORGOTTEN)                                                                 \
    X(UNHELD_UNEXAMINED)                                                                           \
    X(HOLD_FROZEN)                                                                                 \
    X(LEFT_UNMARKED)                                                                               \
    X(TAKEN_BEFORE_MARKED)

enum breakage {
#define ENUM(name) BREAK_##name,
    BREAKAGES(ENUM)
#undef ENUM
        NR_BREAKAGES
};

struct settings {
    uint8_t kind; /* enum bf_handoff_kind */
    uint8_t nr_disks;
    uint8_t nr_blocks; /* per disk */
    uint8_t nr_bitmaps;
    uint8_t disk[BITMAPS];
    uint8_t recording[BITMAPS];
    uint8_t becomes_recording[BITMAPS]; /* STILL: once the machine runs again */
    uint8_t native[BITMAPS];            /* enum native */
    uint8_t skips_zeroes;     /* QEMU 10.1: the mirror does not write zeroes onto zeroes */
    uint8_t passes_discards;  /* the mirror sends TRIM as TRIM */
    uint8_t ignores_discards; /* the destination takes no notice of it */
    uint8_t sees_pause;       /* capability pause-before-switchover */
    uint8_t waits_for_ready;  /* nothing may be read while the mirrors copy */
    uint8_t patient;          /* the orchestrator waits for `installed`, and for `frozen` */
    uint8_t stale;            /* the destination's image has bitmaps of a former visit */
    uint8_t requires_bits;    /* NATIVE: the destination takes no count for a proof */
    uint8_t dest_may_return;  /* row 26: the destination dies, the source resumes */
    uint8_t breakage;
};

/** What QEMU itself does for a bitmap: nothing; brings it; has an old one there instead; loses it;
 * of BF_HANDOFF_NATIVE also: brings it without the first block, the last, or any; or in another
 * state. */
enum native {
    NATIVE_NOT,
    NATIVE_GOOD,
    NATIVE_OLD,
    NATIVE_LOST,
    NR_NATIVES,
    NATIVE_SHORT,
    NATIVE_SHORT_LAST,
    NATIVE_EMPTY,
    NATIVE_SWITCHED,
};

/** By what it is proven, if by anything. */
enum proof { BY_NOTHING, BY_COUNT, BY_DIGEST, BY_BITS };

enum guest { AT_SOURCE, PAUSED, LEFT, AT_DEST, SHUT_OFF };

enum mirror_state { MIRROR_COPYING, MIRROR_READY, MIRROR_BROKEN, MIRROR_ENDED };

struct mirror {
    uint8_t state;
    uint8_t dirty; /* blocks to copy */
    uint8_t flying;
    uint8_t block;
    uint8_t value;
    uint8_t discard;
    uint8_t unseen; /* it was begun anew, past the tracker that is there */
};

struct qemu_bitmap {
    uint8_t there;
    uint8_t recording;
    uint8_t bits;
    uint8_t epoch;  /* in the name of temporaries */
    uint8_t stale;  /* final names: of a former visit */
    uint8_t native; /* final names: QEMU's doing, enum native */
};

struct wire_word {
    uint8_t used;
    uint8_t epoch;
    uint8_t step;
    uint8_t with_delta;
    uint8_t delta_whole;
    uint8_t drops[BITMAPS];
};

/** A bf_record in bytes, without padding: worlds are compared byte by byte. */
struct kept_record {
    uint8_t mark;
    uint8_t outcome;
    uint8_t reason;
    uint8_t epoch;
    uint8_t with_delta;
    uint8_t published;
};

/** A wish that is being carried out. */
struct action {
    uint8_t active;
    uint8_t carried_out; /* but not answered yet */
    uint8_t failed;      /* carried out with the result "refused" */
    uint8_t kind;
    uint8_t round;
    uint8_t with_delta;
    uint8_t put_back;
    uint8_t looked;  /* HOLD */
    uint8_t to_hold; /* HOLD: bitmaps, as that look judged them */
    uint8_t to_leave;
    uint8_t held;     /* HOLD: all recording ones that are carried */
    uint8_t swept;    /* SNAPSHOT: what an earlier try has left */
    uint8_t recorded; /* SNAPSHOT: disks, so far */
    uint8_t late_delta;
    uint8_t added; /* SNAPSHOT: bitmaps, so far */
    uint8_t twinned;
    uint8_t merged;
    uint8_t late;      /* ARM: the guest ran before */
    uint8_t committed; /* COMMIT: bitmaps, by its transactions so far */
    uint8_t drops[BITMAPS];
    struct kept_record record;
};

struct journal {
    uint8_t written;
    uint8_t drops[BITMAPS];
    struct kept_record record;
};

enum helper { HELPER_NONE, HELPER_ALIVE, HELPER_DEAD };

struct world {
    struct settings settings;
    /* the guest, and what its disks hold */
    uint8_t guest;
    uint8_t migrating;
    uint8_t source_data[DISKS][BLOCKS];
    uint8_t dest_data[DISKS][BLOCKS];
    uint8_t hole[DISKS];  /* blocks last discarded on the source */
    uint8_t loose[DISKS]; /* blocks whose content a discard left open */
    struct mirror mirror[DISKS];
    /* QEMU on the source */
    uint8_t source_qemu;
    uint8_t retired;
    uint8_t confirmed; /* the destination has said that the guest runs there */
    struct qemu_bitmap user[BITMAPS];
    struct qemu_bitmap held[DISKS]; /* marks */
    struct qemu_bitmap left[BITMAPS];
    struct qemu_bitmap twin[BITMAPS];
    struct qemu_bitmap shadow[BITMAPS]; /* what the user's would be if nobody had touched them */
    struct qemu_bitmap snapshot[BITMAPS];
    struct qemu_bitmap delta[DISKS];
    /* QEMU on the destination */
    uint8_t dest_qemu;
    uint8_t dest_failed; /* its incoming migration; a QEMU gets only one */
    struct qemu_bitmap final[BITMAPS];
    struct qemu_bitmap loaded[BITMAPS];
    struct qemu_bitmap dest_delta[DISKS];
    struct qemu_bitmap tracker[DISKS];
    /* the truth about each bitmap: what it must cover, and the disk as it was when it began */
    uint8_t need[BITMAPS];
    uint8_t base[BITMAPS][BLOCKS];
    uint8_t generation[BITMAPS]; /* counts clears */
    uint8_t gapped;  /* bitmaps that did not record for a while: no truth on the source */
    uint8_t blurred; /* bitmaps that were changed behind the look of HOLD: more may be put back */
    /* a machine that is shut off: how often it was started at the source, ... */
    uint8_t source_runs;
    uint8_t source_stamp; /* ... and had been, when the move began */
    uint8_t source_lost;
    uint8_t source_told;
    uint8_t copied; /* the destination has a copy, */
    uint8_t copied_runs;
    uint8_t in_vain;                 /* it ended without the source's last word */
    uint8_t announced_bits[BITMAPS]; /* NATIVE: what the offer says */
    uint8_t proving;                 /* NATIVE: bitmaps whose snapshot was fetched */
    uint8_t proving_delta;           /* disks */
    uint8_t proof[BITMAPS];          /* enum proof */
    /* the helpers: durable, then volatile */
    struct journal source_journal;
    struct journal dest_journal;
    uint8_t source_helper; /* enum helper */
    uint8_t dest_helper;
    uint8_t merged;           /* bitmaps into which others have merged something */
    uint8_t taken;            /* bitmaps of which the source's helper knows that it holds them */
    uint8_t changed[BITMAPS]; /* an enum bf_drop, as it has seen before the pause */
    uint8_t all_answered;     /* of the last SNAPSHOT, and it knows that */
    uint8_t served;           /* bitmaps that can be pulled */
    uint8_t served_delta;     /* disks */
    uint8_t served_epoch;
    uint8_t served_bits[BITMAPS];
    uint8_t served_delta_bits[DISKS];
    uint8_t pulled_bits[BITMAPS];
    uint8_t pulled_delta_bits[DISKS];
    uint8_t watched_generation[BITMAPS];
    uint8_t offered_generation[BITMAPS];
    uint8_t notices; /* what the source's helper has yet to learn, as bits of enum notice */
    uint8_t dest_notices;
    struct action source_action;
    struct action dest_action;
    struct wire_word wire[2][WIRE]; /* [0] to the destination, [1] to the source */
    struct bf_source source;
    struct bf_dest dest;
    struct bf_source_disk source_disks[DISKS];
    struct bf_handoff_bitmap source_bitmaps[BITMAPS];
    struct bf_handoff_bitmap dest_bitmaps[BITMAPS];
    /* how much may still happen */
    uint8_t writes_left;
    uint8_t faults_left;
    uint8_t nudges_left;
    const char *broken; /* the first thing that was found wrong */
};

/** Things that can happen: step numbers are 0 to world_nr_steps() - 1. */
unsigned world_nr_steps(void);
const char *world_step_name(unsigned step, unsigned *ret_argument);

/** How often a random schedule should try the step, 1 to 16. */
unsigned world_step_weight(unsigned step);

/** Is it a fault, a write, or something else that need not happen for the move to end? */
bool world_step_optional(unsigned step);

void world_init(struct world *world, const struct settings *settings);

/** Do it; false: it cannot happen now, and nothing was changed. */
bool world_step(struct world *world, unsigned step);

/** NULL, or what is wrong now. */
const char *world_check(const struct world *world);

/** Have both helpers come to their ends? */
bool world_ended(const struct world *world);

/** NULL, or what is wrong at the end: leftovers, reports that differ from what is there. */
const char *world_check_end(const struct world *world);

/** The last resort of a patient operator, when nothing else can happen: nudges, then deadlines.
 * False: not even that helps. */
bool world_push(struct world *world, unsigned round);

uint64_t world_hash(const struct world *world);

const char *breakage_name(enum breakage breakage);
const char *kind_name(const struct settings *settings);

#endif
