/** What a publication changes in metadata that is in use, before and after, so that a killed one
 * can be finished or undone exactly.
 *
 * The file "publishing" in the work folder is durable before the first byte of the image is
 * written, and goes when the publication is complete.  It holds the pieces of the header and of the
 * refcounts (free clusters need no record: nothing refers to them until the header does).  When the
 * header is still the old one, the old refcounts are put back; when it is the new one, the new
 * refcounts are completed.  Should anything else have written to those pieces meanwhile, nothing is
 * touched.
 *
 * Format, little-endian: magic (8 bytes), refcount width in bits (u32), number of records (u32);
 * records of kind (u32), length (u32), offset in the image (u64), bytes before, bytes after;
 * SHA-256 of all that.
 */
#ifndef JOURNAL_H
#define JOURNAL_H

#include "change_plan.h"

/** Errors: NO_SPACE, IO, NO_MEMORY; the image is not touched. */
int bf_journal_write(const struct bf_stage *stage, int overlay_fd,
                     const struct bf_change_plan *plan, struct bf_error *err);

/** Undo or complete what the journal in @folder tells, in the image open (and locked) as @image_fd.
 *  Errors: IMAGE_CHANGED if the image was written by others since (it may keep leaked clusters);
 * IO. */
int bf_journal_replay(const struct bf_work_folder *folder, int image_fd, struct bf_error *err);

#endif
