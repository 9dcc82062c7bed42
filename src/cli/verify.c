/** `bitferry verify`: does one bitmap cover another? */
#include "archive_folder.h"
#include "commands.h"
#include "options.h"
#include "output.h"
#include "target.h"
#include "verify_archive.h"
#include "verify_compare.h"
#include "verify_report.h"

#include <stdlib.h>

enum {
    OPT_DISK,
    OPT_BITMAP,
    OPT_AS,
    OPT_AS_DISK,
    OPT_FORCE_SHARE,
    OPT_TLS,
    OPT_DEADLINE,
    NR_OPTIONS,
};

static const struct bf_option options[NR_OPTIONS] = {
    [OPT_DISK] = BF_OPTION_DISK,
    [OPT_BITMAP] = BF_OPTION_BITMAP,
    [OPT_AS] = {.name = "as",
                .placeholder = "NAME",
                .kind = BF_ARGUMENT_TEXT,
                .help = "the name that the bitmap has in B (the same as in A)"},
    [OPT_AS_DISK] = {.name = "as-disk",
                     .placeholder = "NAME",
                     .kind = BF_ARGUMENT_TEXT,
                     .help = "the name that the disk has in B (the same, or whatever it is if both "
                             "sides have but one disk)"},
    [OPT_FORCE_SHARE] = BF_OPTION_FORCE_SHARE,
    [OPT_TLS] = BF_OPTION_TLS,
    [OPT_DEADLINE] = BF_OPTION_DEADLINE,
};

static const char description[] =
    "Compares bitmaps bit by bit. _A_ is the reference: what must be covered. _B_ is the "
    "candidate. The result for each bitmap of _A_ is *equal*; *superset* (_B_ covers all of it "
    "and more, which costs time in the next backup and nothing else); *missing* (blocks are "
    "dirty in _A_ and clean in _B_: a backup by _B_ would lose data; the ranges are listed); "
    "*absent* (_B_ has no such bitmap: the next backup has to be a full one); or *unusable* (one "
    "of the two is inconsistent). Granularities and disk sizes may differ.\n\n"
    "The exit status is 0 if all are equal or superset, 14 if any is *missing*, else 3 or 4 if "
    "some or all could not be compared.\n\n"
    "An archive alone (see *archive*) is proven: every file against its checksum, and every "
    "bitmap's bits against the digest in the manifest. The exit status is 14 if anything is not "
    "what "
    "was put there.\n\n"
    "With *--json*: {\"schema\": 1, \"covered\", \"bitmaps\": [{\"disk\", \"bitmap\", "
    "\"candidate_disk\", \"candidate_bitmap\", \"result\", \"missing_bytes\", \"extra_bytes\", "
    "\"nr_missing_ranges\", \"missing\": [{\"offset_bytes\", \"length_bytes\"}]}]}; at most "
    "10000 ranges a bitmap are listed.";

static const char examples[] =
    "bitferry verify nbd://source.example/ copy.qcow2\n"
    "Do the bitmaps of the copy cover those of the source?\n"
    "bitferry verify before.qcow2 after.qcow2 --bitmap monday --as monday-restored\n"
    "Compare two bitmaps of different names.\n"
    "bitferry verify /backup/monday\n"
    "Is the archive still what it was?\n";

static int open_target(const struct bf_arguments *args, const char *text,
                       struct bf_target **ret_target, struct bf_error *err)
{
    struct bf_target_options target_options = {
        .args = args,
        .tls_certificates = bf_option_value(args, OPT_TLS),
        .force_share = bf_option_given(args, OPT_FORCE_SHARE),
    };
    int ret = bf_option_deadline(args, OPT_DEADLINE, &target_options.deadline_ms, err);

    return ret < 0 ? ret : bf_target_open(text, &target_options, ret_target, err);
}

/* --as and --as-disk rename one thing, so there must be one. */
static int check_choice(const struct bf_arguments *args, const struct bf_catalog *reference,
                        struct bf_error *err)
{
    size_t nr_bitmaps = 0;

    for (size_t i = 0; i < reference->nr_disks; i++)
        nr_bitmaps += reference->disks[i].nr_bitmaps;
    if (nr_bitmaps == 0)
        return bf_error_set(err, BF_E_BITMAP_NOT_FOUND, "'%.300s' has no bitmap to compare with",
                            args->operands[0]);
    if (bf_option_given(args, OPT_AS) && nr_bitmaps != 1)
        return bf_error_set(
            err, BF_E_USAGE,
            "verify: --as is for one bitmap, and here are %zu: choose with --bitmap and --disk",
            nr_bitmaps);
    if (bf_option_given(args, OPT_AS_DISK) && reference->nr_disks != 1)
        return bf_error_set(
            err, BF_E_USAGE,
            "verify: --as-disk is for one disk, and here are %zu: choose with --disk",
            reference->nr_disks);
    return 0;
}

static int report(const struct bf_arguments *args, const struct bf_verify_results *results,
                  struct bf_error *err)
{
    int ret =
        args->json ? bf_print_json(bf_verify_to_json(results), err) : bf_verify_print(results, err);

    return ret < 0 ? ret : bf_verify_exit(results);
}

static int compare(const struct bf_arguments *args, struct bf_error *err)
{
    BF_CLEANUP(bf_target_freep) struct bf_target *reference = NULL;
    BF_CLEANUP(bf_target_freep) struct bf_target *candidate = NULL;
    BF_CLEANUP(bf_verify_results_release) struct bf_verify_results results = {0};
    struct bf_verify_request request = {
        .as = bf_option_value(args, OPT_AS),
        .as_disk = bf_option_value(args, OPT_AS_DISK),
    };
    int ret = open_target(args, args->operands[0], &reference, err);

    if (ret == 0)
        ret = open_target(args, args->operands[1], &candidate, err);
    if (ret == 0)
        ret =
            bf_target_select(reference, &args->options[OPT_DISK], &args->options[OPT_BITMAP], err);
    if (ret == 0)
        ret = check_choice(args, bf_target_catalog(reference), err);
    if (ret < 0)
        return ret;
    request.reference = reference;
    request.candidate = candidate;
    ret = bf_verify_compare(&request, &results, err);
    return ret < 0 ? ret : report(args, &results, err);
}

static int run(const struct bf_arguments *args, struct bf_error *err)
{
    if (args->nr_operands == 2)
        return compare(args, err);
    if (!bf_is_archive(args->operands[0]))
        return bf_error_set(
            err, BF_E_USAGE,
            "verify: '%.300s' is no archive, so it needs another one to be compared "
            "with: verify A B",
            args->operands[0]);
    return bf_verify_archive(args, args->operands[0], err);
}

const struct bf_command bf_verify_command = {
    .name = "verify",
    .summary = "Tell whether the bitmaps of B cover those of A, or prove an archive",
    .operands = "A [B]",
    .operand_kind = BF_ARGUMENT_FILE,
    .min_operands = 1,
    .max_operands = 2,
    .options = options,
    .nr_options = NR_OPTIONS,
    .description = description,
    .examples = examples,
    .run = run,
};
