#include "doctor_table.h"

#include "base/cleanup.h"
#include "base/text.h"
#include "table.h"

#include <stdio.h>

enum {
    INDENT = 2,
    CELL_MAX = 64,
    NR_HEAD_COLUMNS = 2, /* SINCE and MADE */
};

static void cell_text(const struct bf_doctor_report *report, size_t disk, size_t checkpoint,
                      char buf[CELL_MAX])
{
    const struct bf_diagnosis *diagnosis = report->diagnosis;
    const struct bf_coverage *cell = bf_diagnosis_cell(diagnosis, disk, checkpoint);
    struct bf_coverage_disk looked = bf_subject_coverage_disk(&diagnosis->subject->disks[disk]);
    bool single = cell->nr_parts == 1;
    char size[BF_SIZE_TEXT_MAX];
    uint64_t max_bytes;

    if (cell->reason == BF_COVERAGE_BITMAP_BUSY)
        (void)snprintf(buf, CELL_MAX, "%s not now: %s", bf_doctor_mark(&report->screen, false),
                       bf_coverage_reason_name(cell->reason));
    else if (cell->reason != BF_COVERAGE_NONE)
        (void)snprintf(buf, CELL_MAX, "%s full: %s", bf_doctor_mark(&report->screen, false),
                       bf_coverage_reason_name(cell->reason));
    else if (bf_coverage_dirty_bytes(cell, &looked, &max_bytes))
        (void)snprintf(buf, CELL_MAX, "%s incremental, %s%s", bf_doctor_mark(&report->screen, true),
                       single ? "" : "at most ", bf_size_text(max_bytes, size));
    else
        (void)snprintf(buf, CELL_MAX, "%s incremental", bf_doctor_mark(&report->screen, true));
}

/* How many of the disks from @first on have room beside each other. */
static size_t fit_disks(const struct bf_doctor_report *report, size_t first)
{
    const struct bf_subject *subject = report->diagnosis->subject;
    size_t columns = INDENT + 16;
    size_t nr = 0;

    for (size_t i = 0; i < subject->checkpoints.nr_items; i++) {
        size_t width = bf_text_columns(subject->checkpoints.items[i].name) + INDENT + 18;

        columns = width > columns ? width : columns;
    }
    while (first + nr < subject->nr_disks && nr < BF_TABLE_COLUMNS_MAX - NR_HEAD_COLUMNS) {
        size_t widest = 0;

        for (size_t i = 0; i < subject->checkpoints.nr_items; i++) {
            char cell[CELL_MAX];

            cell_text(report, first + nr, i, cell);
            widest = bf_text_columns(cell) > widest ? bf_text_columns(cell) : widest;
        }
        columns += widest + 2;
        if (nr > 0 && columns > report->screen.columns)
            break;
        nr++;
    }
    return nr;
}

static int add_row(const struct bf_doctor_report *report, size_t first, size_t nr,
                   size_t checkpoint, struct bf_table *table, struct bf_error *err)
{
    const struct bf_checkpoint *item = &report->diagnosis->subject->checkpoints.items[checkpoint];
    BF_CLEANUP(bf_freep) char *name = bf_escape(item->name);
    char made[BF_SUBJECT_TIME_MAX];
    char texts[BF_TABLE_COLUMNS_MAX][CELL_MAX];
    const char *cells[BF_TABLE_COLUMNS_MAX] = {name, made};

    if (!name)
        return bf_error_set(err, BF_E_NO_MEMORY, "out of memory");
    (void)bf_subject_time_text(item, made);
    for (size_t i = 0; i < nr; i++) {
        cell_text(report, first + i, checkpoint, texts[i]);
        cells[NR_HEAD_COLUMNS + i] = texts[i];
    }
    return bf_table_add(table, cells, NULL, err);
}

static int print_disks(const struct bf_doctor_report *report, size_t first, size_t nr,
                       struct bf_error *err)
{
    const struct bf_subject *subject = report->diagnosis->subject;
    struct bf_table table = {.nr_columns = NR_HEAD_COLUMNS + nr};
    char *names[BF_TABLE_COLUMNS_MAX] = {NULL};
    const char *head[BF_TABLE_COLUMNS_MAX] = {"SINCE", "MADE"};
    int r = 0;

    for (size_t i = 0; i < nr; i++) {
        names[i] = bf_escape(subject->disks[first + i].name);
        head[NR_HEAD_COLUMNS + i] = names[i] ? names[i] : "?";
    }
    r = bf_table_add(&table, head, NULL, err);
    for (size_t i = 0; r == 0 && i < subject->checkpoints.nr_items; i++)
        r = add_row(report, first, nr, i, &table, err);
    if (r == 0)
        bf_table_print(&table, INDENT, report->screen.colour, stdout);
    bf_table_release(&table);
    for (size_t i = 0; i < nr; i++)
        free(names[i]);
    return r;
}

int bf_doctor_print_table(const struct bf_doctor_report *report, struct bf_error *err)
{
    const struct bf_subject *subject = report->diagnosis->subject;
    size_t nr = 0;
    int r = 0;

    if (subject->checkpoints.nr_items == 0) {
        (void)puts("\n  There is no checkpoint: the next backup is a full one.");
        return 0;
    }
    for (size_t first = 0; r == 0 && first < subject->nr_disks; first += nr) {
        (void)putchar('\n');
        nr = fit_disks(report, first);
        r = print_disks(report, first, nr, err);
    }
    return r;
}
