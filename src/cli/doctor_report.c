#include "doctor_report.h"

#include "base/cleanup.h"
#include "doctor_table.h"
#include "prose.h"
#include "remedy.h"

#include <stdio.h>
#include <stdlib.h>

enum {
    INDENT = 2,
};

const char *bf_doctor_mark(const struct bf_screen *screen, bool good)
{
    if (!screen->utf8)
        return good ? "+" : "-";
    return good ? "\xe2\x9c\x93" : "\xe2\x9c\x97";
}

static const char *severity_colour(enum bf_severity severity)
{
    return severity == BF_SEVERITY_FULL   ? "\033[31m"
           : severity == BF_SEVERITY_NOTE ? ""
                                          : "\033[33m";
}

static const char *coloured(const struct bf_doctor_report *report, const char *code)
{
    return report->screen.colour ? code : "";
}

/* Text from outside; what cannot be shown is escaped. */
static void put(const char *text)
{
    BF_CLEANUP(bf_freep) char *escaped = bf_escape(text);

    (void)fputs(escaped ? escaped : "?", stdout);
}

/* --- who was looked at --- */

const char *bf_subject_origin_name(enum bf_subject_origin origin)
{
    switch (origin) {
    case BF_SUBJECT_BY_LIBVIRT:
        return "libvirt";
    case BF_SUBJECT_BY_FILE:
        return "file";
    case BF_SUBJECT_BY_NAMES:
        break;
    }
    return "names";
}

static const char *origin_text(const struct bf_subject *subject)
{
    bool links = subject->checkpoints.style == BF_CHAIN_LINKS;

    switch (subject->origin) {
    case BF_SUBJECT_BY_LIBVIRT:
        return "libvirt's";
    case BF_SUBJECT_BY_FILE:
        return links ? "a chain of links, as described" : "nested, as described";
    case BF_SUBJECT_BY_NAMES:
        break;
    }
    return "by the names of its persistent bitmaps, as nobody says more: see --checkpoints";
}

static void print_head(const struct bf_doctor_report *report)
{
    const struct bf_subject *subject = report->diagnosis->subject;
    size_t nr_checkpoints = subject->checkpoints.nr_items;

    (void)fputs(coloured(report, "\033[1m"), stdout);
    put(subject->title);
    (void)printf("%s: %zu disk%s, %zu checkpoint%s (%s)\n", coloured(report, "\033[0m"),
                 subject->nr_disks, subject->nr_disks == 1 ? "" : "s", nr_checkpoints,
                 nr_checkpoints == 1 ? "" : "s", origin_text(subject));
}

/* --- what was found --- */

static const char *verdict(enum bf_severity severity)
{
    switch (severity) {
    case BF_SEVERITY_FULL:
        return "full";
    case BF_SEVERITY_WAIT:
        return "not now";
    case BF_SEVERITY_WARNING:
        return "warning";
    case BF_SEVERITY_NOTE:
        break;
    }
    return "note";
}

/* "vda since chk1 and 2 more", "vda, bitmap b" */
static void print_about(const struct bf_doctor_report *report, const struct bf_finding *finding)
{
    const struct bf_checkpoints *checkpoints = &report->diagnosis->subject->checkpoints;

    put(finding->disk ? finding->disk->name : report->diagnosis->subject->title);
    if (finding->nr_cells > 0) {
        (void)fputs(" since ", stdout);
        put(checkpoints->items[finding->first_cell].name);
    }
    if (finding->nr_cells > 1) {
        (void)fputs(" ... ", stdout);
        put(checkpoints->items[finding->first_cell + finding->nr_cells - 1].name);
    }
    if (finding->bitmap) {
        (void)fputs(", bitmap ", stdout);
        put(finding->bitmap);
    }
    if (finding->disk && finding->bitmap && finding->disk->layers.nr_disks > 1) {
        (void)fputs(" of ", stdout);
        put(finding->disk->images[finding->layer].file);
    }
}

static int print_remedy(const struct bf_doctor_report *report, const struct bf_finding *finding,
                        struct bf_error *err)
{
    struct bf_remedy remedy;
    int r = bf_remedy_find(report->diagnosis->subject, finding, &remedy, err);

    if (r < 0)
        return r;
    (void)printf("%*sRemedy: ", 2 * INDENT, "");
    bf_prose_plain(stdout, remedy.text, (size_t)2 * INDENT + 8, report->screen.columns);
    for (size_t i = 0; i < remedy.nr_commands; i++) {
        (void)printf("%*s", 3 * INDENT, "");
        put(remedy.commands[i]);
        (void)putchar('\n');
    }
    bf_remedy_release(&remedy);
    return 0;
}

static int print_finding(const struct bf_doctor_report *report, const struct bf_finding *finding,
                         struct bf_error *err)
{
    (void)printf("  %s%s%s ", coloured(report, severity_colour(finding->severity)),
                 finding->severity == BF_SEVERITY_NOTE ? "."
                                                       : bf_doctor_mark(&report->screen, false),
                 coloured(report, "\033[0m"));
    print_about(report, finding);
    (void)printf(": %s, %s\n%*s", verdict(finding->severity), finding->code, 2 * INDENT, "");
    bf_prose_plain(stdout, finding->text, (size_t)2 * INDENT, report->screen.columns);
    if (finding->detail) {
        (void)printf("%*s(", 2 * INDENT, "");
        put(finding->detail);
        (void)puts(")");
    }
    return print_remedy(report, finding, err);
}

static int print_findings(const struct bf_doctor_report *report, struct bf_error *err)
{
    const struct bf_diagnosis *diagnosis = report->diagnosis;
    int r = 0;

    if (diagnosis->nr_findings > 0)
        (void)puts("\nFound:");
    for (size_t i = 0; r == 0 && i < diagnosis->nr_findings; i++)
        r = print_finding(report, &diagnosis->findings[i], err);
    return r;
}

/* --- what was checked --- */

static void print_checks(const struct bf_doctor_report *report)
{
    const struct bf_diagnosis *diagnosis = report->diagnosis;

    (void)puts("\nChecked:");
    for (int i = 0; i < BF_NR_CHECKS; i++) {
        size_t nr_done = diagnosis->checks[i].nr_done;
        size_t nr_failed = diagnosis->checks[i].nr_failed;
        bool good = nr_failed == 0;

        if (nr_done == 0)
            continue;
        (void)printf("  %s%s%s %s: %zu of %zu\n", coloured(report, good ? "\033[32m" : "\033[31m"),
                     bf_doctor_mark(&report->screen, good), coloured(report, "\033[0m"),
                     bf_check_text((enum bf_check)i), nr_done - nr_failed, nr_done);
    }
}

int bf_doctor_print(const struct bf_diagnosis *diagnosis, struct bf_error *err)
{
    struct bf_doctor_report report = {.diagnosis = diagnosis, .screen = bf_screen_of(stdout)};
    int r;

    print_head(&report);
    r = bf_doctor_print_table(&report, err);
    if (r == 0)
        r = print_findings(&report, err);
    if (r < 0)
        return r;
    print_checks(&report);
    return bf_output_finish(err);
}
