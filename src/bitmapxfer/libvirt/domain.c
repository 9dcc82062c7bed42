#include "libvirt/domain.h"

#include "handles.h"

#include <string.h>

static virDomainPtr look_up(virConnectPtr connection, const char *name)
{
    virDomainPtr found = virDomainLookupByName(connection, name);

    return found ? found : virDomainLookupByUUIDString(connection, name);
}

int bf_virt_domain_find(struct bf_virt *virt, const char *name, struct bf_virt_domain **ret_domain,
                        struct bf_error *err)
{
    BF_CLEANUP(bf_virt_domain_freep) struct bf_virt_domain *domain = calloc(1, sizeof *domain);

    if (!domain)
        return bf_error_set(err, BF_E_NO_MEMORY, "no memory for a domain");
    domain->virt = virt;
    domain->domain = look_up(virt->connection, name);
    if (!domain->domain) {
        int code = bf_virt_last_code();

        if (code == VIR_ERR_NO_DOMAIN || code == VIR_ERR_INVALID_ARG)
            return bf_error_set(err, BF_E_NOT_FOUND,
                                "libvirt at %s has no domain '%s'; 'virsh list --all' shows them",
                                virt->uri, name);
        return bf_virt_fail(err, "cannot look domain '%s' up", name);
    }
    if (virDomainGetUUIDString(domain->domain, domain->uuid) < 0)
        return bf_virt_fail(err, "domain '%s' has no UUID", name);
    domain->name = strdup(virDomainGetName(domain->domain));
    if (!domain->name)
        return bf_error_set(err, BF_E_NO_MEMORY, "no memory for a domain");
    *ret_domain = bf_steal_ptr(&domain);
    return 0;
}

void bf_virt_domain_free(struct bf_virt_domain *domain)
{
    if (domain->domain)
        (void)virDomainFree(domain->domain);
    free(domain->name);
    free(domain);
}

const char *bf_virt_domain_name(const struct bf_virt_domain *domain)
{
    return domain->name;
}

const char *bf_virt_domain_uuid(const struct bf_virt_domain *domain)
{
    return domain->uuid;
}

int bf_virt_domain_state(struct bf_virt_domain *domain, enum bf_virt_state *ret_state,
                         struct bf_error *err)
{
    int state;

    if (virDomainGetState(domain->domain, &state, NULL, 0) < 0)
        return bf_virt_fail(err, "domain '%s' does not tell its state",
                            bf_virt_domain_name(domain));
    switch ((virDomainState)state) {
    case VIR_DOMAIN_SHUTOFF:
        *ret_state = BF_VIRT_SHUT_OFF;
        break;
    case VIR_DOMAIN_PAUSED:
    case VIR_DOMAIN_CRASHED:
    case VIR_DOMAIN_PMSUSPENDED:
        *ret_state = BF_VIRT_PAUSED;
        break;
    case VIR_DOMAIN_NOSTATE:
    case VIR_DOMAIN_RUNNING:
    case VIR_DOMAIN_BLOCKED:
    case VIR_DOMAIN_SHUTDOWN:
    default:
        *ret_state = BF_VIRT_RUNNING;
        break;
    }
    return 0;
}

int bf_virt_domain_is_arriving(struct bf_virt_domain *domain, bool *ret_arriving,
                               struct bf_error *err)
{
    int state;
    int reason;

    if (virDomainGetState(domain->domain, &state, &reason, 0) < 0)
        return bf_virt_fail(err, "domain '%s' does not tell its state",
                            bf_virt_domain_name(domain));
    *ret_arriving = state == VIR_DOMAIN_PAUSED && (reason == VIR_DOMAIN_PAUSED_MIGRATION ||
                                                   reason == VIR_DOMAIN_PAUSED_STARTING_UP);
    return 0;
}

int bf_virt_domain_id(struct bf_virt_domain *domain, int *ret_id, struct bf_error *err)
{
    unsigned id = virDomainGetID(domain->domain);

    if (id == (unsigned)-1)
        return bf_error_set(err, BF_E_NOT_FOUND, "domain '%s' does not run: it has no QEMU",
                            bf_virt_domain_name(domain));
    *ret_id = (int)id;
    return 0;
}

int bf_virt_domain_is_persistent(struct bf_virt_domain *domain, bool *ret_persistent,
                                 struct bf_error *err)
{
    int persistent = virDomainIsPersistent(domain->domain);

    if (persistent < 0)
        return bf_virt_fail(err, "domain '%s' does not tell whether it is persistent",
                            bf_virt_domain_name(domain));
    *ret_persistent = persistent > 0;
    return 0;
}

int bf_virt_domain_suspend(struct bf_virt_domain *domain, struct bf_error *err)
{
    return virDomainSuspend(domain->domain) == 0
               ? 0
               : bf_virt_fail(err, "cannot pause domain '%s'", bf_virt_domain_name(domain));
}

int bf_virt_domain_resume(struct bf_virt_domain *domain, struct bf_error *err)
{
    return virDomainResume(domain->domain) == 0
               ? 0
               : bf_virt_fail(err, "cannot resume domain '%s'", bf_virt_domain_name(domain));
}

int bf_virt_domain_xml(struct bf_virt_domain *domain, char **ret_xml, struct bf_error *err)
{
    *ret_xml = virDomainGetXMLDesc(domain->domain, 0);
    return *ret_xml ? 0
                    : bf_virt_fail(err, "libvirt does not describe domain '%s'",
                                   bf_virt_domain_name(domain));
}

int bf_virt_domain_describe(struct bf_virt_domain *domain,
                            struct bf_virt_description *ret_description, struct bf_error *err)
{
    BF_CLEANUP(bf_freep) char *xml = NULL;
    int r = bf_virt_domain_xml(domain, &xml, err);

    return r < 0 ? r : bf_virt_description_parse(xml, ret_description, err);
}
