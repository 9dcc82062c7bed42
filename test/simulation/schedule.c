#include "schedule.h"

#include <stdio.h>

enum {
    CALM_ROUNDS_MAX = 400, /* for a schedule to come to its end, when nothing goes wrong any more */
};

struct schedule {
    uint64_t state;
    bool print;
    unsigned nr_steps;
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

static uint8_t random_kind(struct schedule *schedule)
{
    static const uint8_t kinds[] = {
        BF_HANDOFF_TRACKER, BF_HANDOFF_TRACKER, BF_HANDOFF_TRACKER, BF_HANDOFF_TRACKER,
        BF_HANDOFF_FREEZE,  BF_HANDOFF_FREEZE,  BF_HANDOFF_STILL,   BF_HANDOFF_NATIVE,
    };

    return kinds[below(schedule, sizeof kinds)];
}

/* To the machines nothing of a machine that is shut off records; QEMU brings all bitmaps or none;
 * and where no mirror runs, nothing excuses a block that is missing. */
static void fit_to_kind(struct schedule *schedule, struct settings *settings)
{
    static const uint8_t brought[] = {NATIVE_GOOD,  NATIVE_GOOD,       NATIVE_GOOD,  NATIVE_GOOD,
                                      NATIVE_SHORT, NATIVE_SHORT_LAST, NATIVE_EMPTY, NATIVE_EMPTY,
                                      NATIVE_LOST,  NATIVE_SWITCHED};

    if (settings->kind != BF_HANDOFF_STILL && settings->kind != BF_HANDOFF_NATIVE)
        return;
    settings->skips_zeroes = 0;
    settings->passes_discards = 0;
    settings->requires_bits = settings->kind == BF_HANDOFF_NATIVE && below(schedule, 2);
    for (unsigned i = 0; i < settings->nr_bitmaps; i++) {
        if (settings->kind == BF_HANDOFF_NATIVE) {
            settings->native[i] = brought[below(schedule, sizeof brought)];
            continue;
        }
        settings->native[i] = NATIVE_NOT;
        settings->becomes_recording[i] = settings->recording[i];
        settings->recording[i] = 0;
    }
}

static struct settings random_settings(struct schedule *schedule)
{
    struct settings settings = {
        .kind = random_kind(schedule),
        .nr_disks = (uint8_t)(1 + below(schedule, DISKS)),
        .nr_blocks = (uint8_t)(1 + below(schedule, BLOCKS)),
        .nr_bitmaps = (uint8_t)(1 + below(schedule, BITMAPS)),
        .skips_zeroes = below(schedule, 2),
        .passes_discards = below(schedule, 2),
        .ignores_discards = below(schedule, 2),
        .sees_pause = below(schedule, 4) != 0,
        .patient = below(schedule, 4) != 0,
        .waits_for_ready = below(schedule, 4) == 0,
        .stale = below(schedule, 4) == 0,
        .dest_may_return = below(schedule, 2),
    };

    for (unsigned i = 0; i < settings.nr_bitmaps; i++) {
        settings.disk[i] = below(schedule, settings.nr_disks);
        settings.recording[i] = below(schedule, 4) != 0;
        if (below(schedule, 3) == 0)
            settings.native[i] = below(schedule, NR_NATIVES);
    }
    fit_to_kind(schedule, &settings);
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
static const char *come_to_end(struct schedule *schedule, struct world *world)
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

const char *schedule_run(uint64_t seed, enum breakage breakage, bool print, struct tally *tally)
{
    struct schedule schedule = {.state = seed * UINT64_C(0xd1342543de82ef95), .print = print};
    struct settings settings = random_settings(&schedule);
    struct world world;
    const char *wrong;

    if (nr_in_urn == 0)
        fill_urn();
    settings.breakage = (uint8_t)breakage;
    world_init(&world, &settings);
    world.writes_left = below(&schedule, 8);
    world.faults_left = below(&schedule, 5);
    world.nudges_left = below(&schedule, 6);
    if (print)
        printf("seed %llu: %s, %u disks of %u blocks, %u bitmaps\n", (unsigned long long)seed,
               kind_name(&settings), settings.nr_disks, settings.nr_blocks, settings.nr_bitmaps);
    wrong = run_wild(&schedule, &world);
    if (!wrong)
        wrong = come_to_end(&schedule, &world);
    if (!wrong && tally)
        count(tally, &schedule, &world);
    return wrong;
}

const char *schedule_end(struct world *world)
{
    return come_to_end(&(struct schedule){.state = 0}, world);
}
