#include "search.h"

#include "schedule.h"

#include <stdio.h>
#include <stdlib.h>

enum {
    DEPTH_MAX = 600,      /* steps of one schedule */
    STATES_MAX = 1 << 23, /* 128 MiB of hashes */
};

struct search {
    uint64_t *seen; /* open addressing; 0 is free */
    uint64_t mask;
    uint64_t nr_seen;
    uint64_t limit;
    uint64_t nr_ends;
    unsigned path[DEPTH_MAX];
    const char *wrong;
    bool quiet;
};

static bool is_new(struct search *search, uint64_t hash)
{
    uint64_t at = hash & search->mask;

    hash |= 1;
    while (search->seen[at] != 0) {
        if (search->seen[at] == hash)
            return false;
        at = (at + 1) & search->mask;
    }
    search->seen[at] = hash;
    search->nr_seen++;
    return true;
}

static void report_path(const struct search *search, unsigned depth)
{
    if (search->quiet)
        return;
    fprintf(stderr, "%s, after:\n", search->wrong);
    for (unsigned i = 0; i < depth; i++) {
        unsigned argument;
        const char *name = world_step_name(search->path[i], &argument);

        fprintf(stderr, "%4u  %s %u\n", i, name, argument);
    }
}

static void explore(struct search *search, const struct world *world, unsigned depth)
{
    bool moved = false;

    if (world_ended(world)) {
        search->nr_ends++;
        search->wrong = world_check_end(world);
        if (search->wrong)
            report_path(search, depth);
        return;
    }
    for (unsigned step = 0; step < world_nr_steps() && !search->wrong; step++) {
        struct world next = *world;

        if (depth >= DEPTH_MAX || search->nr_seen >= search->limit || !world_step(&next, step))
            continue;
        moved = true;
        search->path[depth] = step;
        search->wrong = world_check(&next);
        if (search->wrong)
            report_path(search, depth + 1);
        else if (is_new(search, world_hash(&next)))
            explore(search, &next, depth + 1);
    }
    if (!moved && !search->wrong && search->nr_seen < search->limit) {
        struct world next = *world;

        search->wrong = schedule_end(&next);
        if (search->wrong)
            report_path(search, depth);
    }
}

bool search_run(const struct settings *settings, unsigned writes, unsigned faults, bool quiet,
                struct search_result *ret_result)
{
    struct search search = {.quiet = quiet, .limit = STATES_MAX};
    struct world world;

    search.seen = calloc(2 * STATES_MAX, sizeof *search.seen);
    if (!search.seen)
        return false;
    search.mask = 2 * STATES_MAX - 1;
    world_init(&world, settings);
    world.writes_left = (uint8_t)writes;
    world.faults_left = (uint8_t)faults;
    explore(&search, &world, 0);
    free(search.seen);
    *ret_result = (struct search_result){.nr_states = search.nr_seen,
                                         .nr_ends = search.nr_ends,
                                         .complete = search.nr_seen < search.limit,
                                         .wrong = search.wrong};
    return true;
}
