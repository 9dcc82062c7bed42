/** Install the bitmaps of a carrier into a shut-off image: all of them or none, by QEMU's own hand.
 *
 * The image is locked against QEMU for the whole time.  A private qemu-storage-daemon does the work
 * on a *staged* copy of the image's metadata (an overlay under the image, see attach/stage.h),
 * proves it by its own digests, closes it cleanly and opens it again to prove what was stored. Only
 * then are the changed clusters written to the image, in an order that leaves it either as before
 * or complete wherever the writing stops.  At last the image itself is read again.
 *
 * What a killed run left behind (its work folder, clusters that nothing refers to) the next run on
 * the same image removes.
 */
#ifndef ATTACH_INSTALL_H
#define ATTACH_INSTALL_H

#include "attach/work_folder.h"
#include "base/error.h"
#include "model/bits.h"
#include "model/summary.h"

#include <stdbool.h>
#include <stddef.h>

struct bf_install_bitmap {
    const char *carrier_name;   /* its name in the carrier */
    const char *name;           /* its name in the image */
    uint64_t granularity_bytes; /* in the image; that of the carrier where it is to stay the same */
    bool recording;             /* recording again, or frozen */
    struct bf_summary summary;  /* what the carrier's bits must be */
};

enum bf_install_step {
    BF_INSTALL_PREPARE, /* locks, checks, leftovers */
    BF_INSTALL_LOAD,    /* carrier into the staged image, one transaction */
    BF_INSTALL_PROVE,   /* digests read back, before and after a clean close */
    BF_INSTALL_PUBLISH, /* changed clusters into the image */
    BF_INSTALL_REREAD,  /* bitmaps seen in the image again */
};

struct bf_install_options {
    const char *image_path;
    const char *carrier_path;
    const struct bf_install_bitmap *bitmaps;
    size_t nr_bitmaps;
    bool replace;  /* an existing bitmap of the same name is replaced, else refused */
    bool dry_run;  /* every check up to the loading, then stop */
    bool rehearse; /* all but PUBLISH and REREAD: the image is not touched.  An existing bitmap
                      that QEMU cannot overwrite is thought away */
    const char *key_file; /* passphrase of an encrypted image, or NULL */
    const char *qsd_path; /* NULL: qemu-storage-daemon from PATH */
    uint64_t deadline_ms; /* for every single step */
    /** May be NULL.  A non-zero return ends the work with INTERRUPTED; from PUBLISH on it is
     * ignored. */
    int (*step)(void *ctx, enum bf_install_step step);
    void *ctx;
};

/** @folder is that of options->image_path; the carrier may lie in it, and it is the caller's to
 * close. Errors: IMAGE_IN_USE, READ_ONLY, PERMISSION, NOT_QCOW2, QCOW2_V2, IMAGE_CORRUPT,
 * SIZE_MISMATCH (carrier and image), BITMAP_EXISTS, BITMAP_NOT_FOUND, DIGEST_MISMATCH, NO_SPACE,
 * CHILD_FAILED, QMP_ERROR, DEADLINE; the image is as it was.  After a failure in BF_INSTALL_REREAD
 * it is not, and the text says so. */
int bf_install(struct bf_work_folder *folder, const struct bf_install_options *options,
               struct bf_error *err);

#endif
