/* A domain's name and UUID, from libvirt. */
#include "libvirt/domain.h"
#include "vm_choice.h"

#include <string.h>

int bf_vm_ask_libvirt(const char *connect, const char *domain, struct bf_vm_choice *choice,
                      struct bf_error *err)
{
    BF_CLEANUP(bf_virt_closep) struct bf_virt *virt = NULL;
    BF_CLEANUP(bf_virt_domain_freep) struct bf_virt_domain *found = NULL;
    int r = bf_virt_open(connect, &virt, err);

    if (r == 0)
        r = bf_virt_domain_find(virt, domain, &found, err);
    if (r < 0)
        return r;
    if (!choice->vm)
        choice->vm = strdup(bf_virt_domain_name(found));
    if (!choice->uuid)
        choice->uuid = strdup(bf_virt_domain_uuid(found));
    return choice->vm && choice->uuid ? 0 : bf_error_set(err, BF_E_NO_MEMORY, "out of memory");
}
