/** A destination that was offered a frozen and two recording bitmaps, and its way to each point. */
#ifndef HANDOFF_DEST_BENCH_H
#define HANDOFF_DEST_BENCH_H

#include "handoff/dest.h"

enum { BITMAPS = 3 };

struct bench {
    struct bf_dest dest;
    struct bf_handoff_bitmap bitmaps[BITMAPS];
    struct bf_dest_wish wish; /* the last one */
};

extern const uint8_t all_snapshots[BITMAPS];
extern const uint8_t all_finals[BITMAPS];

/** The offer alone; and a machine that has it. */
void fill(struct bench *bench);
void begin(struct bench *bench);

/** The next wish is this; a word with this step; a record with this mark, and nothing beside it. */
void expect_wish(struct bench *bench, enum bf_dest_wish_kind kind);
void expect_word(struct bench *bench, enum bf_step step);
void expect_record(struct bench *bench, enum bf_mark mark);
void expect_nothing(struct bench *bench);
void expect_drops(const struct bench *bench, enum bf_drop a, enum bf_drop b, enum bf_drop c);

/** A fact, which must be taken; one that is its kind and no more; a word from the source. */
void feed(struct bench *bench, struct bf_dest_fact fact);
void tell(struct bench *bench, enum bf_dest_fact_kind kind);
void hear(struct bench *bench, uint32_t epoch, enum bf_step step);
/** What is expected is wished for and done. */
void do_wish(struct bench *bench, enum bf_dest_wish_kind kind);
void write_record(struct bench *bench, enum bf_mark mark);
/** What an INSPECT finds of each bitmap (NULL: nothing), the trackers there, the guest running. */
void found_all(struct bench *bench, const uint8_t *found);

/** The stations: each from the one before, but load_all() and go_to_commit() from the beginning. */
void accept_offer(struct bench *bench);
void load(struct bench *bench, enum bf_step step, enum bf_round round);
void arm(struct bench *bench);
void load_all(struct bench *bench);
void go_to_commit(struct bench *bench);
void go_to_committed(struct bench *bench);
/** Everything is taken back, for this reason. */
void expect_undo(struct bench *bench, enum bf_drop reason);

#endif
