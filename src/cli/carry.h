/** From a source of bitmaps into an image: what `pull` and `restore` have in common.
 *
 *     look at the image -> plan -> carrier in the image's work folder -> bf_install() -> report
 *
 * The carrier is made in the image's size and granularity, and every bitmap is checked against the
 * digest that its source gave, before anything is installed: all of the plan or nothing.
 */
#ifndef CLI_CARRY_H
#define CLI_CARRY_H

#include "command.h"
#include "model/catalog.h"
#include "target.h"

/* The options of both, at the begin of their tables. */
enum bf_carry_option {
    BF_CARRY_INTO,
    BF_CARRY_DISK,
    BF_CARRY_BITMAP,
    BF_CARRY_AS,
    BF_CARRY_GRANULARITY,
    BF_CARRY_REPLACE,
    BF_CARRY_DRY_RUN,
    BF_CARRY_KEY_FILE,
    BF_NR_CARRY_OPTIONS,
};

/* clang-format off */
#define BF_CARRY_OPTIONS                                                                           \
    [BF_CARRY_INTO] = {.name = "into", .letter = 'i', .placeholder = "IMAGE",                      \
                       .kind = BF_ARGUMENT_FILE, .required = true,                                 \
                       .help = "the qcow2 image, not in use, that gets the bitmaps"},              \
    [BF_CARRY_DISK] = {.name = "disk", .letter = 'd', .placeholder = "NAME",                       \
                       .kind = BF_ARGUMENT_TEXT,                                                   \
                       .help = "the disk whose bitmaps are meant, if the source has several and "  \
                               "none is named like _IMAGE_"},                                      \
    [BF_CARRY_BITMAP] = {.name = "bitmap", .letter = 'b', .placeholder = "NAME",                   \
                         .kind = BF_ARGUMENT_TEXT, .repeatable = true,                             \
                         .help = "only this bitmap"},                                              \
    [BF_CARRY_AS] = {.name = "as", .placeholder = "NAME", .kind = BF_ARGUMENT_TEXT,                \
                     .help = "the name that the one chosen bitmap gets in _IMAGE_"},               \
    [BF_CARRY_GRANULARITY] = {.name = "granularity", .letter = 'g', .placeholder = "SIZE",         \
                              .kind = BF_ARGUMENT_TEXT,                                            \
                              .help = "give the bitmaps this granularity; they then cover at "     \
                                      "least what they covered"},                                  \
    [BF_CARRY_REPLACE] = {.name = "replace",                                                       \
                          .help = "overwrite bitmaps of the same name"},                           \
    [BF_CARRY_DRY_RUN] = {.name = "dry-run", .letter = 'n',                                        \
                          .help = "check everything, carry and change nothing"},                   \
    [BF_CARRY_KEY_FILE] = {.name = "key-file", .placeholder = "FILE", .kind = BF_ARGUMENT_FILE,    \
                           .help = "the passphrase of an encrypted _IMAGE_"}
/* clang-format on */

struct bf_carry_source {
    const struct bf_catalog *catalog; /* what there is, with digests */
    /** Where the bits of @disk are, and the name that it has there; both stay the source's. */
    int (*open)(void *ctx, const struct bf_catalog_disk *disk, struct bf_target **ret_target,
                const char **ret_disk, struct bf_error *err);
    void *ctx;
};

/** The whole command, with its report.  Returns its exit code, or a negative errno. */
int bf_carry(const struct bf_arguments *args, const struct bf_carry_source *source,
             struct bf_error *err);

#endif
