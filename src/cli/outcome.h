/** What became of each bitmap that a command was to carry: the table, the JSON and the exit code of
 *  `pull`, `restore` and `archive`.
 *
 * A bitmap that is dropped is never passed over in silence: it is listed with the reason (a stable
 * code of base/error.h), the consequence and the remedy.
 */
#ifndef CLI_OUTCOME_H
#define CLI_OUTCOME_H

#include "base/cleanup.h"
#include "base/error.h"
#include "model/catalog.h"

#include <jansson.h>
#include <stdio.h>

enum bf_outcome_kind {
    BF_OUTCOME_PLANNED,   /* would be carried (--dry-run), or will be */
    BF_OUTCOME_INSTALLED, /* in the image, the very bits of the source */
    BF_OUTCOME_SUPERSET,  /* in the image, covers at least what the source's covers */
    BF_OUTCOME_ARCHIVED,
    BF_OUTCOME_DROPPED,
};

struct bf_outcome {
    const char *disk; /* borrowed, as the next two */
    const struct bf_catalog_bitmap *source;
    const char *as; /* its name where it goes; of source->name if it keeps that */
    enum bf_outcome_kind kind;
    struct bf_geometry geometry; /* where it goes */
    bool has_summary;
    struct bf_summary summary; /* of what goes there */
    enum bf_code reason;       /* of BF_OUTCOME_DROPPED, as are the next two */
    char *why;                 /* owned; a phrase */
    const char *remedy;        /* static; a sentence without its full stop */
};

struct bf_outcomes {
    struct bf_outcome *items;
    size_t nr_items;
};

void bf_outcomes_release(struct bf_outcomes *outcomes);

/** Append.  *ret_outcome is valid until the next append. */
int bf_outcomes_add(struct bf_outcomes *outcomes, const struct bf_catalog_disk *disk,
                    const struct bf_catalog_bitmap *source, struct bf_outcome **ret_outcome,
                    struct bf_error *err);

/** Make it a dropped one. */
int bf_outcome_drop(struct bf_outcome *outcome, enum bf_code reason, const char *why,
                    const char *remedy, struct bf_error *err);

/** Drop it if its bits cannot be used: BITMAP_INCONSISTENT. */
int bf_outcome_drop_unusable(struct bf_outcome *outcome, struct bf_error *err);

size_t bf_outcomes_count_kept(const struct bf_outcomes *outcomes);

/** 0, SOME_DROPPED or NONE_CARRIED. */
int bf_outcomes_exit(const struct bf_outcomes *outcomes);

/** A JSON array; with @disks every entry names its disk.  NULL: out of memory. */
json_t *bf_outcomes_to_json(const struct bf_outcomes *outcomes, bool disks);

/** The table, and below it what was dropped. */
int bf_outcomes_print(const struct bf_outcomes *outcomes, bool disks, struct bf_error *err);

#endif
