/* Daemons that were built without libvirt. */
#include "domain/checkpoints.h"
#include "domain/way.h"

static int refuse(struct bf_error *err)
{
    return bf_error_set(err, BF_E_UNSUPPORTED,
                        "this daemon was built without libvirt: name a QMP socket (--qmp)");
}

int bf_domain_way(const char *uri, const char *uuid, bool arriving, struct bf_way *ret_way,
                  struct bf_error *err)
{
    (void)uri;
    (void)uuid;
    (void)arriving;
    (void)ret_way;
    return refuse(err);
}

int bf_domain_capture(const struct bf_domain_name *domain, struct bf_checkpoints *ret_checkpoints,
                      char ***ret_definitions, struct bf_error *err)
{
    (void)domain;
    (void)ret_checkpoints;
    (void)ret_definitions;
    return refuse(err);
}

int bf_domain_define(struct bf_domain_arrival *arrival, struct bf_error *err)
{
    (void)arrival;
    return refuse(err);
}

int bf_domain_forget(const struct bf_domain_name *domain, const char *const *names, size_t nr_names,
                     struct bf_error *err)
{
    (void)domain;
    (void)names;
    (void)nr_names;
    return refuse(err);
}
