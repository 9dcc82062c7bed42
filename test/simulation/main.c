/** Runs the two machines of the hand-over through schedules, and the invariant after each step.
 *
 *     handoff-simulation random FIRST NUMBER      seeds FIRST to FIRST + NUMBER - 1
 *     handoff-simulation exhaustive MILLIONS      every schedule of small worlds, up to that many
 * states handoff-simulation broken                   each broken variant must be found out
 *     handoff-simulation show SEED [BREAKAGE]     one schedule, step by step
 */
#include "world.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    STEPS_MAX = 600,       /* of one schedule, before it must come to its end by itself */
    CALM_ROUNDS_MAX = 400, /* and after that */
    BREAKAGE_SEEDS = 400000,
};

struct schedule {
    uint64_t state;
    bool print;
    unsigned nr_steps;
};

struct tally {
    uint64_t nr_schedules;
    uint64_t nr_steps;
    uint64_t nr_committed;
    uint64_t nr_carried;
    uint64_t nr_aborted;
    uint64_t nr_unconfirmed;
    uint64_t drops[BF_NR_DROPS];
};

static uint64_t draw(struct schedule *schedule)
{
    uint64_t z = schedule->state += UINT64_C(0x9e3779b97f4a7c15);

    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

static uint8_t below(struct schedule *schedule, unsigned limit)
{
    return (uint8_t)((draw(schedule) >> 32) % limit);
}

/* --- random schedules ----------------------------------------------------------------------------
 */

static struct settings random_settings(struct schedule *schedule)
{
    struct settings settings = {
        .kind = below(schedule, 4) == 0 ? BF_HANDOFF_FREEZE : BF_HANDOFF_TRACKER,
        .nr_disks = (uint8_t)(1 + below(schedule, DISKS)),
        .nr_blocks = (uint8_t)(1 + below(schedule, BLOCKS)),
        .nr_bitmaps = (uint8_t)(1 + below(schedule, BITMAPS)),
        .skips_zeroes = below(schedule, 2),
        .passes_discards = below(schedule, 2),
        .ignores_discards = below(schedule, 2),
        .sees_pause = below(schedule, 4) != 0,
        .patient = below(schedule, 4) != 0,
        .stale = below(schedule, 4) == 0,
        .dest_may_return = below(schedule, 2),
    };

    for (unsigned i = 0; i < settings.nr_bitmaps; i++) {
        settings.disk[i] = below(schedule, settings.nr_disks);
        settings.recording[i] = below(schedule, 4) != 0;
    }
    return settings;
}

static void show_step(const struct schedule *schedule, const struct world *world, unsigned step)
{
    unsigned argument;
    const char *name = world_step_name(step, &argument);

    if (schedule->print)
        printf("%4u  %-46s %u   %-15s %s\n", schedule->nr_steps, name, argument,
               world->source_helper == HELPER_ALIVE ? bf_source_state_name(world->source.state)
                                                    : "(dead)",
               world->dest_helper == HELPER_ALIVE ? bf_dest_state_name(world->dest.state)
                                                  : "(none)");
}

static bool try_step(struct schedule *schedule, struct world *world, unsigned step)
{
    if (!world_step(world, step))
        return false;
    schedule->nr_steps++;
    show_step(schedule, world, step);
    return true;
}

/* Steps by weight: each stands as often in the urn as it weighs. */
static unsigned urn[1024];
static unsigned nr_in_urn;

static void fill_urn(void)
{
    for (unsigned step = 0; step < world_nr_steps(); step++) {
        for (unsigned i = 0; i < world_step_weight(step); i++)
            urn[nr_in_urn++] = step;
    }
}

/* Faults and writes come at a rate that differs from seed to seed, so that some schedules get far
 * before the first. */
static bool comes_now(struct schedule *schedule, unsigned step, unsigned rate)
{
    return !world_step_optional(step) || draw(schedule) >> (64 - rate) == 0;
}

static const char *run_wild(struct schedule *schedule, struct world *world)
{
    unsigned limit = 40u + below(schedule, 200);
    unsigned rate = 1u + below(schedule, 6);

    for (unsigned i = 0; i < 16 * limit && schedule->nr_steps < limit && !world_ended(world); i++) {
        unsigned step = urn[draw(schedule) % nr_in_urn];
        const char *wrong;

        if (!comes_now(schedule, step, rate) || !try_step(schedule, world, step))
            continue;
        wrong = world_check(world);
        if (wrong)
            return wrong;
    }
    return NULL;
}

/* Nothing goes wrong any more: does it come to its end? */
static const char *run_calm(struct schedule *schedule, struct world *world)
{
    unsigned round = 0;

    for (unsigned i = 0; i < CALM_ROUNDS_MAX && !world_ended(world); i++) {
        bool moved = false;

        for (unsigned step = 0; step < world_nr_steps(); step++) {
            const char *wrong;

            if (world_step_optional(step) || !try_step(schedule, world, step))
                continue;
            moved = true;
            wrong = world_check(world);
            if (wrong)
                return wrong;
        }
        if (!moved && !world_push(world, round++))
            break;
    }
    return world_ended(world) ? world_check_end(world) : "a helper does not come to its end";
}

static void count(struct tally *tally, const struct schedule *schedule, const struct world *world)
{
    tally->nr_schedules++;
    tally->nr_steps += schedule->nr_steps;
    tally->nr_committed += world->source.outcome == BF_OUTCOME_COMMITTED;
    tally->nr_aborted += world->source.outcome == BF_OUTCOME_ABORTED;
    tally->nr_unconfirmed += world->source.outcome == BF_OUTCOME_UNCONFIRMED;
    for (unsigned i = 0; i < world->settings.nr_bitmaps; i++) {
        tally->nr_carried += world->final[i].there && !world->final[i].stale;
        tally->drops[world->source_bitmaps[i].drop]++;
    }
}

static const char *run_seed(uint64_t seed, enum breakage breakage, bool print, struct tally *tally)
{
    struct schedule schedule = {.state = seed * UINT64_C(0xd1342543de82ef95), .print = print};
    struct settings settings = random_settings(&schedule);
    struct world world;
    const char *wrong;

    settings.breakage = (uint8_t)breakage;
    world_init(&world, &settings);
    world.writes_left = below(&schedule, 8);
    world.faults_left = below(&schedule, 5);
    world.nudges_left = below(&schedule, 6);
    if (print)
        printf("seed %llu: %s, %u disks of %u blocks, %u bitmaps\n", (unsigned long long)seed,
               settings.kind == BF_HANDOFF_FREEZE ? "freeze" : "tracker", settings.nr_disks,
               settings.nr_blocks, settings.nr_bitmaps);
    wrong = run_wild(&schedule, &world);
    if (!wrong)
        wrong = run_calm(&schedule, &world);
    if (!wrong && tally)
        count(tally, &schedule, &world);
    return wrong;
}

static int fail_seed(uint64_t seed, enum breakage breakage, const char *wrong)
{
    fprintf(stderr, "seed %llu: %s\n", (unsigned long long)seed, wrong);
    (void)run_seed(seed, breakage, true, NULL);
    return 1;
}

/* A simulation in which nothing is carried, or a reason never occurs, would prove nothing. */
static int judge(const struct tally *tally)
{
    printf("%llu schedules, %llu steps: %llu committed, %llu aborted, %llu unconfirmed; "
           "%llu bitmaps carried\n",
           (unsigned long long)tally->nr_schedules, (unsigned long long)tally->nr_steps,
           (unsigned long long)tally->nr_committed, (unsigned long long)tally->nr_aborted,
           (unsigned long long)tally->nr_unconfirmed, (unsigned long long)tally->nr_carried);
    for (unsigned i = 1; i < BF_NR_DROPS; i++) {
        if (tally->drops[i])
            printf("  %-22s %llu\n", bf_drop_name((enum bf_drop)i),
                   (unsigned long long)tally->drops[i]);
    }
    if (tally->nr_carried * 3 < tally->nr_schedules) {
        fprintf(stderr, "too few bitmaps are carried for this to mean anything\n");
        return 1;
    }
    return 0;
}

static int run_random(uint64_t first, uint64_t number)
{
    struct tally tally = {0};

    for (uint64_t seed = first; seed < first + number; seed++) {
        const char *wrong = run_seed(seed, BREAK_NOTHING, false, &tally);

        if (wrong)
            return fail_seed(seed, BREAK_NOTHING, wrong);
    }
    return judge(&tally);
}

static int run_broken(void)
{
    int r = 0;

    for (unsigned i = BREAK_NOTHING + 1; i < NR_BREAKAGES; i++) {
        const char *wrong = NULL;
        uint64_t seed = 0;

        while (!wrong && ++seed <= BREAKAGE_SEEDS)
            wrong = run_seed(seed, (enum breakage)i, false, NULL);
        printf("%-24s %s (seed %llu)\n", breakage_name((enum breakage)i),
               wrong ? wrong : "NOT FOUND OUT", (unsigned long long)seed);
        r |= !wrong;
    }
    return r;
}

/* --- every schedule of a small world -------------------------------------------------------------
 */

struct search {
    uint64_t *seen; /* open addressing; 0 is free */
    uint64_t mask;
    uint64_t nr_seen;
    uint64_t limit;
    uint64_t nr_ends;
    unsigned path[STEPS_MAX];
    const char *wrong;
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

        if (depth >= STEPS_MAX || search->nr_seen >= search->limit || !world_step(&next, step))
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
        struct schedule schedule = {0};
        struct world next = *world;

        search->wrong = run_calm(&schedule, &next);
        if (search->wrong)
            report_path(search, depth);
    }
}

static int explore_world(const struct settings *settings, unsigned writes, unsigned faults,
                         uint64_t limit)
{
    struct search search = {.limit = limit};
    struct world world;

    for (search.mask = 1; search.mask < 2 * limit; search.mask <<= 1)
        ;
    search.seen = calloc(search.mask, sizeof *search.seen);
    if (!search.seen)
        return 1;
    search.mask--;
    world_init(&world, settings);
    world.writes_left = (uint8_t)writes;
    world.faults_left = (uint8_t)faults;
    explore(&search, &world, 0);
    free(search.seen);
    printf("%s, %u blocks, %u bitmaps, %u writes, %u faults: %llu states, %llu ends%s\n",
           settings->kind == BF_HANDOFF_FREEZE ? "freeze" : "tracker", settings->nr_blocks,
           settings->nr_bitmaps, writes, faults, (unsigned long long)search.nr_seen,
           (unsigned long long)search.nr_ends, search.nr_seen >= limit ? " (cut off)" : "");
    return search.wrong || search.nr_seen >= limit;
}

static int run_exhaustive(uint64_t limit)
{
    struct settings settings = {.nr_disks = 1,
                                .nr_blocks = 1,
                                .nr_bitmaps = 1,
                                .recording = {1},
                                .skips_zeroes = 1,
                                .sees_pause = 1,
                                .dest_may_return = 1};
    int r = explore_world(&settings, 2, 1, limit);

    settings.kind = BF_HANDOFF_FREEZE;
    r = r ? r : explore_world(&settings, 2, 1, limit);
    settings.kind = BF_HANDOFF_TRACKER;
    settings.recording[0] = 0;
    r = r ? r : explore_world(&settings, 1, 2, limit);
    settings.recording[0] = 1;
    settings.nr_blocks = 2;
    return r ? r : explore_world(&settings, 3, 0, limit);
}

static enum breakage breakage_parse(const char *name)
{
    unsigned i;

    for (i = 0; i < NR_BREAKAGES && strcmp(name, breakage_name((enum breakage)i)) != 0; i++)
        ;
    return (enum breakage)(i % NR_BREAKAGES);
}

static int run_show(uint64_t seed, enum breakage breakage)
{
    const char *wrong = run_seed(seed, breakage, true, NULL);

    printf("%s\n", wrong ? wrong : "well");
    return wrong != NULL;
}

int main(int argc, char **argv)
{
    fill_urn();
    if (argc == 4 && strcmp(argv[1], "random") == 0)
        return run_random(strtoull(argv[2], NULL, 10), strtoull(argv[3], NULL, 10));
    if (argc == 3 && strcmp(argv[1], "exhaustive") == 0)
        return run_exhaustive(strtoull(argv[2], NULL, 10) * 1000000);
    if (argc == 2 && strcmp(argv[1], "broken") == 0)
        return run_broken();
    if (argc >= 3 && strcmp(argv[1], "show") == 0)
        return run_show(strtoull(argv[2], NULL, 10),
                        argc > 3 ? breakage_parse(argv[3]) : BREAK_NOTHING);
    fprintf(stderr,
            "usage: %s random FIRST NUMBER | exhaustive MILLIONS | broken | "
            "show SEED [BREAKAGE]\n",
            argv[0]);
    return 2;
}
