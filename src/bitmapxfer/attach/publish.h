/** Write what was staged to the image, so that it is as before or complete wherever the writing
 * stops.
 *
 * The staged changes are sorted by what they are in the *old* image, and written in this order,
 * with the data made durable between the steps:
 *
 *   1. clusters that were free        - nothing refers to them yet
 *   2. refcounts, where they grow     - at worst clusters are counted that nothing refers to: leaks
 *   3. the header                     - the switch: from here on the new bitmaps are there
 *   4. refcounts, where they shrink   - what only the old header needed is free
 *
 * A stop before 3 leaves the old state, after 3 the new one, either with leaks at worst, which the
 * mark in the work folder tells the next run to free (attach/recover.h).  A staged change to
 * anything else that was in use (guest data, L2 tables, a snapshot) is not what installing bitmaps
 * does: it is refused, and nothing is written.
 */
#ifndef PUBLISH_H
#define PUBLISH_H

#include "stage.h"

/** QEMU must have closed the staged image.  Errors before the first byte is written (the image is
 *  unchanged): NO_SPACE, IMAGE_CORRUPT, CHILD_FAILED, IO.  Afterwards: IO, and the text says that
 * the next run will tidy up. */
int bf_publish(struct bf_stage *stage, struct bf_error *err);

#endif
