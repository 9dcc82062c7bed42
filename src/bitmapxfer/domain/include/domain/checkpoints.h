/** The checkpoints of a libvirt domain, for the daemons.  All of these block: call them in an
 * errand (drive/errand.h).  Each has a connection of its own.  Errors besides those named:
 * UNSUPPORTED (built without libvirt), PEER, AUTH, NOT_FOUND (no such domain), NO_MEMORY. */
#ifndef DOMAIN_CHECKPOINTS_H
#define DOMAIN_CHECKPOINTS_H

#include "base/error.h"
#include "model/checkpoints.h"

#include <stdbool.h>

enum {
    /* Of all definitions together: with the rest of an offer they must fit into one frame. */
    BF_DOMAIN_DEFINITIONS_MAX_BYTES = 3 << 20,
};

struct bf_domain_name {
    const char *uri; /* NULL: libvirt's default */
    const char *uuid;
};

/** All of them, settled, and libvirt's XML of each; the caller frees both.  If they are too long
 *  together, they go without the description of the domain that each has.  Errors: LIMIT if even
 *  that is too long; INVALID. */
int bf_domain_capture(const struct bf_domain_name *domain, struct bf_checkpoints *ret_checkpoints,
                      char ***ret_definitions, struct bf_error *err);

/** A bitmap that is there on arrival. */
struct bf_domain_bitmap {
    char *disk;
    char *bitmap;
    bool proven; /* it is what the source had, and no less */
};

enum bf_domain_fate {
    BF_DOMAIN_DEFINED,
    BF_DOMAIN_PARTLY,  /* without the disks whose bitmaps are not proven */
    BF_DOMAIN_DROPPED, /* none is */
    BF_DOMAIN_REFUSED, /* its bitmaps are there, but libvirt does not take it: why */
};

struct bf_domain_arrival {
    struct bf_domain_name domain;
    struct bf_checkpoints checkpoints; /* settled */
    char **definitions;                /* untrusted; of each, or NULL */
    struct bf_domain_bitmap *bitmaps;
    size_t nr_bitmaps;
    /* results, one for each checkpoint */
    enum bf_domain_fate *fates;
    struct bf_error *whys;
};

/** Make it empty, with room for results.  @checkpoints and @definitions are copied. */
int bf_domain_arrival_init(struct bf_domain_arrival *arrival,
                           const struct bf_checkpoints *checkpoints, char *const *definitions,
                           size_t nr_bitmaps_max, struct bf_error *err);
void bf_domain_arrival_release(struct bf_domain_arrival *arrival);

/** Forget what a former visit left, then define what is proven, parents first, adapted to the
 *  domain as it is here.  Repeatable.  An error: nothing is known of any. */
int bf_domain_define(struct bf_domain_arrival *arrival, struct bf_error *err);

/** Forget these definitions, the last first; that there is no domain (any more) is no error. */
int bf_domain_forget(const struct bf_domain_name *domain, const char *const *names, size_t nr_names,
                     struct bf_error *err);

#endif
