/* Coverage against a naive world that keeps every write: random histories of writes, checkpoints,
 * deletions, plugged and unplugged disks, snapshots and breaks.  Where coverage says incremental,
 * the union that it names has every write since; and where nothing was broken, it says so. */
#include "shadow.h"

#include "model/coverage.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    NR_HISTORIES = 6000,
    NR_STEPS = 40,
    DISKS_MAX = 3,
    LAYERS_MAX = 4,
    CHECKPOINTS_MAX = 12,
    WRITES_MAX = 2 * NR_STEPS,
    BLOCKS = 64, /* of a disk, one bit each */
    BLOCK_BYTES = 512,
    NONE = -1,
};

struct bits {
    bool there, recording, persistent, consistent, busy;
    uint64_t mask;
};

struct image {
    struct bits of[CHECKPOINTS_MAX]; /* the bitmap of each checkpoint */
};

struct drive {
    bool plugged;
    bool broken; /* something was done to it that may cost coverage */
    struct image layers[LAYERS_MAX];
    int nr_layers;
};

struct point {
    bool known;
    int parent; /* may be one that is not known any more */
    bool has[DISKS_MAX];
    int at_write; /* writes[] from here on came later */
};

struct world {
    struct rng rng;
    enum bf_chain_style style;
    struct drive drives[DISKS_MAX];
    int nr_drives;
    struct point points[CHECKPOINTS_MAX];
    int nr_points;
    struct {
        int drive;
        uint64_t mask;
    } writes[WRITES_MAX];
    int nr_writes;
    bool lost_metadata; /* of some checkpoint: links cannot be whole any more */
    bool stuck;         /* ... of the newest: whoever makes checkpoints does not know where it is */
};

struct tally {
    unsigned long nr_reasons[BF_NR_COVERAGE_REASONS];
};

static int pick(struct world *world, int bound)
{
    return (int)rng_below(&world->rng, (uint64_t)bound);
}

static bool one_in(struct world *world, int n)
{
    return pick(world, n) == 0;
}

/* --- the world as the model sees it --- */

static void describe(const struct world *world, struct bf_checkpoints *ret_checkpoints)
{
    char name[16];
    char parent[16];
    char disk[16];

    *ret_checkpoints = (struct bf_checkpoints){.style = world->style};
    for (int i = 0; i < world->nr_points; i++) {
        const struct point *point = &world->points[i];
        struct bf_checkpoint *checkpoint;

        if (!point->known)
            continue;
        (void)snprintf(name, sizeof name, "c%d", i);
        (void)snprintf(parent, sizeof parent, "c%d", point->parent);
        assert_int_equal(bf_checkpoints_add(
                             ret_checkpoints, name, point->parent == NONE ? NULL : parent,
                             world->rng.seed % 2 ? BF_NO_TIME : point->at_write, &checkpoint, NULL),
                         0);
        for (int j = 0; j < world->nr_drives; j++) {
            (void)snprintf(disk, sizeof disk, "vd%d", j);
            if (point->has[j])
                assert_int_equal(bf_checkpoint_add_disk(checkpoint, disk, name, NULL), 0);
        }
    }
    assert_int_equal(bf_checkpoints_settle(ret_checkpoints, NULL), 0);
}

static void look(const struct drive *drive, struct bf_catalog *catalog)
{
    char name[16];

    for (int i = 0; i < drive->nr_layers; i++) {
        struct bf_catalog_disk *layer;

        (void)snprintf(name, sizeof name, "layer%d", i);
        assert_int_equal(
            bf_catalog_add_disk(catalog, name, (uint64_t)BLOCKS * BLOCK_BYTES, &layer, NULL), 0);
        for (int j = 0; j < CHECKPOINTS_MAX; j++) {
            const struct bits *bits = &drive->layers[i].of[j];
            struct bf_catalog_bitmap bitmap = {.name = name,
                                               .granularity_bytes = BLOCK_BYTES,
                                               .recording = bits->recording,
                                               .persistent = bits->persistent,
                                               .consistent = bits->consistent,
                                               .busy = bits->busy};

            (void)snprintf(name, sizeof name, "c%d", j);
            if (bits->there)
                assert_int_equal(bf_catalog_add_bitmap(layer, &bitmap, NULL), 0);
        }
    }
}

static struct bf_coverage_disk subject(const struct bf_catalog *catalog, const char *name)
{
    return (struct bf_coverage_disk){
        .name = name, .layers = catalog->disks, .nr_layers = catalog->nr_disks};
}

static enum bf_coverage_reason reason_since(const struct world *world, int drive, int point)
{
    struct bf_checkpoints checkpoints;
    struct bf_catalog catalog = {0};
    struct bf_coverage coverage;
    struct bf_coverage_disk disk;
    char name[16];
    enum bf_coverage_reason reason;

    describe(world, &checkpoints);
    look(&world->drives[drive], &catalog);
    (void)snprintf(name, sizeof name, "vd%d", drive);
    disk = subject(&catalog, name);
    (void)snprintf(name, sizeof name, "c%d", point);
    point = (int)bf_checkpoints_find(&checkpoints, name);
    (void)snprintf(name, sizeof name, "vd%d", drive);
    assert_int_equal(bf_coverage_since(&checkpoints, (size_t)point, &disk, &coverage, NULL), 0);
    reason = coverage.reason;
    bf_coverage_release(&coverage);
    bf_checkpoints_release(&checkpoints);
    bf_catalog_release(&catalog);
    return reason;
}

/* --- what happens in it --- */

static void drop_bitmap(struct drive *drive, int point)
{
    for (int i = 0; i < drive->nr_layers; i++)
        drive->layers[i].of[point].there = false;
}

static int newest(const struct world *world)
{
    for (int i = world->nr_points - 1; i >= 0; i--) {
        if (world->points[i].known)
            return i;
    }
    return NONE;
}

static int random_drive(struct world *world, bool plugged)
{
    int drive = pick(world, world->nr_drives);

    return world->drives[drive].plugged == plugged ? drive : NONE;
}

static void write_to(struct world *world, int drive)
{
    uint64_t mask = UINT64_C(1) << pick(world, BLOCKS);

    mask |= UINT64_C(1) << pick(world, BLOCKS);
    if (world->nr_writes == WRITES_MAX)
        return;
    world->writes[world->nr_writes].drive = drive;
    world->writes[world->nr_writes++].mask = mask;
    for (int i = 0; i < CHECKPOINTS_MAX; i++) {
        struct bits *bits = &world->drives[drive].layers[0].of[i];

        if (bits->there && bits->recording && bits->consistent)
            bits->mask |= mask;
    }
}

static void step_write(struct world *world)
{
    int drive = random_drive(world, true);

    if (drive != NONE)
        write_to(world, drive);
}

static void step_plug(struct world *world)
{
    if (world->nr_drives < DISKS_MAX)
        world->drives[world->nr_drives++] = (struct drive){.plugged = true, .nr_layers = 1};
}

static void step_unplug(struct world *world)
{
    int drive = random_drive(world, true);

    if (drive != NONE) {
        world->drives[drive].plugged = false;
        world->drives[drive].broken = true;
    }
}

/* It may have been written to elsewhere meanwhile, by a program that knows no bitmaps: QEMU finds
 * them inconsistent. */
static void step_plug_again(struct world *world)
{
    int drive = random_drive(world, false);

    if (drive == NONE)
        return;
    world->drives[drive].plugged = true;
    if (!one_in(world, 3))
        return;
    for (int i = 0; i < CHECKPOINTS_MAX; i++) {
        world->drives[drive].layers[0].of[i].consistent = false;
        world->drives[drive].layers[0].of[i].mask = 0;
    }
    write_to(world, drive);
}

static void step_snapshot(struct world *world)
{
    int drive = random_drive(world, true);
    struct drive *it = &world->drives[drive == NONE ? 0 : drive];
    bool tracked = !one_in(world, 5);

    if (drive == NONE || it->nr_layers == LAYERS_MAX)
        return;
    memmove(&it->layers[1], &it->layers[0], sizeof it->layers[0] * (size_t)it->nr_layers);
    it->nr_layers++;
    memset(&it->layers[0], 0, sizeof it->layers[0]);
    it->broken |= !tracked;
    for (int i = 0; tracked && i < CHECKPOINTS_MAX; i++) {
        if (it->layers[1].of[i].there && it->layers[1].of[i].recording)
            it->layers[0].of[i] = (struct bits){.there = true,
                                                .recording = true,
                                                .persistent = it->layers[1].of[i].persistent,
                                                .consistent = true};
    }
}

/* What is not covered is not carried over: else the union would look whole. */
static void step_flatten(struct world *world)
{
    int drive = random_drive(world, true);
    struct drive *it = &world->drives[drive == NONE ? 0 : drive];
    bool keep[CHECKPOINTS_MAX] = {false};
    struct image flat = {0};

    if (drive == NONE)
        return;
    for (int i = 0; i < world->nr_points; i++)
        keep[i] = world->points[i].known && reason_since(world, drive, i) == BF_COVERAGE_NONE;
    for (int layer = it->nr_layers - 1; layer >= 0; layer--) {
        for (int i = 0; i < CHECKPOINTS_MAX; i++) {
            const struct bits *bits = &it->layers[layer].of[i];
            uint64_t mask = flat.of[i].mask;

            if (!keep[i] || !bits->there)
                continue;
            flat.of[i] = *bits;
            flat.of[i].recording &= layer == 0;
            flat.of[i].mask |= mask;
            flat.of[i].busy = false;
        }
    }
    it->layers[0] = flat;
    it->nr_layers = 1;
}

/* Whoever makes a link looks first whether the one before is whole; where that is not so, the next
 * backup is a full one and the chain begins anew.  (A gap between images shows for ever.) */
static void freeze_links(struct world *world, int drive, int before)
{
    struct drive *it = &world->drives[drive];
    enum bf_coverage_reason reason = reason_since(world, drive, before);

    if (reason != BF_COVERAGE_NONE && reason != BF_COVERAGE_BITMAP_BUSY &&
        (reason != BF_COVERAGE_LAYER_GAP || one_in(world, 2))) {
        for (int i = 0; i < CHECKPOINTS_MAX; i++)
            drop_bitmap(it, i);
    }
    for (int i = 0; i < CHECKPOINTS_MAX; i++)
        it->layers[0].of[i].recording = false;
}

static void step_checkpoint(struct world *world)
{
    int before = newest(world);
    int new = world->nr_points;

    if (new == CHECKPOINTS_MAX || world->stuck)
        return;
    for (int i = 0; i < world->nr_drives; i++) {
        if (world->drives[i].plugged && world->style == BF_CHAIN_LINKS && before != NONE)
            freeze_links(world, i, before);
    }
    world->nr_points++;
    world->points[new] =
        (struct point){.known = true, .parent = before, .at_write = world->nr_writes};
    for (int i = 0; i < world->nr_drives; i++) {
        world->points[new].has[i] = world->drives[i].plugged;
        if (world->drives[i].plugged)
            world->drives[i].layers[0].of[new] = (struct bits){
                .there = true, .recording = true, .persistent = true, .consistent = true};
    }
}

/* Links: the bits go into the one before, which records again if this was the newest. */
static void merge_link(struct world *world, int drive, int before, int point, bool was_newest)
{
    struct drive *it = &world->drives[drive];
    enum bf_coverage_reason reason = reason_since(world, drive, before);
    struct bits *into = &it->layers[0].of[before];

    if (!it->plugged || reason != BF_COVERAGE_NONE) {
        world->points[before].has[drive] = false;
        it->broken = true;
        return;
    }
    /* A gap is left in what cannot be changed below. */
    it->broken |= !into->there && it->nr_layers > 1 && !it->layers[1].of[before].there;
    if (!into->there)
        *into = (struct bits){.there = true, .persistent = true, .consistent = true};
    for (int i = 0; i < it->nr_layers; i++) {
        if (it->layers[i].of[point].there)
            into->mask |= it->layers[i].of[point].mask;
    }
    into->recording |= was_newest;
}

static void step_delete(struct world *world)
{
    int point = world->nr_points ? pick(world, world->nr_points) : NONE;
    int before;
    bool was_newest;

    if (point == NONE || !world->points[point].known)
        return;
    before = world->points[point].parent;
    was_newest = point == newest(world);
    for (int i = 0; i < world->nr_drives; i++) {
        if (world->style == BF_CHAIN_LINKS && before != NONE && world->points[before].known)
            merge_link(world, i, before, point, was_newest);
        if (world->drives[i].plugged)
            drop_bitmap(&world->drives[i], point);
    }
    for (int i = 0; i < world->nr_points; i++) {
        if (world->points[i].parent == point)
            world->points[i].parent = before;
    }
    world->points[point].known = false;
}

static void step_lose_metadata(struct world *world)
{
    int point = world->nr_points ? pick(world, world->nr_points) : NONE;

    if (point == NONE || !world->points[point].known)
        return;
    world->stuck |= point == newest(world);
    world->points[point].known = false;
    world->lost_metadata = true;
}

static void step_restart(struct world *world)
{
    for (int i = 0; i < world->nr_drives; i++) {
        struct drive *it = &world->drives[i];

        for (int j = 0; j < it->nr_layers * CHECKPOINTS_MAX; j++) {
            struct bits *bits = &it->layers[j / CHECKPOINTS_MAX].of[j % CHECKPOINTS_MAX];

            bits->there &= bits->persistent;
            bits->busy = false;
        }
    }
}

/* QEMU removes nothing from an image that it has open read-only. */
static void step_break(struct world *world)
{
    int drive = random_drive(world, true);
    struct drive *it = &world->drives[drive == NONE ? 0 : drive];
    int layer = drive == NONE ? 0 : pick(world, it->nr_layers);
    struct bits *bits = &it->layers[layer].of[pick(world, world->nr_points + 1) % CHECKPOINTS_MAX];

    if (drive == NONE || !bits->there)
        return;
    it->broken = true;
    switch (pick(world, 5)) {
    case 0:
        bits->there = layer > 0;
        break;
    case 1:
        bits->recording = false;
        break;
    case 2:
        bits->persistent = layer > 0 && bits->persistent;
        break;
    case 3:
        bits->consistent = false;
        bits->mask = 0;
        break;
    default:
        bits->busy = true;
        break;
    }
}

static void step(struct world *world)
{
    static void (*const steps[])(struct world *) = {
        step_checkpoint,    step_checkpoint, step_checkpoint, step_delete,
        step_plug,          step_snapshot,   step_snapshot,   step_flatten,
        step_unplug,        step_plug_again, step_restart,    step_plug_again,
        step_lose_metadata, step_break,      step_break,      step_break,
    };
    int nr_steps = (int)(sizeof steps / sizeof steps[0]);

    if (one_in(world, 2))
        step_write(world);
    /* Half of the histories have no accident in them. */
    else if (world->rng.seed % 4 < 2)
        steps[pick(world, 7)](world);
    else
        steps[pick(world, nr_steps)](world);
}

/* --- what must be so --- */

static uint64_t written_since(const struct world *world, int drive, int point)
{
    uint64_t mask = 0;

    for (int i = world->points[point].at_write; i < world->nr_writes; i++) {
        if (world->writes[i].drive == drive)
            mask |= world->writes[i].mask;
    }
    return mask;
}

static uint64_t union_of(const struct world *world, int drive, const struct bf_coverage *coverage)
{
    uint64_t mask = 0;

    for (size_t i = 0; i < coverage->nr_parts; i++) {
        const struct bf_coverage_part *part = &coverage->parts[i];

        mask |= world->drives[drive].layers[part->layer].of[atoi(part->bitmap->name + 1)].mask;
    }
    return mask;
}

static void check_pair(struct world *world, int drive, const struct bf_checkpoints *checkpoints,
                       size_t checkpoint, const struct bf_coverage_disk *disk, struct tally *tally)
{
    int point = atoi(checkpoints->items[checkpoint].name + 1);
    struct bf_coverage coverage;
    bool covered;

    assert_int_equal(bf_coverage_since(checkpoints, checkpoint, disk, &coverage, NULL), 0);
    tally->nr_reasons[coverage.reason]++;
    covered = coverage.reason == BF_COVERAGE_NONE || coverage.reason == BF_COVERAGE_BITMAP_BUSY;
    if (covered)
        check(&world->rng,
              (written_since(world, drive, point) & ~union_of(world, drive, &coverage)) == 0);
    if (world->points[point].has[drive] && !world->drives[drive].broken && !world->lost_metadata)
        check(&world->rng, covered);
    bf_coverage_release(&coverage);
}

static void check_all(struct world *world, struct tally *tally)
{
    struct bf_checkpoints checkpoints;
    char name[16];

    describe(world, &checkpoints);
    for (int i = 0; i < world->nr_drives; i++) {
        struct bf_catalog catalog = {0};
        struct bf_coverage_disk disk = subject(&catalog, name);

        look(&world->drives[i], &catalog);
        (void)snprintf(name, sizeof name, "vd%d", i);
        disk = subject(&catalog, name);
        for (size_t j = 0; world->drives[i].plugged && j < checkpoints.nr_items; j++)
            check_pair(world, i, &checkpoints, j, &disk, tally);
        bf_catalog_release(&catalog);
    }
    bf_checkpoints_release(&checkpoints);
}

static void history(uint64_t seed, enum bf_chain_style style, struct tally *tally)
{
    struct world *world = calloc(1, sizeof *world);

    assert_non_null(world);
    world->rng = rng_start(seed);
    world->style = style;
    step_plug(world);
    step_plug(world);
    for (int i = 0; i < NR_STEPS; i++) {
        step(world);
        if (i % 8 == 7)
            check_all(world, tally);
    }
    free(world);
}

static void run_histories(enum bf_chain_style style, struct tally *tally)
{
    memset(tally, 0, sizeof *tally);
    for (uint64_t seed = 0; seed < NR_HISTORIES; seed++)
        history(seed, style, tally);
    for (int i = 0; i < BF_NR_COVERAGE_REASONS; i++)
        print_message("%8lu %s\n", tally->nr_reasons[i],
                      bf_coverage_reason_name((enum bf_coverage_reason)i));
}

/* Each answer came up, or the histories show nothing. */
static void assert_seen(const struct tally *tally, enum bf_coverage_reason reason)
{
    if (tally->nr_reasons[reason] < 100)
        fail_msg("%s came up too seldom", bf_coverage_reason_name(reason));
}

static void nested_unions_have_every_write_since(void **state)
{
    static const enum bf_coverage_reason reasons[] = {
        BF_COVERAGE_NONE,
        BF_COVERAGE_DISK_NOT_IN_CHECKPOINT,
        BF_COVERAGE_BITMAP_MISSING,
        BF_COVERAGE_BITMAP_FROZEN,
        BF_COVERAGE_BITMAP_INCONSISTENT,
        BF_COVERAGE_BITMAP_TRANSIENT,
        BF_COVERAGE_LAYER_GAP,
        BF_COVERAGE_BITMAP_BUSY,
    };
    struct tally tally;

    (void)state;
    run_histories(BF_CHAIN_NESTED, &tally);
    for (size_t i = 0; i < sizeof reasons / sizeof reasons[0]; i++)
        assert_seen(&tally, reasons[i]);
}

static void unions_of_links_have_every_write_since(void **state)
{
    static const enum bf_coverage_reason reasons[] = {
        BF_COVERAGE_NONE,
        BF_COVERAGE_DISK_NOT_IN_CHECKPOINT,
        BF_COVERAGE_BITMAP_MISSING,
        BF_COVERAGE_BITMAP_FROZEN,
        BF_COVERAGE_BITMAP_INCONSISTENT,
        BF_COVERAGE_CHECKPOINT_GONE,
        BF_COVERAGE_LAYER_GAP,
        BF_COVERAGE_BITMAP_BUSY,
    };
    struct tally tally;

    (void)state;
    run_histories(BF_CHAIN_LINKS, &tally);
    for (size_t i = 0; i < sizeof reasons / sizeof reasons[0]; i++)
        assert_seen(&tally, reasons[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nested_unions_have_every_write_since),
        cmocka_unit_test(unions_of_links_have_every_write_since),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
