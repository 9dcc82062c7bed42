/** How far a long step is: one line on stderr when that is a terminal, redrawn; nothing elsewhere.
 */
#ifndef CLI_PROGRESS_H
#define CLI_PROGRESS_H

#include "command.h"
#include "model/bits.h"

struct bf_meter {
    const struct bf_arguments *args;
    char label[64];
    bool visible; /* may be drawn at all */
    bool drawn;   /* a line stands there */
    uint64_t begun_ms;
    uint64_t drawn_ms;
};

/** Begin a step; with --verbose its label is said on a line of its own. */
void bf_meter_begin(struct bf_meter *meter, const struct bf_arguments *args, const char *label);

/** The same with "VERB DISK/BITMAP" for a label. */
void bf_meter_begin_bitmap(struct bf_meter *meter, const struct bf_arguments *args,
                           const char *verb, const char *disk, const char *bitmap);

/** Call now and then.  INTERRUPTED once a signal came, else 0. */
int bf_meter_update(struct bf_meter *meter, uint64_t done_bytes, uint64_t total_bytes,
                    struct bf_error *err);

/** The same in the form that the layers below take. */
struct bf_progress bf_meter_progress(struct bf_meter *meter);

/** Remove the line. */
void bf_meter_end(struct bf_meter *meter);

#endif
