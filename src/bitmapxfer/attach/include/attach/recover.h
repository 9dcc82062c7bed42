/** After a killed run: remove the clusters that nothing refers to.
 *
 * A run that was killed while it published (attach/publish.h) leaves the image as it was before or
 * complete; the one thing that may be left is clusters that are counted but not used.  QEMU's own
 * `qemu-img check -r leaks` frees them, on a staged copy of the metadata like every other change.
 */
#ifndef ATTACH_RECOVER_H
#define ATTACH_RECOVER_H

#include "attach/work_folder.h"

#include <stdint.h>

/** Do it if the folder says that a run was interrupted, and take away the mark.  @key_file: of an
 *  encrypted image, or NULL. */
int bf_recover(struct bf_work_folder *folder, const char *key_file, uint64_t deadline_ms,
               struct bf_error *err);

#endif
