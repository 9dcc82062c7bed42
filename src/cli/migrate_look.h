/** The bitmaps of a domain's disks at one moment: through libvirt while it runs, out of its images
 *  while it is shut off. */
#ifndef CLI_MIGRATE_LOOK_H
#define CLI_MIGRATE_LOOK_H

#include "base/cleanup.h"
#include "base/error.h"
#include "libvirt/domain.h"
#include "model/summary.h"

#include <stdbool.h>
#include <stdint.h>

struct bf_look_bitmap {
    char *name;
    uint64_t granularity_bytes;
    uint64_t dirty_bytes;
    bool recording;
    bool persistent;
    bool consistent;
    bool busy;
    bool digested; /* @sha256 holds */
    uint8_t sha256[BF_SHA256_BYTES];
};

struct bf_look_layer {
    char *node; /* of the running domain, else "" */
    char *path;
    uint64_t size_bytes;
    struct bf_look_bitmap *bitmaps;
    size_t nr_bitmaps;
};

struct bf_look_disk {
    char *target;
    bool seen; /* false: nothing is known of its bitmaps; @problem says why */
    char *problem;
    bool copied;                  /* by the migration, from one image to another */
    struct bf_look_layer *layers; /* from the top down */
    size_t nr_layers;
};

struct bf_look {
    bool quiet;                 /* the guest did not write: paused or shut off */
    struct bf_look_disk *disks; /* those that can be written to */
    size_t nr_disks;
};

void bf_look_release(struct bf_look *look);

/** Building one: what is looked at elsewhere (a file) is put together with these.  NULL: no
 * memory.  Strings are copied; the result is valid until the next of its kind. */
struct bf_look_disk *bf_look_add_disk(struct bf_look *look, const char *target);
struct bf_look_layer *bf_look_add_layer(struct bf_look_disk *disk, const char *node,
                                        const char *path);
struct bf_look_bitmap *bf_look_add_bitmap(struct bf_look_layer *layer, const char *name);

const struct bf_look_disk *bf_look_find_disk(const struct bf_look *look, const char *target);
const struct bf_look_bitmap *bf_look_find_bitmap(const struct bf_look_layer *layer,
                                                 const char *name);

/** The domain runs (or is paused).  Errors: those of the bridge and of QMP. */
int bf_look_running(struct bf_virt_domain *domain, struct bf_look *ret_look, struct bf_error *err);

/** It is shut off, and its images are here.  An image that cannot be read leaves its disk not
 *  seen. */
int bf_look_images(struct bf_virt_domain *domain, struct bf_look *ret_look, struct bf_error *err);

/** It is shut off, and its images are elsewhere: every disk is not seen, as @problem says. */
int bf_look_at_none(struct bf_virt_domain *domain, const char *problem, struct bf_look *ret_look,
                    struct bf_error *err);

#endif
