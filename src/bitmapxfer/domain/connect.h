/** A connection and a domain for one errand. */
#ifndef DOMAIN_CONNECT_H
#define DOMAIN_CONNECT_H

#include "domain/checkpoints.h"
#include "libvirt/domain.h"

struct bf_domain_link {
    struct bf_virt *virt;
    struct bf_virt_domain *domain;
};

int bf_domain_link_open(const struct bf_domain_name *name, struct bf_domain_link *ret_link,
                        struct bf_error *err);
void bf_domain_link_close(struct bf_domain_link *link);

#endif
