/* Coverage, case by case: what is said, and of which bitmap. */
#include "model/coverage.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum { SIZE_BYTES = 1 << 20, GRANULARITY_BYTES = 65536 };

/* A disk "vda" drawn image by image, from the top: "c1:rp c2:rp | c1:rp".  r recording, p
 * persistent, i inconsistent, b busy; a digit: so many granules are dirty. */
struct drawn {
    struct bf_catalog layers;
    struct bf_coverage_disk disk;
};

static void draw_bitmap(struct bf_catalog_disk *layer, const char *word)
{
    char name[32] = "";
    const char *flags = strchr(word, ':');
    const char *digit = flags + strcspn(flags, "0123456789");
    struct bf_catalog_bitmap bitmap = {
        .name = name,
        .granularity_bytes = GRANULARITY_BYTES,
        .recording = strchr(flags, 'r') != NULL,
        .persistent = strchr(flags, 'p') != NULL,
        .consistent = strchr(flags, 'i') == NULL,
        .busy = strchr(flags, 'b') != NULL,
        .counted = *digit != '\0',
        .summary.nr_dirty_bits = *digit ? (uint64_t)(*digit - '0') : 0,
    };

    memcpy(name, word, (size_t)(flags - word));
    assert_int_equal(bf_catalog_add_bitmap(layer, &bitmap, NULL), 0);
}

static void draw(struct drawn *drawn, const char *text)
{
    char copy[256];
    char name[16];
    struct bf_catalog_disk *layer = NULL;
    char *rest = NULL;

    (void)snprintf(copy, sizeof copy, "| %s", text);
    *drawn = (struct drawn){.disk = {.name = "vda"}};
    for (char *word = strtok_r(copy, " ", &rest); word; word = strtok_r(NULL, " ", &rest)) {
        (void)snprintf(name, sizeof name, "l%zu", drawn->layers.nr_disks);
        if (word[0] == '|')
            assert_int_equal(bf_catalog_add_disk(&drawn->layers, name, SIZE_BYTES, &layer, NULL),
                             0);
        else
            draw_bitmap(layer, word);
    }
    drawn->disk.layers = drawn->layers.disks;
    drawn->disk.nr_layers = drawn->layers.nr_disks;
}

/* c1, c2, c3, each the parent of the next, all with vda. */
static void three_checkpoints(struct bf_checkpoints *checkpoints, enum bf_chain_style style)
{
    static const char *const names[] = {"c1", "c2", "c3"};

    *checkpoints = (struct bf_checkpoints){.style = style};
    for (int i = 0; i < 3; i++) {
        struct bf_checkpoint *checkpoint;

        assert_int_equal(bf_checkpoints_add(checkpoints, names[i], i ? names[i - 1] : NULL, i,
                                            &checkpoint, NULL),
                         0);
        assert_int_equal(bf_checkpoint_add_disk(checkpoint, "vda", names[i], NULL), 0);
    }
    assert_int_equal(bf_checkpoints_settle(checkpoints, NULL), 0);
}

struct expected {
    const char *disk;
    enum bf_coverage_reason reasons[3];
    size_t culprit; /* since c1: whose bitmap it is about */
};

static void assert_all(enum bf_chain_style style, const struct expected *cases, size_t nr_cases)
{
    struct bf_checkpoints checkpoints;

    three_checkpoints(&checkpoints, style);
    for (size_t i = 0; i < nr_cases; i++) {
        struct drawn drawn;

        draw(&drawn, cases[i].disk);
        for (size_t j = 0; j < 3; j++) {
            struct bf_coverage coverage;

            assert_int_equal(bf_coverage_since(&checkpoints, j, &drawn.disk, &coverage, NULL), 0);
            if (coverage.reason != cases[i].reasons[j])
                fail_msg("%s, since c%zu: %s instead of %s", cases[i].disk, j + 1,
                         bf_coverage_reason_name(coverage.reason),
                         bf_coverage_reason_name(cases[i].reasons[j]));
            if (j == 0 && coverage.reason != BF_COVERAGE_NONE)
                assert_int_equal(coverage.checkpoint, cases[i].culprit);
            bf_coverage_release(&coverage);
        }
        bf_catalog_release(&drawn.layers);
    }
    bf_checkpoints_release(&checkpoints);
}

#define NONE         BF_COVERAGE_NONE
#define MISSING      BF_COVERAGE_BITMAP_MISSING
#define INCONSISTENT BF_COVERAGE_BITMAP_INCONSISTENT
#define FROZEN       BF_COVERAGE_BITMAP_FROZEN
#define TRANSIENT    BF_COVERAGE_BITMAP_TRANSIENT
#define GAP          BF_COVERAGE_LAYER_GAP
#define BUSY         BF_COVERAGE_BITMAP_BUSY

static void a_nested_bitmap_stands_for_itself(void **state)
{
    static const struct expected cases[] = {
        {"c1:rp c2:rp c3:rp", {NONE, NONE, NONE}, 0},
        {"c2:rp c3:rp", {MISSING, NONE, NONE}, 0},
        {"c1:p c2:rp c3:rp", {FROZEN, NONE, NONE}, 0},
        {"c1:r c2:rp c3:rp", {TRANSIENT, NONE, NONE}, 0},
        {"c1:rpi c2:rp c3:rp", {INCONSISTENT, NONE, NONE}, 0},
        {"c1:rpb c2:rp c3:rp", {BUSY, NONE, NONE}, 0},
        {"c1:pb c2:rp c3:rp", {FROZEN, NONE, NONE}, 0}, /* what waiting does not mend comes first */
    };

    (void)state;
    assert_all(BF_CHAIN_NESTED, cases, sizeof cases / sizeof cases[0]);
}

static void a_nested_bitmap_goes_down_from_the_top_without_a_gap(void **state)
{
    static const struct expected cases[] = {
        {"c1:rp c2:rp c3:rp | c1:rp c2:rp | c1:rp", {NONE, NONE, NONE}, 0},
        {"c2:rp c3:rp | c1:rp c2:rp", {GAP, NONE, NONE}, 0},
        {"c1:rp c2:rp c3:rp | c2:rp | c1:rp", {GAP, NONE, NONE}, 0},
        {"c1:rp c2:rp c3:rp | c1:p c2:rp", {FROZEN, NONE, NONE}, 0},
        {"c1:rp c2:rp c3:rp | c1:rpi c2:rp", {INCONSISTENT, NONE, NONE}, 0},
    };

    (void)state;
    assert_all(BF_CHAIN_NESTED, cases, sizeof cases / sizeof cases[0]);
}

static void a_broken_link_breaks_what_depends_on_it(void **state)
{
    static const struct expected cases[] = {
        {"c1:p c2:p c3:rp", {NONE, NONE, NONE}, 0},
        {"c1: c2: c3:r", {NONE, NONE, NONE}, 0}, /* transient ones work as long as QEMU runs */
        {"c1:p c3:rp", {MISSING, MISSING, NONE}, 1},
        {"c1:p c2:pi c3:rp", {INCONSISTENT, INCONSISTENT, NONE}, 1},
        {"c1:p c2:pb c3:rp", {BUSY, BUSY, NONE}, 1},
        {"c1:p c2:p c3:p", {FROZEN, FROZEN, FROZEN}, 2},
        {"c1:p c2:rp c3:p", {FROZEN, FROZEN, FROZEN}, 2}, /* frozen in the wrong place */
        {"c1:p c2:p", {MISSING, MISSING, MISSING}, 2},
    };

    (void)state;
    assert_all(BF_CHAIN_LINKS, cases, sizeof cases / sizeof cases[0]);
}

static void links_take_over_where_the_one_before_was_frozen(void **state)
{
    static const struct expected cases[] = {
        /* a snapshot while c3 recorded; one while c2 did, before */
        {"c3:rp | c1:p c2:p c3:rp", {NONE, NONE, NONE}, 0},
        {"c3:rp | c2:p c3:rp | c1:p c2:p", {NONE, NONE, NONE}, 0},
        /* nobody recorded between the snapshot and c2 */
        {"c2:p c3:rp | c1:p", {GAP, NONE, NONE}, 1},
        {"c1:p c2:p c3:rp | | c2:p", {GAP, GAP, NONE}, 1},
        {" | c1:p c2:p c3:rp", {GAP, GAP, GAP}, 2},
    };

    (void)state;
    assert_all(BF_CHAIN_LINKS, cases, sizeof cases / sizeof cases[0]);
}

static void a_disk_that_was_no_part_of_it_is_full(void **state)
{
    struct bf_checkpoints checkpoints;
    struct bf_checkpoint *checkpoint;
    struct bf_coverage coverage;
    struct drawn drawn;

    (void)state;
    for (int style = 0; style < 2; style++) {
        three_checkpoints(&checkpoints, (enum bf_chain_style)style);
        checkpoint = &checkpoints.items[2];
        assert_int_equal(bf_checkpoint_add_disk(checkpoint, "vdb", "c3", NULL), 0);
        draw(&drawn, "c3:rp");
        drawn.disk.name = "vdb";
        for (size_t i = 0; i < 3; i++) {
            assert_int_equal(bf_coverage_since(&checkpoints, i, &drawn.disk, &coverage, NULL), 0);
            assert_int_equal(coverage.reason,
                             i < 2 ? BF_COVERAGE_DISK_NOT_IN_CHECKPOINT : BF_COVERAGE_NONE);
            bf_coverage_release(&coverage);
        }
        bf_catalog_release(&drawn.layers);
        bf_checkpoints_release(&checkpoints);
    }
}

static void a_link_whose_successor_is_forgotten_is_full(void **state)
{
    struct bf_checkpoints checkpoints = {.style = BF_CHAIN_LINKS};
    struct bf_coverage coverage;
    struct drawn drawn;

    (void)state;
    for (int i = 0; i < 2; i++) {
        struct bf_checkpoint *checkpoint;

        assert_int_equal(bf_checkpoints_add(&checkpoints, i ? "c3" : "c1", i ? "c2" : NULL,
                                            BF_NO_TIME, &checkpoint, NULL),
                         0);
        assert_int_equal(bf_checkpoint_add_disk(checkpoint, "vda", i ? "c3" : "c1", NULL), 0);
    }
    assert_int_equal(bf_checkpoints_settle(&checkpoints, NULL), 0);
    draw(&drawn, "c1:p c2:p c3:rp");
    assert_int_equal(bf_coverage_since(&checkpoints, 0, &drawn.disk, &coverage, NULL), 0);
    assert_int_equal(coverage.reason, BF_COVERAGE_CHECKPOINT_GONE);
    bf_coverage_release(&coverage);
    assert_int_equal(bf_coverage_since(&checkpoints, 1, &drawn.disk, &coverage, NULL), 0);
    assert_int_equal(coverage.reason, BF_COVERAGE_NONE);
    bf_coverage_release(&coverage);
    bf_catalog_release(&drawn.layers);
    bf_checkpoints_release(&checkpoints);
}

static void what_is_not_seen_is_full(void **state)
{
    struct bf_checkpoints checkpoints;
    struct bf_coverage_disk disk = {.name = "vda", .unusable = BF_COVERAGE_DISK_INACTIVE};
    struct bf_coverage coverage;

    (void)state;
    three_checkpoints(&checkpoints, BF_CHAIN_NESTED);
    assert_int_equal(bf_coverage_since(&checkpoints, 1, &disk, &coverage, NULL), 0);
    assert_int_equal(coverage.reason, BF_COVERAGE_DISK_INACTIVE);
    assert_int_equal(coverage.nr_parts, 0);
    bf_coverage_release(&coverage);
    bf_checkpoints_release(&checkpoints);
}

static void the_union_is_named_part_by_part(void **state)
{
    struct bf_checkpoints checkpoints;
    struct bf_coverage coverage;
    struct drawn drawn;
    uint64_t max_bytes = 0;

    (void)state;
    three_checkpoints(&checkpoints, BF_CHAIN_LINKS);
    draw(&drawn, "c3:rp1 | c2:p2 c3:rp3 | c1:p4 c2:p5");
    assert_int_equal(bf_coverage_since(&checkpoints, 1, &drawn.disk, &coverage, NULL), 0);
    assert_int_equal(coverage.reason, BF_COVERAGE_NONE);
    assert_int_equal(coverage.nr_parts, 4);
    assert_string_equal(coverage.parts[0].bitmap->name, "c2");
    assert_int_equal(coverage.parts[0].layer, 1);
    assert_int_equal(coverage.parts[1].layer, 2);
    assert_int_equal(coverage.parts[1].checkpoint, 1);
    assert_string_equal(coverage.parts[2].bitmap->name, "c3");
    assert_int_equal(coverage.parts[2].layer, 0);
    assert_int_equal(coverage.parts[3].layer, 1);
    assert_true(bf_coverage_dirty_bytes(&coverage, &drawn.disk, &max_bytes));
    assert_int_equal(max_bytes, (1 + 2 + 3 + 5) * GRANULARITY_BYTES);
    bf_coverage_release(&coverage);
    bf_catalog_release(&drawn.layers);

    draw(&drawn, "c1:p9 c2:p9 c3:rp");
    assert_int_equal(bf_coverage_since(&checkpoints, 0, &drawn.disk, &coverage, NULL), 0);
    assert_false(bf_coverage_dirty_bytes(&coverage, &drawn.disk, &max_bytes));
    bf_coverage_release(&coverage);
    bf_catalog_release(&drawn.layers);

    draw(&drawn, "c1:p9 c2:p9 c3:rp1");
    assert_int_equal(bf_coverage_since(&checkpoints, 0, &drawn.disk, &coverage, NULL), 0);
    assert_true(bf_coverage_dirty_bytes(&coverage, &drawn.disk, &max_bytes));
    assert_int_equal(max_bytes, SIZE_BYTES);
    bf_coverage_release(&coverage);
    bf_catalog_release(&drawn.layers);
    bf_checkpoints_release(&checkpoints);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_nested_bitmap_stands_for_itself),
        cmocka_unit_test(a_nested_bitmap_goes_down_from_the_top_without_a_gap),
        cmocka_unit_test(a_broken_link_breaks_what_depends_on_it),
        cmocka_unit_test(links_take_over_where_the_one_before_was_frozen),
        cmocka_unit_test(a_disk_that_was_no_part_of_it_is_full),
        cmocka_unit_test(a_link_whose_successor_is_forgotten_is_full),
        cmocka_unit_test(what_is_not_seen_is_full),
        cmocka_unit_test(the_union_is_named_part_by_part),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
