/** What people know of a VM's checkpoints, whoever keeps it (libvirt, or an orchestrator's own
 *  list): names, parents, times, and which disk had which bitmap.  Whether a backup since one of
 *  them can be incremental is in model/coverage.h.
 *
 * Two styles of chain, and both are in use:
 *
 *     nested (libvirt)                 links (classic QEMU)
 *     creation  c1    c2   active      creation  c1    c2   active
 *               |==== c1 ======>                 |= c1 =|
 *                     |== c2 ==>                        |== c2 =>
 *
 * Nested: each bitmap records from its checkpoint on and is enough by itself.  Links: each holds
 * what changed from its checkpoint to the next, only the newest records, and a backup needs all
 * from its checkpoint on; to delete a checkpoint is to merge its bitmap into the one before.
 */
#ifndef MODEL_CHECKPOINTS_H
#define MODEL_CHECKPOINTS_H

#include "base/error.h"

#include <stddef.h>
#include <stdint.h>

enum bf_chain_style {
    BF_CHAIN_NESTED,
    BF_CHAIN_LINKS,
};

enum {
    BF_CHECKPOINTS_MAX = 4096,      /* one an hour, for half a year */
    BF_CHECKPOINT_DISKS_MAX = 1024, /* far above what QEMU can attach to one VM */
    BF_CHECKPOINT_NAME_MAX = 1023,  /* bytes; that of a bitmap, as libvirt names one by the other */
};

#define BF_NO_CHECKPOINT SIZE_MAX
#define BF_NO_TIME       INT64_MIN

struct bf_checkpoint_disk {
    char *disk;   /* "vda" */
    char *bitmap; /* on that disk; often the checkpoint's own name */
};

struct bf_checkpoint {
    char *name;          /* 1 to BF_CHECKPOINT_NAME_MAX bytes */
    char *parent;        /* NULL: none.  It may name one that is not (any more) in the set */
    int64_t time_unix_s; /* BF_NO_TIME: not known */
    struct bf_checkpoint_disk *disks; /* those that were there, and were part of it */
    size_t nr_disks;
    /* After bf_checkpoints_settle(): indices, or BF_NO_CHECKPOINT. */
    size_t parent_index;
    size_t next_index; /* links: the one that has this for its parent */
};

struct bf_checkpoints {
    enum bf_chain_style style;
    struct bf_checkpoint *items;
    size_t nr_items;
};

/** Append; strings are copied (@parent may be NULL).  *ret_checkpoint (may be NULL) is valid until
 *  the next append.  Errors: INVALID (a name out of shape), EXISTS, LIMIT, NO_MEMORY; @checkpoints
 *  is unchanged then. */
int bf_checkpoints_add(struct bf_checkpoints *checkpoints, const char *name, const char *parent,
                       int64_t time_unix_s, struct bf_checkpoint **ret_checkpoint,
                       struct bf_error *err);

/** Errors: as above; EXISTS for a disk that is there already. */
int bf_checkpoint_add_disk(struct bf_checkpoint *checkpoint, const char *disk, const char *bitmap,
                           struct bf_error *err);

/** Bring them in order (parents first, older before newer, else as added) and fill in the indices.
 *  Errors: INVALID if some are their own ancestors, or, of links, if one is the parent of two;
 *  NO_MEMORY. */
int bf_checkpoints_settle(struct bf_checkpoints *checkpoints, struct bf_error *err);

void bf_checkpoints_release(struct bf_checkpoints *checkpoints);

/** Its index, or BF_NO_CHECKPOINT. */
size_t bf_checkpoints_find(const struct bf_checkpoints *checkpoints, const char *name);

/** The bitmap of @disk, or NULL if that was no part of it. */
const char *bf_checkpoint_bitmap(const struct bf_checkpoint *checkpoint, const char *disk);

const char *bf_chain_style_name(enum bf_chain_style style); /* "nested", "links" */

#endif
