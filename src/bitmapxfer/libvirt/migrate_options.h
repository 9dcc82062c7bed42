#ifndef BF_LIBVIRT_MIGRATE_OPTIONS_PRIVATE_H
#define BF_LIBVIRT_MIGRATE_OPTIONS_PRIVATE_H

#include "libvirt/migrate_options.h"

#include <libvirt/libvirt.h>

struct bf_virt_migrate_options {
    unsigned long flags;
    virTypedParameterPtr params;
    int nr_params;
    int max_params;
    struct bf_virt_migrate_facts facts;
    bool timeout_suspend;
    char **disks; /* of --migrate-disks */
    size_t nr_disks;
};

#endif
