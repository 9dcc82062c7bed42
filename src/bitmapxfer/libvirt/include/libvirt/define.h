/** Checkpoints that came from elsewhere become a domain's: defined, parents first, adapted; and
 * what a former visit left is forgotten. */
#ifndef BF_LIBVIRT_DEFINE_H
#define BF_LIBVIRT_DEFINE_H

#include "libvirt/checkpoint.h"
#include "libvirt/domain.h"

struct bf_virt_definition {
    const struct bf_virt_checkpoint *checkpoint;
    bool wanted;                /* false: it is only passed over by its children */
    const char *const *without; /* targets of disks whose bitmaps are not there */
    size_t nr_without;
    /* result */
    struct bf_error refusal; /* of a wanted one; code NONE: it is defined */
};

/** @items: parents before their children.  A child of what is not defined here becomes its
 *  grandparent's.  libvirt's refusals are results; errors: PEER and the like, NO_MEMORY.
 *  @begun (may be NULL) is told of each before. */
int bf_virt_define_all(struct bf_virt_domain *domain, struct bf_virt_definition *items,
                       size_t nr_items, void (*begun)(void *ctx, const char *name), void *ctx,
                       struct bf_error *err);

/** Forget the definitions, not the bitmaps, of all checkpoints of which @is_leftover says so;
 *  @forgotten (may be NULL) is told of each. */
int bf_virt_forget_leftovers(struct bf_virt_domain *domain,
                             bool (*is_leftover)(void *ctx,
                                                 const struct bf_virt_checkpoint *checkpoint),
                             void (*forgotten)(void *ctx, const char *name), void *ctx,
                             struct bf_error *err);

#endif
