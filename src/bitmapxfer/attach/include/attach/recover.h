/** After a killed run: put the image in order.
 *
 * A run that was killed while it published leaves the image as it was before or complete; the one
 * thing that may be left is clusters that are counted but not used.  The journal tells which.
 */
#ifndef ATTACH_RECOVER_H
#define ATTACH_RECOVER_H

#include "attach/work_folder.h"

/** Nothing to do unless folder->interrupted.  Errors: IMAGE_IN_USE, READ_ONLY, IO; IMAGE_CHANGED
 * once, if others have written to the image since (the text tells what to do). */
int bf_recover(struct bf_work_folder *folder, struct bf_error *err);

#endif
