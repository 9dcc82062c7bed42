/** What bitferry reads of a domain's XML: its disks and the images under them.
 *
 * The XML is untrusted: parsed without network, entities or document type, at most
 * BF_VIRT_DOMAIN_XML_MAX_BYTES, with the disks and layers that the caps here allow. */
#ifndef BF_LIBVIRT_DESCRIPTION_H
#define BF_LIBVIRT_DESCRIPTION_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>

enum {
    BF_VIRT_DOMAIN_XML_MAX_BYTES = 4 << 20, /* libvirt's own limit of a string over its wire */
    BF_VIRT_DISKS_MAX = 4096,
    BF_VIRT_LAYERS_MAX = 200, /* libvirt's limit of a backing chain */
    BF_VIRT_NODE_NAME_MAX = 31,
};

struct bf_virt_layer {
    char *path;   /* file, device or the name in a pool of the network; "" if it has none */
    char *format; /* "qcow2", "raw", "" if it is not said */
    bool local;   /* a path of that host */
    /* QEMU's name of the format node, "libvirt-1-format"; "" unless the domain runs */
    char node[BF_VIRT_NODE_NAME_MAX + 1];
};

struct bf_virt_disk {
    char *target; /* "vda" */
    bool read_only;
    bool shareable;
    struct bf_virt_layer *layers; /* from the top down; at least one */
    size_t nr_layers;
};

struct bf_virt_description {
    char *name;
    char *uuid;                 /* lower case */
    struct bf_virt_disk *disks; /* those of device "disk" or "lun" with an image */
    size_t nr_disks;
};

/** Errors: INVALID (what is wrong), LIMIT, NO_MEMORY; @ret_description is untouched then. */
int bf_virt_description_parse(const char *xml, struct bf_virt_description *ret_description,
                              struct bf_error *err);
void bf_virt_description_release(struct bf_virt_description *description);

/** NULL: there is none. */
const struct bf_virt_disk *bf_virt_description_disk(const struct bf_virt_description *description,
                                                    const char *target);

#endif
