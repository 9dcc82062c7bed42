/* Daemons that were built without libvirt. */
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
