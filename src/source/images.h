/** The images of a machine that is shut off, instead of a QEMU: the same wishes, carried out on
 *  files.
 *
 * All images of all disks are open as long as the move is under way, and so locked: others may
 * read and copy them, but nobody can write to them or start the machine.  The guest is "paused"
 * (handoff/source.h) from the beginning, and "leaves" when all that can be carried is proven at the
 * destination.  If nothing can be, it stays, and so do its bitmaps.
 *
 * After a restart of the daemon the images are locked again; were they written meanwhile, the
 * machine has run here, and the move is given up.
 */
#ifndef SOURCE_IMAGES_H
#define SOURCE_IMAGES_H

#include "drive.h"

#include "attach/layers.h"

struct source_images {
    struct source_drive *drive;
    uv_work_t work;
    struct bf_layers *disks; /* of the plan, all layers of each, while they are open */
    size_t nr_disks;         /* a move that is refused goes before us */
    struct bf_stamp *stamps; /* likewise, of the top images */
    struct bf_error err;     /* why they could not be opened */
    bool known;              /* they were looked at */
    bool lost;               /* and are not to be had, or are others than before */
    bool paused;             /* the machine was told */
};

/** Look at the images, in a thread.  Errors: of what can be seen at once: IMAGE_IN_USE, NOT_QCOW2,
 *  QCOW2_V2, NOT_FOUND, ... */
int source_images_open(struct source_drive *drive, struct bf_error *err);
void source_images_free(struct source_images *images);

/** Can wishes be carried out? */
bool source_images_known(const struct source_drive *drive);

/** Let go of the locks. */
void source_images_close(struct source_images *images);

/** What follows from the state that the machine has come into. */
void source_images_follow(struct source_drive *drive);

/* --- image_offer.c --- */

/** What is in the images becomes the offer.  Errors: BITMAP_NOT_FOUND, LIMIT, NO_MEMORY. */
int source_images_offer(struct source_drive *drive, struct bf_error *err);

/** The layer that is disk @index of the offer; NULL: it is not open. */
struct bf_layer *source_images_layer(const struct source_images *images, uint32_t index);

/* --- image_wishes.c --- */

/** Carry out the wish that is out. */
void source_images_carry_out(struct source_drive *drive);

#endif
