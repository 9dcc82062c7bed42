/** What the layer's files share: libvirt's own handles, and its last error as ours. */
#ifndef BF_LIBVIRT_HANDLES_H
#define BF_LIBVIRT_HANDLES_H

#include "libvirt/domain.h"

#include <libvirt/libvirt.h>
#include <libvirt/virterror.h>

struct bf_virt {
    virConnectPtr connection;
    char *uri;
    char *host;
};

struct bf_virt_domain {
    struct bf_virt *virt;
    virDomainPtr domain;
    char *name; /* kept, as asking libvirt for it forgets the last error */
    char uuid[VIR_UUID_STRING_BUFLEN];
};

/** The calling thread's last libvirt error behind ": ", under the code that fits it. */
int bf_virt_fail(struct bf_error *err, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/** Of the thread's last error; VIR_ERR_OK if there is none. */
int bf_virt_last_code(void);

#endif
