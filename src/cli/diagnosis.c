#include "diagnosis.h"

#include "base/cleanup.h"
#include "diagnosis_build.h"

#include <string.h>

const struct bf_coverage *bf_diagnosis_cell(const struct bf_diagnosis *diagnosis, size_t disk,
                                            size_t checkpoint)
{
    return &diagnosis->cells[disk * diagnosis->subject->checkpoints.nr_items + checkpoint];
}

int bf_diagnosis_add(struct bf_diagnosis *diagnosis, const struct bf_finding *finding,
                     struct bf_error *err)
{
    size_t nr_findings = diagnosis->nr_findings;
    struct bf_finding *findings =
        reallocarray(diagnosis->findings, nr_findings + 1, sizeof *findings);

    if (!findings)
        return bf_error_set(err, BF_E_NO_MEMORY, "out of memory");
    diagnosis->findings = findings;
    findings[nr_findings] = *finding;
    diagnosis->nr_findings++;
    return 0;
}

/* --- from the answers of model/coverage.h --- */

static enum bf_check check_of(enum bf_coverage_reason reason)
{
    static const enum bf_check checks[BF_NR_COVERAGE_REASONS] = {
        [BF_COVERAGE_DISK_UNSEEN] = BF_CHECK_DISK_SEEN,
        [BF_COVERAGE_DISK_INACTIVE] = BF_CHECK_DISK_ACTIVE,
        [BF_COVERAGE_DISK_NOT_IN_CHECKPOINT] = BF_CHECK_DISK_IN_CHECKPOINT,
        [BF_COVERAGE_CHECKPOINT_GONE] = BF_CHECK_CHAIN_WHOLE,
        [BF_COVERAGE_BITMAP_MISSING] = BF_CHECK_BITMAP_THERE,
        [BF_COVERAGE_BITMAP_INCONSISTENT] = BF_CHECK_BITMAP_CONSISTENT,
        [BF_COVERAGE_BITMAP_FROZEN] = BF_CHECK_BITMAP_RECORDING,
        [BF_COVERAGE_BITMAP_TRANSIENT] = BF_CHECK_BITMAP_PERSISTENT,
        [BF_COVERAGE_LAYER_GAP] = BF_CHECK_BITMAP_GAPLESS,
        [BF_COVERAGE_BITMAP_BUSY] = BF_CHECK_BITMAP_FREE,
    };

    return checks[reason];
}

static const char *detail_of(const struct bf_subject_disk *disk, enum bf_coverage_reason reason,
                             const struct bf_coverage *cell)
{
    const struct bf_catalog_bitmap *bitmap = NULL;

    if (disk->unusable != BF_COVERAGE_NONE)
        return disk->problem;
    if (reason == BF_COVERAGE_BITMAP_BUSY)
        return disk->holders;
    if (reason == BF_COVERAGE_BITMAP_INCONSISTENT)
        bitmap = bf_catalog_find_bitmap(&disk->layers.disks[cell->layer], cell->bitmap);
    return bitmap ? bitmap->problem : NULL;
}

/* One broken link makes several checkpoints full: they are one finding. */
static bool continues(const struct bf_finding *last, const struct bf_finding *next)
{
    return last->disk == next->disk && last->code == next->code &&
           last->checkpoint == next->checkpoint && last->layer == next->layer &&
           last->first_cell + last->nr_cells == next->first_cell;
}

static int add_cell(struct bf_diagnosis *diagnosis, const struct bf_subject_disk *disk,
                    size_t checkpoint, const struct bf_coverage *cell, struct bf_error *err)
{
    const struct bf_checkpoints *checkpoints = &diagnosis->subject->checkpoints;
    bool whole_disk = cell->checkpoint == BF_NO_CHECKPOINT;
    struct bf_finding finding = {
        .check = check_of(cell->reason),
        .severity = cell->reason == BF_COVERAGE_BITMAP_BUSY ? BF_SEVERITY_WAIT : BF_SEVERITY_FULL,
        .code = bf_coverage_reason_name(cell->reason),
        .text = bf_coverage_reason_text(cell->reason),
        .disk = disk,
        .checkpoint = whole_disk ? NULL : checkpoints->items[cell->checkpoint].name,
        .bitmap = cell->bitmap,
        .layer = cell->layer,
        .detail = detail_of(disk, cell->reason, cell),
        .first_cell = checkpoint,
        .nr_cells = 1,
    };
    struct bf_finding *last =
        diagnosis->nr_findings > 0 ? &diagnosis->findings[diagnosis->nr_findings - 1] : NULL;

    if (last && continues(last, &finding)) {
        last->nr_cells++;
        return 0;
    }
    return bf_diagnosis_add(diagnosis, &finding, err);
}

static int judge_disk(struct bf_diagnosis *diagnosis, size_t index, struct bf_error *err)
{
    const struct bf_subject *subject = diagnosis->subject;
    const struct bf_subject_disk *disk = &subject->disks[index];
    struct bf_coverage_disk wanted = bf_subject_coverage_disk(disk);
    int r = 0;

    for (size_t i = 0; r == 0 && i < subject->checkpoints.nr_items; i++) {
        struct bf_coverage *cell = &diagnosis->cells[diagnosis->nr_cells];

        r = bf_coverage_since(&subject->checkpoints, i, &wanted, cell, err);
        if (r < 0)
            break;
        diagnosis->nr_cells++;
        diagnosis->nr_incremental += cell->reason == BF_COVERAGE_NONE;
        if (cell->reason != BF_COVERAGE_NONE)
            r = add_cell(diagnosis, disk, i, cell, err);
    }
    return r;
}

int bf_diagnosis_make(const struct bf_subject *subject, struct bf_diagnosis *ret_diagnosis,
                      struct bf_error *err)
{
    struct bf_diagnosis diagnosis = {.subject = subject};
    int r = 0;

    diagnosis.cells =
        calloc(subject->nr_disks * subject->checkpoints.nr_items + 1, sizeof *diagnosis.cells);
    if (!diagnosis.cells)
        return bf_error_set(err, BF_E_NO_MEMORY, "out of memory");
    for (size_t i = 0; r == 0 && i < subject->nr_disks; i++) {
        r = judge_disk(&diagnosis, i, err);
        if (r == 0)
            r = bf_diagnosis_check_disk(&diagnosis, i, err);
    }
    if (r == 0)
        r = bf_diagnosis_check_whole(&diagnosis, err);
    if (r < 0)
        bf_diagnosis_release(&diagnosis);
    else
        *ret_diagnosis = diagnosis;
    return r;
}

void bf_diagnosis_release(struct bf_diagnosis *diagnosis)
{
    for (size_t i = 0; i < diagnosis->nr_cells; i++)
        bf_coverage_release(&diagnosis->cells[i]);
    free(diagnosis->cells);
    free(diagnosis->findings);
    *diagnosis = (struct bf_diagnosis){.nr_cells = 0};
}

int bf_diagnosis_exit(const struct bf_diagnosis *diagnosis)
{
    if (diagnosis->nr_incremental == 0)
        return BF_EXIT_NONE_CARRIED;
    return diagnosis->nr_incremental == diagnosis->nr_cells ? BF_EXIT_OK : BF_EXIT_SOME_DROPPED;
}

const char *bf_check_name(enum bf_check check)
{
    static const char *const names[] = {
#define BF_NAME(name, sentence) #name,
        BF_CHECKS(BF_NAME)
#undef BF_NAME
    };

    return names[check];
}

const char *bf_check_text(enum bf_check check)
{
    static const char *const texts[] = {
#define BF_TEXT(name, sentence) sentence,
        BF_CHECKS(BF_TEXT)
#undef BF_TEXT
    };

    return texts[check];
}

const char *bf_severity_name(enum bf_severity severity)
{
    static const char *const names[] = {
        [BF_SEVERITY_NOTE] = "note",
        [BF_SEVERITY_WARNING] = "warning",
        [BF_SEVERITY_WAIT] = "wait",
        [BF_SEVERITY_FULL] = "full",
    };

    return names[severity];
}
