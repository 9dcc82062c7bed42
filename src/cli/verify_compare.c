#include "verify_compare.h"

#include "interrupt.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *bf_verdict_name(enum bf_verdict verdict)
{
    static const char *const names[] = {
        [BF_VERDICT_EQUAL] = "equal",       [BF_VERDICT_SUPERSET] = "superset",
        [BF_VERDICT_MISSING] = "missing",   [BF_VERDICT_ABSENT] = "absent",
        [BF_VERDICT_UNUSABLE] = "unusable",
    };

    return names[verdict];
}

static int add_missing(void *ctx, const struct bf_extent *extent)
{
    struct bf_verify_result *result = ctx;

    result->nr_missing_ranges++;
    if (result->nr_missing < BF_VERIFY_RANGES_MAX)
        result->missing[result->nr_missing++] = *extent;
    return bf_interrupted();
}

static int compare_bits(const struct bf_bits *reference, const struct bf_bits *candidate,
                        struct bf_verify_result *result, struct bf_error *err)
{
    int ret;

    result->missing = calloc(BF_VERIFY_RANGES_MAX, sizeof *result->missing);
    if (!result->missing)
        return bf_error_set(err, BF_E_NO_MEMORY, "out of memory");
    ret = bf_bits_compare(reference, candidate, add_missing, result, &result->comparison, err);
    if (ret == 0)
        ret = bf_interrupt_check(err);
    if (ret < 0)
        return ret;
    switch (result->comparison.relation) {
    case BF_RELATION_EQUAL:
        result->verdict = BF_VERDICT_EQUAL;
        break;
    case BF_RELATION_SUPERSET:
        result->verdict = BF_VERDICT_SUPERSET;
        break;
    case BF_RELATION_MISSING:
        result->verdict = BF_VERDICT_MISSING;
        break;
    }
    return 0;
}

static int set_unusable(struct bf_verify_result *result, const char *where,
                        const struct bf_catalog_bitmap *bitmap)
{
    result->verdict = BF_VERDICT_UNUSABLE;
    (void)snprintf(result->problem, sizeof result->problem, "in the %s: %s", where,
                   bitmap->problem ? bitmap->problem : "inconsistent");
    return 0;
}

static int compare_bitmap(const struct bf_verify_request *request,
                          const struct bf_catalog_disk *candidate_disk,
                          const struct bf_catalog_bitmap *bitmap, struct bf_verify_result *result,
                          struct bf_error *err)
{
    const struct bf_catalog_bitmap *candidate = NULL;
    struct bf_bits reference_bits;
    struct bf_bits candidate_bits;
    int ret;

    if (candidate_disk)
        candidate = bf_catalog_find_bitmap(candidate_disk, result->candidate_bitmap);
    if (!candidate) {
        result->verdict = BF_VERDICT_ABSENT;
        (void)snprintf(result->problem, sizeof result->problem,
                       candidate_disk ? "the candidate has no such bitmap"
                                      : "the candidate has no such disk");
        return 0;
    }
    if (!bitmap->consistent)
        return set_unusable(result, "reference", bitmap);
    if (!candidate->consistent)
        return set_unusable(result, "candidate", candidate);
    ret = bf_target_bits(request->reference, result->disk, result->bitmap, &reference_bits, err);
    if (ret == 0)
        ret = bf_target_bits(request->candidate, result->candidate_disk, result->candidate_bitmap,
                             &candidate_bits, err);
    if (ret == 0)
        ret = compare_bits(&reference_bits, &candidate_bits, result, err);
    return ret;
}

/* The candidate's disk for @disk of the reference, or NULL. */
static const struct bf_catalog_disk *counterpart(const struct bf_verify_request *request,
                                                 const struct bf_catalog_disk *disk)
{
    const struct bf_catalog *reference = bf_target_catalog(request->reference);
    const struct bf_catalog *candidate = bf_target_catalog(request->candidate);

    if (request->as_disk)
        return bf_catalog_find_disk(candidate, request->as_disk);
    if (reference->nr_disks == 1 && candidate->nr_disks == 1)
        return &candidate->disks[0];
    return bf_catalog_find_disk(candidate, disk->name);
}

static size_t count_bitmaps(const struct bf_catalog *catalog)
{
    size_t nr = 0;

    for (size_t i = 0; i < catalog->nr_disks; i++)
        nr += catalog->disks[i].nr_bitmaps;
    return nr;
}

static int compare_disk(const struct bf_verify_request *request, const struct bf_catalog_disk *disk,
                        struct bf_verify_results *results, struct bf_error *err)
{
    const struct bf_catalog_disk *candidate = counterpart(request, disk);
    int ret = 0;

    for (size_t i = 0; ret == 0 && i < disk->nr_bitmaps; i++) {
        struct bf_verify_result *result = &results->results[results->nr_results++];

        result->disk = disk->name;
        result->bitmap = disk->bitmaps[i].name;
        result->candidate_disk = candidate ? candidate->name : NULL;
        result->candidate_bitmap = request->as ? request->as : disk->bitmaps[i].name;
        ret = compare_bitmap(request, candidate, &disk->bitmaps[i], result, err);
    }
    return ret;
}

int bf_verify_compare(const struct bf_verify_request *request,
                      struct bf_verify_results *ret_results, struct bf_error *err)
{
    const struct bf_catalog *catalog = bf_target_catalog(request->reference);
    int ret = 0;

    ret_results->results = calloc(count_bitmaps(catalog) + 1, sizeof *ret_results->results);
    if (!ret_results->results)
        return bf_error_set(err, BF_E_NO_MEMORY, "out of memory");
    for (size_t i = 0; ret == 0 && i < catalog->nr_disks; i++)
        ret = compare_disk(request, &catalog->disks[i], ret_results, err);
    return ret;
}

void bf_verify_results_release(struct bf_verify_results *results)
{
    for (size_t i = 0; i < results->nr_results; i++)
        free(results->results[i].missing);
    free(results->results);
    *results = (struct bf_verify_results){0};
}

int bf_verify_exit(const struct bf_verify_results *results)
{
    size_t nr_covered = 0;

    for (size_t i = 0; i < results->nr_results; i++) {
        switch (results->results[i].verdict) {
        case BF_VERDICT_MISSING:
            return bf_code_exit(BF_E_COVERAGE_MISSING);
        case BF_VERDICT_EQUAL:
        case BF_VERDICT_SUPERSET:
            nr_covered++;
            break;
        case BF_VERDICT_ABSENT:
        case BF_VERDICT_UNUSABLE:
            break;
        }
    }
    if (nr_covered == results->nr_results)
        return BF_EXIT_OK;
    return nr_covered > 0 ? BF_EXIT_SOME_DROPPED : BF_EXIT_NONE_CARRIED;
}
