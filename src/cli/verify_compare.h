/** What `bitferry verify` finds out. */
#ifndef CLI_VERIFY_COMPARE_H
#define CLI_VERIFY_COMPARE_H

#include "model/compare.h"
#include "target.h"

enum {
    BF_VERIFY_RANGES_MAX = 10000, /* listed of one bitmap; all are counted */
};

enum bf_verdict {
    BF_VERDICT_EQUAL,
    BF_VERDICT_SUPERSET,
    BF_VERDICT_MISSING,
    BF_VERDICT_ABSENT,   /* the candidate has no such bitmap */
    BF_VERDICT_UNUSABLE, /* one of the two is inconsistent */
};

struct bf_verify_result {
    const char *disk, *bitmap;                     /* of the reference; borrowed from the targets */
    const char *candidate_disk, *candidate_bitmap; /* NULL disk: there is none */
    enum bf_verdict verdict;
    struct bf_comparison comparison; /* of the first three verdicts */
    struct bf_extent *missing;       /* owned; the first BF_VERIFY_RANGES_MAX */
    size_t nr_missing;
    uint64_t nr_missing_ranges; /* all of them */
    char problem[400];          /* of the last two verdicts */
};

struct bf_verify_results {
    struct bf_verify_result *results; /* owned */
    size_t nr_results;
};

struct bf_verify_request {
    struct bf_target *reference;
    struct bf_target *candidate;
    const char *as;      /* NULL: the bitmap has the same name in the candidate */
    const char *as_disk; /* NULL: so has the disk, or each has but one */
};

/** One result for each bitmap in the catalog of the reference.  Release @ret_results after a
 * failure too. */
int bf_verify_compare(const struct bf_verify_request *request,
                      struct bf_verify_results *ret_results, struct bf_error *err);

void bf_verify_results_release(struct bf_verify_results *results);

/** "equal", "superset", "missing", "absent", "unusable" */
const char *bf_verdict_name(enum bf_verdict verdict);

/** MISSING: BF_EXIT_INTEGRITY; some or all not comparable: SOME_DROPPED, NONE_CARRIED; else OK. */
int bf_verify_exit(const struct bf_verify_results *results);

#endif
