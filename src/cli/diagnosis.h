/** Will the next backup of each disk since each checkpoint be incremental?  What was checked, what
 *  was found, and what mends it.  Reads a subject, changes nothing. */
#ifndef CLI_DIAGNOSIS_H
#define CLI_DIAGNOSIS_H

#include "subject.h"

/** X(NAME, sentence).  Stable codes. */
#define BF_CHECKS(X)                                                                               \
    X(DISK_SEEN, "the bitmaps of the disk can be looked at")                                       \
    X(DISK_ACTIVE, "QEMU has loaded the bitmaps of the disk")                                      \
    X(DISK_STORES, "the image of the disk can store bitmaps")                                      \
    X(CHAIN_WHOLE, "each checkpoint follows the one before")                                       \
    X(DISK_IN_CHECKPOINT, "the disk was part of the checkpoint")                                   \
    X(DISK_STILL_THERE, "the disk of the checkpoint is still there")                               \
    X(BITMAP_THERE, "the checkpoint's bitmap is on the disk")                                      \
    X(BITMAP_CONSISTENT, "the bitmap is consistent")                                               \
    X(BITMAP_GAPLESS, "the bitmap is on the images from the top down, without a gap")              \
    X(BITMAP_RECORDING, "the bitmap records")                                                      \
    X(BITMAP_PERSISTENT, "the bitmap is persistent")                                               \
    X(BITMAP_FREE, "no backup, export or migration holds the bitmap")                              \
    X(BITMAP_KNOWN, "the persistent bitmap belongs to a checkpoint")                               \
    X(MIGRATION_CLEAN, "no failed migration has left bitmaps that QEMU will not store")

enum bf_check {
#define BF_ENUM(name, sentence) BF_CHECK_##name,
    BF_CHECKS(BF_ENUM)
#undef BF_ENUM
        BF_NR_CHECKS
};

enum bf_severity {
    BF_SEVERITY_NOTE,    /* nothing is lost */
    BF_SEVERITY_WARNING, /* incremental now, but it will not stay so */
    BF_SEVERITY_WAIT,    /* not now, but when what holds the bitmap has ended */
    BF_SEVERITY_FULL,    /* a full backup is needed */
};

struct bf_finding {
    enum bf_check check;
    enum bf_severity severity;
    const char *code; /* static: a reason of model/coverage.h, or the like */
    const char *text; /* static, a sentence without its full stop */
    /* What it is about; borrowed, NULL where it is about nothing of that kind. */
    const struct bf_subject_disk *disk;
    const char *checkpoint;
    const char *bitmap;
    size_t layer;
    const char *detail; /* borrowed, or NULL */
    size_t first_cell;  /* the checkpoints since which it makes the backup full, */
    size_t nr_cells;    /* in a row */
};

struct bf_diagnosis {
    const struct bf_subject *subject; /* borrowed */
    struct bf_coverage *cells;        /* by disk, then by checkpoint */
    size_t nr_incremental;
    size_t nr_cells;
    struct {
        size_t nr_done;
        size_t nr_failed;
    } checks[BF_NR_CHECKS];
    struct bf_finding *findings;
    size_t nr_findings;
};

/** @subject must outlive it.  Errors: NO_MEMORY. */
int bf_diagnosis_make(const struct bf_subject *subject, struct bf_diagnosis *ret_diagnosis,
                      struct bf_error *err);
void bf_diagnosis_release(struct bf_diagnosis *diagnosis);

const struct bf_coverage *bf_diagnosis_cell(const struct bf_diagnosis *diagnosis, size_t disk,
                                            size_t checkpoint);

/** 0: all incremental.  SOME_DROPPED: some.  NONE_CARRIED: none, or there is no checkpoint. */
int bf_diagnosis_exit(const struct bf_diagnosis *diagnosis);

const char *bf_check_name(enum bf_check check);
const char *bf_check_text(enum bf_check check);
const char *bf_severity_name(enum bf_severity severity);

#endif
