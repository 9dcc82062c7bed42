/** Moves that change, drawn over and over on a terminal, or told line by line elsewhere. */
#ifndef CLI_WATCH_H
#define CLI_WATCH_H

#include "output.h"

#include <jansson.h>

struct bf_watch {
    bool json;       /* a document a change, each in one line */
    size_t nr_lines; /* on the terminal, to be drawn over */
    json_t *said;    /* elsewhere: id -> the line that was printed last */
};

/** Errors: NO_MEMORY. */
int bf_watch_init(struct bf_watch *watch, bool json, struct bf_error *err);

/** @moves: of one answer of the daemon.  Errors: NO_MEMORY, and those of bf_output_finish(). */
int bf_watch_show(struct bf_watch *watch, json_t *moves, struct bf_error *err);

void bf_watch_release(struct bf_watch *watch);

#endif
