/** What two QEMUs say of a VM's disks: all that is known when it is decided how each bitmap goes.
 *
 * Strings and arrays are borrowed from whoever gathered them; "" means: not known, or none.
 */
#ifndef MODES_FACTS_H
#define MODES_FACTS_H

#include <stdbool.h>
#include <stdint.h>

/** How the data of a disk, and with them perhaps its bitmaps, come to the destination. */
enum bf_mode {
    BF_MODE_AUTO,   /* a wish only: decide by the facts */
    BF_MODE_SHARED, /* both hosts open one image; QEMU stores persistent bitmaps in it */
    BF_MODE_STREAM, /* QEMU's migration stream carries the bitmaps (`dirty-bitmaps`) */
    BF_MODE_NBD,    /* a mirror carries the data and nobody the bitmaps */
    BF_NR_MODES
};

struct bf_bitmap_facts {
    const char *name;
    uint64_t granularity_bytes;
    bool recording;
    bool persistent;
    bool busy;
    bool inconsistent;
    bool mapped; /* source: in the mapping, or all bitmaps of the node are */
};

/** One image of a disk. */
struct bf_layer_facts {
    const char *node;
    const char *identity; /* the very same image has the same, wherever it is seen from */
    const char *content;  /* copies of one image have the same; of layers that nobody writes */
    const char *bits;     /* images with the same have the same bitmaps; likewise */
    const char *path;     /* for people; of layers likewise */
    uint64_t size_bytes;
    bool stores; /* the format can store bitmaps (qcow2 v3) */
    const struct bf_bitmap_facts *bitmaps;
    uint32_t nr_bitmaps;
};

struct bf_disk_facts {
    const char *name;   /* what people call it: "vda" */
    const char *serial; /* of the guest's device */
    const char *alias;  /* in the migration stream, where bitmaps of this disk would go by it */
    const char *mirror; /* source: the export that a mirror job of this disk writes to */
    const char *export; /* destination: an NBD export of the node, or above it, by its id */
    bool mirrored;      /* source: such a job is there, @mirror known or not */
    bool named;         /* a person said that this is the disk: its name is proof enough */
    enum bf_mode wish;  /* source */
    const struct bf_layer_facts *layers; /* top first; at least one */
    uint32_t nr_layers;
};

struct bf_vm_facts {
    const struct bf_disk_facts *disks;
    uint32_t nr_disks;
    bool dirty_bitmaps; /* the capability */
    bool mapping;       /* `block-bitmap-mapping` is set: what is not in it stays */
    bool block;         /* `migrate` copies the disks (QEMU up to 9.0) */
    bool pauses;        /* source: `pause-before-switchover`, or the orchestrator says when */
    uint64_t downtime_limit_ms; /* source */
    uint64_t bandwidth_bytes_s; /* source: `avail-switchover-bandwidth`, else `max-bandwidth` */
};

#endif
