/** The checkpoints that a libvirt daemon knows of a domain. */
#ifndef BF_LIBVIRT_DOMAIN_CHECKPOINTS_H
#define BF_LIBVIRT_DOMAIN_CHECKPOINTS_H

#include "libvirt/checkpoint.h"
#include "libvirt/domain.h"

/** All of them, in the order of bf_virt_checkpoints_order(); @ret_checkpoints is to be released.
 *  Errors: PEER and the like, INVALID, LIMIT. */
int bf_virt_domain_checkpoints(struct bf_virt_domain *domain,
                               struct bf_virt_checkpoints *ret_checkpoints, struct bf_error *err);

/** Define a checkpoint that was made elsewhere; one of that name is replaced.  On a running domain
 *  libvirt checks its bitmaps (REDEFINE_VALIDATE) where its driver can.  Errors: INVALID for XML or
 *  a UUID that libvirt refuses, BITMAP_INCONSISTENT if it finds the bitmaps unfit, PEER. */
int bf_virt_domain_redefine(struct bf_virt_domain *domain, const char *xml, struct bf_error *err);

/** Delete the definition and leave the bitmaps.  It is no error if there is none. */
int bf_virt_domain_forget(struct bf_virt_domain *domain, const char *name, struct bf_error *err);

#endif
