/** A private folder for the work on one image: ".NAME.bitferry" beside it (mode 0700).
 *
 * Beside the image there is room for what the image will grow by, and whoever works on it next
 * finds what a killed run has left.  Where that folder cannot be made (the image is a block device,
 * or its folder is not writable) it is in $TMPDIR or /var/tmp under a name made from the image's
 * path.  The folder is locked as long as it is open, so that two runs on one image exclude each
 * other, and removed at the end.
 */
#ifndef ATTACH_WORK_FOLDER_H
#define ATTACH_WORK_FOLDER_H

#include "base/cleanup.h"
#include "base/error.h"

#include <stdbool.h>

struct bf_work_folder {
    char *image_path; /* canonical */
    char *path;       /* canonical */
    int fd;           /* holds the lock */
    bool interrupted; /* a run was killed while it changed the image: see attach/recover.h */
};

/** Lock the folder of @image_path, made if need be, and empty it of what a dead run left.  Errors:
 *  WORK_IN_PROGRESS, NOT_FOUND, PERMISSION (a folder of that name that is not ours), NO_SPACE, IO.
 */
int bf_work_folder_open(const char *image_path, struct bf_work_folder **ret_folder,
                        struct bf_error *err);

/** Remove the folder and all in it (but a journal), and unlock. */
void bf_work_folder_close(struct bf_work_folder *folder);
BF_DEFINE_CLEANUP(struct bf_work_folder *, bf_work_folder_close)

/** PATH/NAME into a new string; free() it.  NULL: no memory. */
char *bf_work_folder_file(const struct bf_work_folder *folder, const char *name);

/** The journal of a run that changes the image: the one file that outlives a killed run. */
#define BF_WORK_JOURNAL "publishing"

/** The image is in order again: remove the journal. */
int bf_work_folder_unmark(struct bf_work_folder *folder, struct bf_error *err);

#endif
