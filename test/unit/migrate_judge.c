/* What counts as arrived: every way in which a bitmap at the destination can fall short. */
#include "migrate_judge.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

enum { GRANULARITY = 65536, SIZE = 1 << 28 };

struct bench {
    struct bf_virt_checkpoints checkpoints;
    struct bf_look before;
    struct bf_look after;
    struct bf_verdicts verdicts;
};

static void add_checkpoint(struct bench *bench, const char *xml)
{
    struct bf_error err = BF_ERROR_INIT;

    if (bf_virt_checkpoints_add(&bench->checkpoints, xml, &err) < 0)
        fail_msg("%s", err.text);
}

/* A bitmap whose digest stands for its bits: @nr_dirty granules, all the same. */
static void add_bitmap(struct bf_look_layer *layer, const char *name, unsigned nr_dirty)
{
    struct bf_look_bitmap *bitmap = bf_look_add_bitmap(layer, name);

    bitmap->granularity_bytes = GRANULARITY;
    bitmap->dirty_bytes = (uint64_t)nr_dirty * GRANULARITY;
    bitmap->recording = bitmap->persistent = bitmap->consistent = bitmap->digested = true;
    memset(bitmap->sha256, (int)nr_dirty, sizeof bitmap->sha256);
}

static struct bf_look_layer *add_layer(struct bf_look *look, const char *target)
{
    struct bf_look_disk *disk = (struct bf_look_disk *)bf_look_find_disk(look, target);
    struct bf_look_layer *layer;

    if (!disk)
        disk = bf_look_add_disk(look, target);
    disk->seen = true;
    layer = bf_look_add_layer(disk, "node", "/images/layer");
    layer->size_bytes = SIZE;
    return layer;
}

static int set_up(void **state)
{
    static const char *const targets[] = {"vda", "vdb"};
    static struct bench bench;

    bench = (struct bench){.checkpoints = {.nr_items = 0}};
    add_checkpoint(&bench, "<domaincheckpoint><name>chk1</name><disks><disk name='vda'/>"
                           "<disk name='vdb'/></disks></domaincheckpoint>");
    for (size_t i = 0; i < sizeof targets / sizeof targets[0]; i++) {
        add_bitmap(add_layer(&bench.before, targets[i]), "chk1", 10);
        add_bitmap(add_layer(&bench.after, targets[i]), "chk1", 10);
    }
    *state = &bench;
    return 0;
}

static int tear_down(void **state)
{
    struct bench *bench = *state;

    bf_verdicts_release(&bench->verdicts);
    bf_look_release(&bench->before);
    bf_look_release(&bench->after);
    bf_virt_checkpoints_release(&bench->checkpoints);
    return 0;
}

static struct bf_look_bitmap *arrived(struct bench *bench)
{
    return &bench->after.disks[0].layers[0].bitmaps[0];
}

static const struct bf_verdict *judge(struct bench *bench)
{
    struct bf_error err = BF_ERROR_INIT;

    bf_verdicts_release(&bench->verdicts);
    assert_int_equal(
        bf_judge(&bench->checkpoints, &bench->before, &bench->after, &bench->verdicts, &err), 0);
    return &bench->verdicts.items[0];
}

static void assert_vda_lost(struct bench *bench, enum bf_code reason)
{
    const struct bf_verdict *verdict = judge(bench);

    assert_int_equal(verdict->disks[0].proof, BF_PROOF_NONE);
    assert_int_equal(verdict->disks[0].reason, reason);
    assert_int_equal(verdict->disks[1].proof, BF_PROOF_IDENTICAL);
    assert_int_equal(verdict->fate, BF_VERDICT_PARTLY);
    assert_int_equal(bf_verdicts_exit(&bench->verdicts), BF_EXIT_SOME_DROPPED);
}

static void the_same_bits_are_identical(void **state)
{
    struct bench *bench = *state;

    assert_int_equal(judge(bench)->fate, BF_VERDICT_REDEFINED);
    assert_int_equal(bench->verdicts.items[0].disks[0].proof, BF_PROOF_IDENTICAL);
    assert_int_equal(bf_verdicts_exit(&bench->verdicts), BF_EXIT_OK);
}

static void a_guest_that_wrote_on_has_more(void **state)
{
    struct bench *bench = *state;

    arrived(bench)->dirty_bytes += GRANULARITY;
    memset(arrived(bench)->sha256, 99, BF_SHA256_BYTES);
    assert_int_equal(judge(bench)->disks[0].proof, BF_PROOF_COVERS);
    assert_int_equal(bench->verdicts.items[0].fate, BF_VERDICT_REDEFINED);
}

static void other_bits_of_a_guest_that_did_not_write_are_refused(void **state)
{
    struct bench *bench = *state;

    arrived(bench)->dirty_bytes += GRANULARITY;
    memset(arrived(bench)->sha256, 99, BF_SHA256_BYTES);
    bench->before.quiet = bench->after.quiet = true;
    assert_vda_lost(bench, BF_E_DIGEST_MISMATCH);
}

static void fewer_bits_are_refused(void **state)
{
    struct bench *bench = *state;

    arrived(bench)->dirty_bytes -= GRANULARITY;
    memset(arrived(bench)->sha256, 99, BF_SHA256_BYTES);
    assert_vda_lost(bench, BF_E_COVERAGE_MISSING);
}

static void a_bitmap_that_is_not_sound_is_refused(void **state)
{
    struct bench *bench = *state;

    arrived(bench)->recording = false;
    assert_vda_lost(bench, BF_E_COVERAGE_MISSING);
    arrived(bench)->recording = true;
    arrived(bench)->persistent = false;
    assert_vda_lost(bench, BF_E_COVERAGE_MISSING);
    arrived(bench)->persistent = true;
    arrived(bench)->consistent = false;
    assert_vda_lost(bench, BF_E_BITMAP_INCONSISTENT);
    arrived(bench)->consistent = true;
    arrived(bench)->name[0] = 'C';
    assert_vda_lost(bench, BF_E_BITMAP_NOT_FOUND);
}

static void a_disk_of_another_size_is_refused(void **state)
{
    struct bench *bench = *state;

    bench->after.disks[0].layers[0].size_bytes += 512;
    assert_vda_lost(bench, BF_E_SIZE_MISMATCH);
}

static void a_disk_that_stayed_behind_is_left_out(void **state)
{
    struct bench *bench = *state;

    bench->after.disks[0].target[2] = 'z';
    assert_vda_lost(bench, BF_E_NOT_FOUND);
}

static void what_was_broken_before_stays_broken(void **state)
{
    struct bench *bench = *state;

    bench->before.disks[0].layers[0].bitmaps[0].name[0] = 'C';
    assert_vda_lost(bench, BF_E_COVERAGE_MISSING);
}

static void what_nobody_saw_is_not_proven(void **state)
{
    struct bench *bench = *state;

    bench->after.disks[1].seen = false;
    assert_int_equal(judge(bench)->fate, BF_VERDICT_UNPROVEN);
    assert_int_equal(bf_verdicts_exit(&bench->verdicts), BF_EXIT_NONE_CARRIED);
    bench->after.disks[1].seen = true;
    bench->before.disks[1].seen = false;
    assert_int_equal(judge(bench)->fate, BF_VERDICT_UNPROVEN);
}

static void all_disks_lost_is_dropped(void **state)
{
    struct bench *bench = *state;

    arrived(bench)->consistent = false;
    bench->after.disks[1].layers[0].bitmaps[0].recording = false;
    assert_int_equal(judge(bench)->fate, BF_VERDICT_DROPPED);
    assert_int_equal(bf_verdicts_exit(&bench->verdicts), BF_EXIT_NONE_CARRIED);
}

static void a_layer_below_must_have_the_very_bits(void **state)
{
    struct bench *bench = *state;

    add_bitmap(add_layer(&bench->before, "vda"), "chk1", 5);
    add_layer(&bench->after, "vda");
    assert_vda_lost(bench, BF_E_COVERAGE_MISSING);
    add_bitmap(&bench->after.disks[0].layers[1], "chk1", 6);
    assert_vda_lost(bench, BF_E_COVERAGE_MISSING);
    memset(bench->after.disks[0].layers[1].bitmaps[0].sha256, 5, BF_SHA256_BYTES);
    assert_int_equal(judge(bench)->disks[0].proof, BF_PROOF_IDENTICAL);
}

/* A layer that was put on top lately has recorded less than the one below. */
static void a_top_layer_need_not_hold_what_is_below(void **state)
{
    struct bench *bench = *state;

    add_bitmap(add_layer(&bench->before, "vda"), "chk1", 50);
    add_bitmap(add_layer(&bench->after, "vda"), "chk1", 50);
    arrived(bench)->dirty_bytes += GRANULARITY;
    memset(arrived(bench)->sha256, 99, BF_SHA256_BYTES);
    assert_int_equal(judge(bench)->disks[0].proof, BF_PROOF_COVERS);
    arrived(bench)->dirty_bytes = GRANULARITY;
    assert_vda_lost(bench, BF_E_COVERAGE_MISSING);
}

static void layers_made_one_must_hold_what_each_had(void **state)
{
    struct bench *bench = *state;

    add_bitmap(add_layer(&bench->before, "vda"), "chk1", 12);
    assert_vda_lost(bench, BF_E_COVERAGE_MISSING);
    arrived(bench)->dirty_bytes = (uint64_t)14 * GRANULARITY;
    assert_int_equal(judge(bench)->disks[0].proof, BF_PROOF_COVERS);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(the_same_bits_are_identical),
        TEST(a_guest_that_wrote_on_has_more),
        TEST(other_bits_of_a_guest_that_did_not_write_are_refused),
        TEST(fewer_bits_are_refused),
        TEST(a_bitmap_that_is_not_sound_is_refused),
        TEST(a_disk_of_another_size_is_refused),
        TEST(a_disk_that_stayed_behind_is_left_out),
        TEST(what_was_broken_before_stays_broken),
        TEST(what_nobody_saw_is_not_proven),
        TEST(all_disks_lost_is_dropped),
        TEST(a_layer_below_must_have_the_very_bits),
        TEST(a_top_layer_need_not_hold_what_is_below),
        TEST(layers_made_one_must_hold_what_each_had),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
