/** The text that `bitferry inspect` prints. */
#ifndef CLI_INSPECT_TABLE_H
#define CLI_INSPECT_TABLE_H

#include "output.h"
#include "target.h"

struct bf_inspect_view {
    const struct bf_arguments *args;
    struct bf_screen screen;
    bool heat; /* a strip under each bitmap */
};

/** @text: the target as the user wrote it. */
int bf_inspect_print(const struct bf_inspect_view *view, const char *text, struct bf_target *target,
                     struct bf_error *err);

/** "0 %", "<0.1 %", "12.5 %", and "100 %" only if all bits are dirty. */
void bf_percent_text(uint64_t nr_dirty_bits, uint64_t nr_bits, char buf[16]);

#endif
