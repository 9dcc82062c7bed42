#include "migrate_judge.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void decide(struct bf_verdict_disk *disk, enum bf_proof proof, enum bf_code reason,
                   const char *format, ...) __attribute__((format(printf, 4, 5)));

static void decide(struct bf_verdict_disk *disk, enum bf_proof proof, enum bf_code reason,
                   const char *format, ...)
{
    va_list list;

    disk->proof = proof;
    disk->reason = reason;
    va_start(list, format);
    (void)vsnprintf(disk->why, sizeof disk->why, format, list);
    va_end(list);
}

static void accept(struct bf_verdict_disk *disk, enum bf_proof proof, const char *by)
{
    decide(disk, proof, BF_E_NONE, "%s", "");
    (void)snprintf(disk->by, sizeof disk->by, "%s", by);
}

static bool same_bits(const struct bf_look_bitmap *one, const struct bf_look_bitmap *other)
{
    return one->digested && other->digested && one->granularity_bytes == other->granularity_bytes &&
           memcmp(one->sha256, other->sha256, BF_SHA256_BYTES) == 0;
}

/* libvirt's own rule: persistent, recording, consistent. */
static bool is_sound(struct bf_verdict_disk *disk, const struct bf_look_bitmap *found)
{
    if (!found)
        decide(disk, BF_PROOF_NONE, BF_E_BITMAP_NOT_FOUND, "its bitmap is not there");
    else if (!found->consistent)
        decide(disk, BF_PROOF_NONE, BF_E_BITMAP_INCONSISTENT, "its bitmap is inconsistent");
    else if (!found->recording || !found->persistent)
        decide(disk, BF_PROOF_NONE, BF_E_COVERAGE_MISSING, "its bitmap is %s",
               found->recording ? "transient" : "frozen");
    else
        return true;
    return false;
}

/* Layers below the top do not change: what was recorded there must be there, bit by bit. */
static bool below_is_equal(struct bf_verdict_disk *disk, const struct bf_look_disk *before,
                           const struct bf_look_disk *after)
{
    for (size_t i = 1; i < before->nr_layers; i++) {
        const struct bf_look_bitmap *had = bf_look_find_bitmap(&before->layers[i], disk->bitmap);
        const struct bf_look_bitmap *has =
            i < after->nr_layers ? bf_look_find_bitmap(&after->layers[i], disk->bitmap) : NULL;

        if (!had) /* the chain of its bitmaps ends above */
            return true;
        if (!has || !has->consistent || !same_bits(had, has)) {
            decide(disk, BF_PROOF_NONE, BF_E_COVERAGE_MISSING,
                   "what was recorded in the layer %s is not there", before->layers[i].path);
            return false;
        }
    }
    return true;
}

/* Of layers that libvirt put into one, none had more than the union has; else the top one counts.
 */
static bool holds_no_less(const struct bf_verdict_disk *disk, const struct bf_look_disk *before,
                          bool flattened)
{
    const struct bf_look_bitmap *found = disk->found;

    for (size_t i = 0; i < (flattened ? before->nr_layers : 1); i++) {
        const struct bf_look_bitmap *had = bf_look_find_bitmap(&before->layers[i], disk->bitmap);

        if (!had)
            break;
        if (found->dirty_bytes < had->dirty_bytes)
            return false;
    }
    return true;
}

static void judge_bits(struct bf_verdict_disk *disk, const struct bf_look_disk *before,
                       const struct bf_look_disk *after, bool quiet)
{
    const struct bf_look_bitmap *had = bf_look_find_bitmap(&before->layers[0], disk->bitmap);
    bool flattened = before->nr_layers > 1 && after->nr_layers == 1;

    if (!had || !had->consistent)
        decide(disk, BF_PROOF_NONE, BF_E_COVERAGE_MISSING, "it was broken at the source already");
    else if (before->layers[0].size_bytes != after->layers[0].size_bytes)
        decide(disk, BF_PROOF_NONE, BF_E_SIZE_MISMATCH, "the disk has another size");
    else if (!flattened && !below_is_equal(disk, before, after))
        return;
    else if (!flattened && same_bits(had, disk->found))
        accept(disk, BF_PROOF_IDENTICAL, "digest");
    else if (!flattened && quiet)
        decide(disk, BF_PROOF_NONE, BF_E_DIGEST_MISMATCH,
               "its bits are not the source's, although the guest did not write");
    else if (!holds_no_less(disk, before, flattened))
        decide(disk, BF_PROOF_NONE, BF_E_COVERAGE_MISSING, "its bitmap holds less than before");
    else
        accept(disk, BF_PROOF_COVERS, "count");
}

static void judge_disk(struct bf_verdict_disk *disk, const struct bf_look *before,
                       const struct bf_look *after)
{
    const struct bf_look_disk *was = bf_look_find_disk(before, disk->target);
    const struct bf_look_disk *is = bf_look_find_disk(after, disk->target);

    if (!is) {
        decide(disk, BF_PROOF_NONE, BF_E_NOT_FOUND, "the domain has no such disk there");
    } else if (!is->seen) {
        decide(disk, BF_PROOF_UNSEEN, BF_E_NONE, "%s", is->problem ? is->problem : "not looked at");
    } else if (!was || !was->seen) {
        decide(disk, BF_PROOF_UNSEEN, BF_E_NONE, "it was not seen at the source: %s",
               was && was->problem ? was->problem : "not looked at");
    } else {
        disk->found = bf_look_find_bitmap(&is->layers[0], disk->bitmap);
        if (is_sound(disk, disk->found))
            judge_bits(disk, was, is, before->quiet && after->quiet);
    }
}

static void conclude(struct bf_verdict *verdict)
{
    size_t nr_proven = 0;
    size_t nr_unseen = 0;
    const struct bf_verdict_disk *first = NULL;

    for (size_t i = 0; i < verdict->nr_disks; i++) {
        const struct bf_verdict_disk *disk = &verdict->disks[i];

        nr_unseen += disk->proof == BF_PROOF_UNSEEN;
        if (disk->proof == BF_PROOF_COVERS || disk->proof == BF_PROOF_IDENTICAL)
            nr_proven++;
        else if (!first || disk->proof == BF_PROOF_UNSEEN)
            first = disk;
    }
    if (nr_unseen > 0)
        verdict->fate = BF_VERDICT_UNPROVEN;
    else if (nr_proven == 0)
        verdict->fate = BF_VERDICT_DROPPED;
    else
        verdict->fate = nr_proven < verdict->nr_disks ? BF_VERDICT_PARTLY : BF_VERDICT_REDEFINED;
    if (first) {
        verdict->reason = first->reason;
        (void)snprintf(verdict->why, sizeof verdict->why, "disk %s: %s", first->target, first->why);
    } else if (verdict->nr_disks == 0) {
        verdict->reason = BF_E_INVALID;
        (void)snprintf(verdict->why, sizeof verdict->why, "it has no disk");
    }
}

static int judge_one(struct bf_verdict *verdict, const struct bf_virt_checkpoint *checkpoint,
                     const struct bf_look *before, const struct bf_look *after,
                     struct bf_error *err)
{
    verdict->checkpoint = checkpoint;
    verdict->disks = calloc(checkpoint->nr_disks + 1, sizeof *verdict->disks);
    if (!verdict->disks)
        return bf_error_set(err, BF_E_NO_MEMORY, "out of memory");
    for (size_t i = 0; i < checkpoint->nr_disks; i++) {
        struct bf_verdict_disk *disk = &verdict->disks[verdict->nr_disks++];

        disk->target = checkpoint->disks[i].target;
        disk->bitmap = checkpoint->disks[i].bitmap;
        judge_disk(disk, before, after);
    }
    conclude(verdict);
    return 0;
}

int bf_judge(const struct bf_virt_checkpoints *checkpoints, const struct bf_look *before,
             const struct bf_look *after, struct bf_verdicts *ret_verdicts, struct bf_error *err)
{
    struct bf_verdicts verdicts = {.items =
                                       calloc(checkpoints->nr_items + 1, sizeof *verdicts.items)};
    int r = verdicts.items ? 0 : bf_error_set(err, BF_E_NO_MEMORY, "out of memory");

    for (size_t i = 0; r == 0 && i < checkpoints->nr_items; i++)
        r = judge_one(&verdicts.items[verdicts.nr_items++], &checkpoints->items[i], before, after,
                      err);
    if (r < 0)
        bf_verdicts_release(&verdicts);
    else
        *ret_verdicts = verdicts;
    return r;
}

void bf_verdicts_release(struct bf_verdicts *verdicts)
{
    for (size_t i = 0; i < verdicts->nr_items; i++)
        free(verdicts->items[i].disks);
    free(verdicts->items);
    *verdicts = (struct bf_verdicts){.nr_items = 0};
}

const char *bf_verdict_fate_name(enum bf_verdict_fate fate)
{
    static const char *const names[] = {
        [BF_VERDICT_REDEFINED] = "REDEFINED",
        [BF_VERDICT_PARTLY] = "PARTLY",
        [BF_VERDICT_METADATA_MISSING] = "METADATA_MISSING",
        [BF_VERDICT_UNPROVEN] = "UNPROVEN",
        [BF_VERDICT_DROPPED] = "DROPPED",
    };

    return names[fate];
}

int bf_verdicts_exit(const struct bf_verdicts *verdicts)
{
    size_t nr_whole = 0;
    size_t nr_lost = 0;

    for (size_t i = 0; i < verdicts->nr_items; i++) {
        nr_whole += verdicts->items[i].fate == BF_VERDICT_REDEFINED;
        nr_lost += verdicts->items[i].fate == BF_VERDICT_DROPPED ||
                   verdicts->items[i].fate == BF_VERDICT_UNPROVEN;
    }
    if (nr_whole == verdicts->nr_items)
        return BF_EXIT_OK;
    return nr_lost == verdicts->nr_items ? BF_EXIT_NONE_CARRIED : BF_EXIT_SOME_DROPPED;
}
