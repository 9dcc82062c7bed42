/** A staged image: QEMU works on the image's metadata without touching the image.
 *
 *     target (qcow2)  - what QEMU sees: the image with its bitmaps
 *       `- overlay (qcow2, "image.stage" in the work folder) - takes every write
 *            `- the image file, raw, read-only
 *
 * The overlay lies *under* the qcow2 layer of the image: it catches changed clusters of the image
 * file (headers, refcounts, bitmap tables), not guest data.  Killing QEMU, a full disk or a failed
 * check leaves the image byte for byte as it was.  What was staged and proven is then published,
 * see attach/publish.h.  The image is locked (carrier/image_lock.h) from open to close.
 */
#ifndef STAGE_H
#define STAGE_H

#include "attach/work_folder.h"
#include "image_file.h"

#include <jansson.h>
#include <stdint.h>

struct bf_stage {
    struct bf_work_folder *folder; /* borrowed */
    struct bf_image_file image;
    char *overlay_path;
    char *log_path;
    uint64_t deadline_ms;
};

/** Lock the image for writing and make an overlay that can take @growth_bytes beyond the end of the
 *  image file.  (It has to be enough: what QEMU writes past the end of the overlay is lost without
 * an error, measured on 7.2; the proof would then find the bitmaps missing.)  Errors: IMAGE_IN_USE,
 *  READ_ONLY, NO_SPACE, CHILD_FAILED. */
int bf_stage_open(struct bf_work_folder *folder, uint64_t growth_bytes, uint64_t deadline_ms,
                  struct bf_stage **ret_stage, struct bf_error *err);
void bf_stage_close(struct bf_stage *stage);
BF_DEFINE_CLEANUP(struct bf_stage *, bf_stage_close)

/** Arguments of blockdev-add for the target, or the same for a `json:` file name; the caller adds
 *  "node-name" and such.  @encryption is NULL, "luks" or "aes" (key: secret object "key"); the
 * external data file, if the image has one, is replaced by an empty node of @data_bytes, as no
 * guest data is touched.  NULL: no memory. */
json_t *bf_stage_target(const struct bf_stage *stage, const char *encryption,
                        uint64_t external_data_bytes, bool read_only);

/** One stretch that the overlay holds. */
struct bf_staged_extent {
    uint64_t image_offset_bytes;
    uint64_t length_bytes;
    uint64_t overlay_offset_bytes; /* where in the overlay's file */
    bool zero;                     /* zeroes, nothing in the overlay's file */
};

/** What QEMU wrote, in order of the image; nobody may have the overlay open.  free() *ret_extents.
 */
int bf_stage_extents(const struct bf_stage *stage, struct bf_staged_extent **ret_extents,
                     size_t *ret_nr_extents, struct bf_error *err);

#endif
