#include "connect.h"

int bf_domain_link_open(const struct bf_domain_name *name, struct bf_domain_link *ret_link,
                        struct bf_error *err)
{
    int r;

    *ret_link = (struct bf_domain_link){.virt = NULL};
    r = bf_virt_open(name->uri, &ret_link->virt, err);
    if (r == 0)
        r = bf_virt_domain_find(ret_link->virt, name->uuid, &ret_link->domain, err);
    if (r < 0)
        bf_domain_link_close(ret_link);
    return r;
}

void bf_domain_link_close(struct bf_domain_link *link)
{
    if (link->domain)
        bf_virt_domain_free(link->domain);
    if (link->virt)
        bf_virt_close(link->virt);
    *link = (struct bf_domain_link){.virt = NULL};
}
