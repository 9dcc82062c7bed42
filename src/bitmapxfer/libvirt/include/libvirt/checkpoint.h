/** The definition of a checkpoint, as libvirt writes it, and a domain's set of them.
 *
 * A definition is untrusted wherever it comes from: parsed without network, entities or document
 * type, at most BF_VIRT_CHECKPOINT_XML_MAX_BYTES.
 */
#ifndef BF_LIBVIRT_CHECKPOINT_H
#define BF_LIBVIRT_CHECKPOINT_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    BF_VIRT_CHECKPOINT_XML_MAX_BYTES = 1 << 20, /* libvirt skips larger ones when it starts */
    BF_VIRT_CHECKPOINTS_MAX = 16384,            /* libvirt's limit of a list over its wire */
};

struct bf_virt_checkpoint_disk {
    char *target;
    char *bitmap;
};

struct bf_virt_checkpoint {
    char *name;   /* 1 to 255 bytes, no '/', not begun with '.' : libvirt makes a file of it */
    char *parent; /* NULL: none */
    int64_t created_unix_s;
    struct bf_virt_checkpoint_disk *disks; /* those with a bitmap */
    size_t nr_disks;
    char *xml; /* as it was read */
};

struct bf_virt_checkpoints {
    struct bf_virt_checkpoint *items;
    size_t nr_items;
};

/** Append the checkpoint that @xml defines.  Errors: INVALID (what is wrong with it; one of that
 *  name is there already), LIMIT, NO_MEMORY; @checkpoints is unchanged then. */
int bf_virt_checkpoints_add(struct bf_virt_checkpoints *checkpoints, const char *xml,
                            struct bf_error *err);

/** Parents before their children, older before newer.  A parent that is not in the set is none.
 *  Errors: INVALID if some are their own ancestors. */
int bf_virt_checkpoints_order(struct bf_virt_checkpoints *checkpoints, struct bf_error *err);

void bf_virt_checkpoints_release(struct bf_virt_checkpoints *checkpoints);

/** NULL: there is none. */
const struct bf_virt_checkpoint *
bf_virt_checkpoints_find(const struct bf_virt_checkpoints *checkpoints, const char *name);

/** What becomes different at the destination. */
struct bf_virt_adaptation {
    const char *parent;         /* NULL: none */
    const char *const *without; /* targets of disks that the checkpoint no longer has */
    size_t nr_without;
    /* XML of the domain at the destination: name, UUID and emulator are taken from it, and the
     * images of the disks that it has.  NULL: the definition goes without its <domain>. */
    const char *domain_xml;
};

/** The definition for the destination; *ret_xml is the caller's to free().  Errors: INVALID (no
 *  disk would be left, too), NO_MEMORY. */
int bf_virt_checkpoint_adapt(const struct bf_virt_checkpoint *checkpoint,
                             const struct bf_virt_adaptation *adaptation, char **ret_xml,
                             struct bf_error *err);

#endif
