#include "connect.h"

#include "libvirt/domain_checkpoints.h"

int bf_domain_forget(const struct bf_domain_name *domain, const char *const *names, size_t nr_names,
                     struct bf_error *err)
{
    BF_CLEANUP(bf_domain_link_close) struct bf_domain_link link = {.virt = NULL};
    struct bf_error why = BF_ERROR_INIT;
    int r = bf_domain_link_open(domain, &link, &why);

    if (r < 0) /* undefined or transient: libvirt has forgotten all of it already */
        return why.code == BF_E_NOT_FOUND ? 0 : bf_error_set(err, why.code, "%s", why.text);
    for (size_t i = nr_names; r == 0 && i > 0; i--)
        r = bf_virt_domain_forget(link.domain, names[i - 1], err);
    return r;
}
