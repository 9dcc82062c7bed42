/** Runs the two machines of the hand-over through schedules, and the invariant after each step.
 *
 *     handoff-simulation random FIRST NUMBER      seeds FIRST to FIRST + NUMBER - 1
 *     handoff-simulation exhaustive               every schedule of small worlds
 *     handoff-simulation broken                   each broken variant must be found out
 *     handoff-simulation show SEED [BREAKAGE]     one schedule, step by step
 */
#include "schedule.h"
#include "search.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    BREAKAGE_SEEDS = 80000, /* random schedules, before all are searched */
};

static const struct settings small_world = {
    .kind = BF_HANDOFF_TRACKER,
    .nr_disks = 1,
    .nr_blocks = 1,
    .nr_bitmaps = 1,
    .recording = {1},
    .skips_zeroes = 1,
    .sees_pause = 1,
    .dest_may_return = 1,
};

static int fail_seed(uint64_t seed, enum breakage breakage, const char *wrong)
{
    fprintf(stderr, "seed %llu: %s\n", (unsigned long long)seed, wrong);
    (void)schedule_run(seed, breakage, true, NULL);
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
        const char *wrong = schedule_run(seed, BREAK_NOTHING, false, &tally);

        if (wrong)
            return fail_seed(seed, BREAK_NOTHING, wrong);
    }
    return judge(&tally);
}

static int explore_small(const struct settings *settings, unsigned writes, unsigned faults)
{
    struct search_result result;

    if (!search_run(settings, writes, faults, false, &result))
        return 1;
    printf("%s, %u blocks, %s%s, %u writes, %u faults: %llu states, %llu ends%s\n",
           kind_name(settings), settings->nr_blocks,
           settings->recording[0] ? "recording" : "frozen",
           settings->native[0] == NATIVE_NOT ? "" : ", natively", writes, faults,
           (unsigned long long)result.nr_states, (unsigned long long)result.nr_ends,
           result.complete ? "" : " (cut off)");
    return result.wrong != NULL || !result.complete;
}

static int explore_still(void)
{
    struct settings settings = small_world;

    settings.kind = BF_HANDOFF_STILL;
    settings.recording[0] = 0;
    settings.becomes_recording[0] = 1;
    settings.skips_zeroes = 0;
    settings.stale = 1;
    settings.nr_disks = 2;
    settings.nr_bitmaps = 2;
    settings.disk[1] = 1;
    settings.becomes_recording[1] = 1;
    return explore_small(&settings, 1, 1);
}

static int explore_brought(void)
{
    static const uint8_t natives[] = {NATIVE_GOOD, NATIVE_SHORT, NATIVE_SHORT_LAST, NATIVE_LOST};
    struct settings settings = small_world;
    int r = 0;

    settings.kind = BF_HANDOFF_NATIVE;
    settings.skips_zeroes = 0;
    for (unsigned i = 0; i < sizeof natives; i++) {
        settings.nr_blocks = natives[i] == NATIVE_SHORT_LAST ? 2 : 1; /* one of them dirty */
        settings.native[0] = natives[i];
        r |= explore_small(&settings, 1, 1);
    }
    return r;
}

static int run_exhaustive(void)
{
    struct settings settings = small_world;
    int r = explore_small(&settings, 1, 1);

    settings.skips_zeroes = 0;
    r |= explore_small(&settings, 1, 1);
    r |= explore_small(&settings, 3, 0);
    settings.nr_blocks = 2;
    r |= explore_small(&settings, 2, 0);
    settings.nr_blocks = 1;
    settings.nr_bitmaps = 2;
    settings.recording[1] = 1;
    r |= explore_small(&settings, 2, 0);
    settings.nr_bitmaps = 1;
    settings.waits_for_ready = 1;
    r |= explore_small(&settings, 2, 0);
    settings.waits_for_ready = 0;
    settings.kind = BF_HANDOFF_FREEZE;
    r |= explore_small(&settings, 1, 1);
    settings.native[0] = NATIVE_OLD;
    r |= explore_small(&settings, 1, 1);
    settings.native[0] = NATIVE_GOOD;
    r |= explore_small(&settings, 2, 0);
    settings.native[0] = NATIVE_NOT;
    settings.kind = BF_HANDOFF_TRACKER;
    settings.recording[0] = 0;
    r |= explore_small(&settings, 1, 1);
    return r | explore_still() | explore_brought();
}

/* A few variants go wrong only where several rare things meet. */
static const char *search_breakage(enum breakage breakage)
{
    struct settings settings = small_world;
    struct search_result result = {.wrong = NULL};
    bool two_faults = breakage == BREAK_CHANGE_FORGOTTEN;

    settings.breakage = (uint8_t)breakage;
    settings.skips_zeroes = breakage == BREAK_NO_WAIT_FOR_DRAIN;
    (void)search_run(&settings, two_faults ? 0 : 2, two_faults ? 2 : 1, true, &result);
    return result.wrong;
}

/* Found by what it breaks, and nothing else. */
static const char *find_breakage(uint64_t seed, enum breakage breakage)
{
    const char *wrong = schedule_run(seed, breakage, false, NULL);

    return wrong && !schedule_run(seed, BREAK_NOTHING, false, NULL) ? wrong : NULL;
}

static int run_broken(void)
{
    int r = 0;

    for (unsigned i = BREAK_NOTHING + 1; i < NR_BREAKAGES; i++) {
        const char *wrong = NULL;
        uint64_t seed = 0;

        while (!wrong && seed < BREAKAGE_SEEDS)
            wrong = find_breakage(++seed, (enum breakage)i);
        if (wrong)
            printf("%-24s %s (seed %llu)\n", breakage_name((enum breakage)i), wrong,
                   (unsigned long long)seed);
        else if ((wrong = search_breakage((enum breakage)i)))
            printf("%-24s %s (by search)\n", breakage_name((enum breakage)i), wrong);
        else
            fprintf(stderr, "%-24s NOT FOUND OUT\n", breakage_name((enum breakage)i));
        r |= !wrong;
    }
    return r;
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
    const char *wrong = schedule_run(seed, breakage, true, NULL);

    printf("%s\n", wrong ? wrong : "well");
    return wrong != NULL;
}

int main(int argc, char **argv)
{
    if (argc == 4 && strcmp(argv[1], "random") == 0)
        return run_random(strtoull(argv[2], NULL, 10), strtoull(argv[3], NULL, 10));
    if (argc == 2 && strcmp(argv[1], "exhaustive") == 0)
        return run_exhaustive();
    if (argc == 2 && strcmp(argv[1], "broken") == 0)
        return run_broken();
    if (argc >= 3 && strcmp(argv[1], "show") == 0)
        return run_show(strtoull(argv[2], NULL, 10),
                        argc > 3 ? breakage_parse(argv[3]) : BREAK_NOTHING);
    fprintf(stderr,
            "usage: %s random FIRST NUMBER | exhaustive | broken | "
            "show SEED [BREAKAGE]\n",
            argv[0]);
    return 2;
}
