/** The images of a machine that is shut off, instead of a QEMU: the same wishes, carried out on
 *  files.
 *
 * LOAD puts the bitmaps into each image as COMMIT will, with a qemu-storage-daemon that proves
 * them, but stops before a byte of the image is written (attach/install.h).  So what cannot be
 * done is known while the source still has its bitmaps.  COMMIT does it again, to the end.  An
 * image that was touched since `expect` (a machine was started from it) gets nothing.
 *
 * "Snapshots" (handoff/dest.h) are the carriers that were pulled.  All images of one name in layers
 * that became one image here are one bitmap there: the union.
 */
#ifndef DEST_IMAGES_H
#define DEST_IMAGES_H

#include "drive.h"

#include "attach/layers.h"
#include "model/transform.h"

#include <stdatomic.h>

enum { DEST_NO_IMAGE = UINT32_MAX };

struct dest_image {
    char *path;
    uint64_t size_bytes;
    uint32_t plan_disk; /* whose top it is; DEST_NO_IMAGE: it stands below one */
};

struct dest_images {
    struct dest_image *items;
    uint32_t nr_items;
    uint32_t *image_of;    /* per disk of the offer: index, or DEST_NO_IMAGE */
    bool placed;           /* the two above are there */
    struct bf_known *made; /* per bitmap: what was put into its image for it */
    uint8_t *dropped;      /* per bitmap, when the work began: the machine's drop */
    uint8_t *chosen;       /* per bitmap: what the work is about, where it is not about all */

    /* the work that is under way, in a thread: it writes here and to drive->drops, .found */
    void (*work)(struct dest_drive *drive);
    void (*then)(struct dest_drive *drive);
    struct bf_error err;
    atomic_bool stop;
};

/** Look at the images.  Errors: IMAGE_IN_USE, NOT_QCOW2, QCOW2_V2, NOT_FOUND, ... */
int dest_images_open(struct dest_drive *drive, struct bf_error *err);
void dest_images_free(struct dest_images *images);

/** What is under way ends as soon as it can. */
void dest_images_stop(struct dest_images *images);

/** Carry out the wish that is out. */
void dest_images_carry_out(struct dest_drive *drive);

/** @work in a thread with images->err clear, then @then in the loop, if it is still wanted. */
void dest_images_work(struct dest_drive *drive, void (*work)(struct dest_drive *drive),
                      void (*then)(struct dest_drive *drive));

/** The move cannot go on, for images->err. */
void dest_images_fail(struct dest_drive *drive);

/** The top image of disk @plan_disk is as it was.  Errors: IMAGE_CHANGED, NOT_FOUND, IO. */
int dest_images_check_stamp(const struct dest_drive *drive, uint32_t plan_disk,
                            struct bf_error *err);

/** We have changed them ourselves. */
int dest_images_note_stamps(struct dest_drive *drive, struct bf_error *err);

/* --- image_place.c; work --- */

void dest_images_place(struct dest_drive *drive);

/* --- image_groups.c --- */

/** The image of a bitmap; DEST_NO_IMAGE: it has no place. */
uint32_t dest_image_of(const struct dest_drive *drive, uint32_t bitmap);

/** Is it not dropped, and the topmost of its name in its image?  That one stands for all. */
bool dest_image_is_head(const struct dest_drive *drive, uint32_t bitmap);
uint32_t dest_image_head(const struct dest_drive *drive, uint32_t bitmap);

/** Of one image and name: with one that is dropped all are. */
void dest_images_drop_together(struct dest_drive *drive);

/** All bits of one bitmap of an image, out of the carriers, checked. */
struct dest_bits {
    struct bf_reader **readers;
    struct bf_regrain *regrains;
    struct bf_bits *sources;
    uint32_t nr_sources;
    struct bf_union join;
    struct bf_bits bits;
};

/** Errors: those of a carrier; DIGEST_MISMATCH. */
int dest_bits_open(const struct dest_drive *drive, uint32_t head, struct dest_bits *ret_bits,
                   struct bf_error *err);
void dest_bits_close(struct dest_bits *bits);

/** Is the carrier of @bitmap there, with what was announced? */
bool dest_carrier_is_whole(const struct dest_drive *drive, uint32_t bitmap);

/* --- image_work.c, image_look.c, image_remove.c --- */

void dest_images_load(struct dest_drive *drive);
void dest_images_commit(struct dest_drive *drive);
void dest_images_inspect(struct dest_drive *drive);
void dest_images_read_back(struct dest_drive *drive);
void dest_images_remove(struct dest_drive *drive); /* REMOVE_STALE, UNPUBLISH */
void dest_images_clean(struct dest_drive *drive);  /* CLEAN, UNDO */
void dest_images_remove_carriers(struct dest_drive *drive);

/** In a thread: are all bitmaps of image @index that are not dropped there, with their bits? */
bool dest_image_is_done(struct dest_drive *drive, uint32_t index);

/** In a thread: what a killed run left of its work on the images goes. */
void dest_images_recover(struct dest_drive *drive);

#endif
