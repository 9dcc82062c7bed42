/** A domain: who it is, what state it is in, and its description. */
#ifndef BF_LIBVIRT_DOMAIN_H
#define BF_LIBVIRT_DOMAIN_H

#include "libvirt/connection.h"
#include "libvirt/description.h"

#include <stdbool.h>

struct bf_virt_domain;

/** By name or UUID.  Errors: NOT_FOUND, PEER. */
int bf_virt_domain_find(struct bf_virt *virt, const char *name, struct bf_virt_domain **ret_domain,
                        struct bf_error *err);
void bf_virt_domain_free(struct bf_virt_domain *domain);
BF_DEFINE_CLEANUP(struct bf_virt_domain *, bf_virt_domain_free)

const char *bf_virt_domain_name(const struct bf_virt_domain *domain);
const char *bf_virt_domain_uuid(const struct bf_virt_domain *domain); /* lower case */

enum bf_virt_state {
    BF_VIRT_RUNNING,
    BF_VIRT_PAUSED, /* its QEMU is there, its guest does not run */
    BF_VIRT_SHUT_OFF,
};

int bf_virt_domain_state(struct bf_virt_domain *domain, enum bf_virt_state *ret_state,
                         struct bf_error *err);

/** Does it wait here for a migration to it to end?  libvirt answers no monitor command until then.
 */
int bf_virt_domain_is_arriving(struct bf_virt_domain *domain, bool *ret_arriving,
                               struct bf_error *err);

/** Another one each time that it is started; it outlives a restart of libvirtd.  Errors: NOT_FOUND:
 *  it does not run. */
int bf_virt_domain_id(struct bf_virt_domain *domain, int *ret_id, struct bf_error *err);

/** Is it defined, so that it stays when it is shut off? */
int bf_virt_domain_is_persistent(struct bf_virt_domain *domain, bool *ret_persistent,
                                 struct bf_error *err);

int bf_virt_domain_suspend(struct bf_virt_domain *domain, struct bf_error *err);
int bf_virt_domain_resume(struct bf_virt_domain *domain, struct bf_error *err);

/** Its XML as it is now; *ret_xml is the caller's to free(). */
int bf_virt_domain_xml(struct bf_virt_domain *domain, char **ret_xml, struct bf_error *err);

/** The same, read; @ret_description is to be released. */
int bf_virt_domain_describe(struct bf_virt_domain *domain,
                            struct bf_virt_description *ret_description, struct bf_error *err);

#endif
