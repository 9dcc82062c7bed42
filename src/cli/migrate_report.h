/** What became of the checkpoints, for people and as JSON. */
#ifndef CLI_MIGRATE_REPORT_H
#define CLI_MIGRATE_REPORT_H

#include "migrate_judge.h"

#include <jansson.h>

struct bf_report {
    const struct bf_verdicts *verdicts;
    const char *retry; /* the command that finishes what can be finished; NULL: nothing */
};

/** The table, and below it what was lost and how it is mended. */
int bf_report_print(const struct bf_report *report, struct bf_error *err);

/** The array of checkpoints.  NULL: no memory. */
json_t *bf_report_to_json(const struct bf_report *report);

#endif
