/** Random schedules of the simulated world, one for each seed. */
#ifndef SCHEDULE_H
#define SCHEDULE_H

#include "world.h"

struct tally {
    uint64_t nr_schedules;
    uint64_t nr_steps;
    uint64_t nr_committed;
    uint64_t nr_carried;
    uint64_t nr_aborted;
    uint64_t nr_unconfirmed;
    uint64_t drops[BF_NR_DROPS];
};

/** Run the schedule of @seed to its end; @print: step by step.  NULL, or what went wrong. */
const char *schedule_run(uint64_t seed, enum breakage breakage, bool print, struct tally *tally);

/** Let @world come to its end with nothing going wrong any more.  NULL, or what went wrong. */
const char *schedule_end(struct world *world);

#endif
