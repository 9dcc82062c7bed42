/** Which bitmaps of a source go into an image: under what name, with what granularity, and which
 *  cannot.  Decides only; nothing is read or changed here.
 */
#ifndef CLI_CARRY_PLAN_H
#define CLI_CARRY_PLAN_H

#include "command.h"
#include "model/catalog.h"
#include "outcome.h"

struct bf_plan_request {
    const char *image_path;
    uint64_t image_size_bytes;
    const char *disk; /* NULL: the only one, or the one named like the image */
    const struct bf_option_values *bitmaps; /* not given: all */
    const char *as;                         /* NULL: under their own names */
    uint64_t granularity_bytes;             /* 0: as it is */
};

/** The disk of @catalog that is meant.  Errors: NOT_FOUND; USAGE if it is not clear which, with the
 * disks that there are; BITMAP_NOT_FOUND if there is none. */
int bf_plan_choose_disk(const struct bf_catalog *catalog, const struct bf_plan_request *request,
                        const struct bf_catalog_disk **ret_disk, struct bf_error *err);

/** Errors: BITMAP_NOT_FOUND (with those that there are), SIZE_MISMATCH for an image that is smaller
 * than the disk, USAGE for a name for several bitmaps.  @ret_outcomes borrows from @disk and
 * @request. */
int bf_plan_make(const struct bf_catalog_disk *disk, const struct bf_plan_request *request,
                 struct bf_outcomes *ret_outcomes, struct bf_error *err);

/** Does the bitmap get another shape on its way?  (Then the image's covers more, or says it more
 *  finely.) */
bool bf_plan_transforms(const struct bf_catalog_disk *disk, const struct bf_outcome *outcome);

#endif
