#include "libvirt/domain_checkpoints.h"

#include "base/cleanup.h"
#include "handles.h"

#include <stdlib.h>

struct listing {
    virDomainCheckpointPtr *items;
    int nr_items;
};

static void release_listing(struct listing *listing)
{
    for (int i = 0; i < listing->nr_items; i++)
        (void)virDomainCheckpointFree(listing->items[i]);
    free(listing->items);
}

static int dump(struct bf_virt_checkpoints *checkpoints, virDomainCheckpointPtr item,
                struct bf_error *err)
{
    BF_CLEANUP(bf_freep)
    char *xml = virDomainCheckpointGetXMLDesc(item, VIR_DOMAIN_CHECKPOINT_XML_SECURE);

    if (!xml)
        return bf_virt_fail(err, "libvirt does not show a checkpoint that it lists");
    return bf_virt_checkpoints_add(checkpoints, xml, err);
}

static int dump_all(struct bf_virt_domain *domain, struct bf_virt_checkpoints *checkpoints,
                    struct bf_error *err)
{
    BF_CLEANUP(release_listing) struct listing listing = {.items = NULL};
    int r = 0;

    listing.nr_items = virDomainListAllCheckpoints(domain->domain, &listing.items, 0);
    if (listing.nr_items < 0) {
        listing.nr_items = 0;
        return bf_virt_fail(err, "cannot list the checkpoints of domain '%s'",
                            bf_virt_domain_name(domain));
    }
    for (int i = 0; r == 0 && i < listing.nr_items; i++)
        r = dump(checkpoints, listing.items[i], err);
    return r == 0 ? bf_virt_checkpoints_order(checkpoints, err) : r;
}

int bf_virt_domain_checkpoints(struct bf_virt_domain *domain,
                               struct bf_virt_checkpoints *ret_checkpoints, struct bf_error *err)
{
    int r;

    *ret_checkpoints = (struct bf_virt_checkpoints){.nr_items = 0};
    r = dump_all(domain, ret_checkpoints, err);
    if (r < 0)
        bf_virt_checkpoints_release(ret_checkpoints);
    return r;
}

int bf_virt_domain_redefine(struct bf_virt_domain *domain, const char *xml, struct bf_error *err)
{
    const unsigned flags = VIR_DOMAIN_CHECKPOINT_CREATE_REDEFINE;
    bool active = virDomainIsActive(domain->domain) == 1;
    virDomainCheckpointPtr made = NULL;

    if (active)
        made = virDomainCheckpointCreateXML(domain->domain, xml,
                                            flags | VIR_DOMAIN_CHECKPOINT_CREATE_REDEFINE_VALIDATE);
    /* Off, nothing can be validated; the test driver does not know the flag at all. */
    if (!made && (!active || bf_virt_last_code() == VIR_ERR_INVALID_ARG))
        made = virDomainCheckpointCreateXML(domain->domain, xml, flags);
    if (!made)
        return bf_virt_fail(err, "libvirt does not take the checkpoint");
    (void)virDomainCheckpointFree(made);
    return 0;
}

int bf_virt_domain_forget(struct bf_virt_domain *domain, const char *name, struct bf_error *err)
{
    virDomainCheckpointPtr found = virDomainCheckpointLookupByName(domain->domain, name, 0);
    int r;

    if (!found)
        return bf_virt_last_code() == VIR_ERR_NO_DOMAIN_CHECKPOINT
                   ? 0
                   : bf_virt_fail(err, "cannot look checkpoint '%s' up", name);
    r = virDomainCheckpointDelete(found, VIR_DOMAIN_CHECKPOINT_DELETE_METADATA_ONLY);
    if (r < 0)
        r = bf_virt_fail(err, "cannot delete the definition of checkpoint '%s'", name);
    (void)virDomainCheckpointFree(found);
    return r;
}
