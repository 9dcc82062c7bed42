/** Every schedule of a small world, as far as they differ. */
#ifndef SEARCH_H
#define SEARCH_H

#include "world.h"

struct search_result {
    uint64_t nr_states;
    uint64_t nr_ends;
    bool complete;     /* false: cut off, too many states */
    const char *wrong; /* NULL, or what went wrong; the steps that lead there are on stderr */
};

/** Search from the beginning, with so many writes and faults.  States are told apart by a 64-bit
 * hash. False: no memory. */
bool search_run(const struct settings *settings, unsigned writes, unsigned faults, bool quiet,
                struct search_result *ret_result);

#endif
