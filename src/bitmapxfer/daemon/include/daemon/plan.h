/** What an orchestrator asks for: which VM, where its QEMU is, where it goes.
 *
 * It comes from a client as JSON and is kept in the move's journal in the same form.
 */
#ifndef DAEMON_PLAN_H
#define DAEMON_PLAN_H

#include "base/error.h"
#include "model/checkpoints.h"
#include "modes/facts.h"

#include <jansson.h>
#include <stdbool.h>

enum {
    BF_PLAN_VM_MAX_BYTES = 255,
    BF_PLAN_UUID_CHARS = 36,
    BF_PLAN_SOCKET_MAX_BYTES = 107, /* sun_path less its NUL */
    BF_PLAN_PEER_MAX_BYTES = 262,   /* a host name of 253, brackets, a port */
    BF_PLAN_NODE_MAX_BYTES = 31,    /* QEMU: BlockDriverState.node_name */
    BF_PLAN_IMAGE_MAX_BYTES = 4095, /* PATH_MAX less its NUL */
    BF_PLAN_DISKS_MAX = 256,
    BF_PLAN_URI_MAX_BYTES = 1023,
};

/** How the source's bits are read (DESIGN.md, "Measured building blocks"). */
enum bf_read_method {
    BF_READ_AUTO,
    BF_READ_SPILL,
    BF_READ_BLOCK_STATUS,
    BF_NR_READ_METHODS,
};

/** When the snapshots are taken and travel, where the storage is mirrored. */
enum bf_snapshots {
    BF_SNAPSHOTS_AUTO,  /* early, where that does not hold up the guest (docs/facts.md) */
    BF_SNAPSHOTS_EARLY, /* while the mirrors copy */
    BF_SNAPSHOTS_READY, /* when they are ready */
    BF_NR_SNAPSHOTS,
};

/** How what is written after the snapshots is caught (DESIGN.md, "The hand-over"). */
enum bf_handover {
    BF_HANDOVER_AUTO,    /* tracker; of a libvirt domain native */
    BF_HANDOVER_TRACKER, /* the storage is mirrored, through QEMU's nodes at the destination */
    BF_HANDOVER_FREEZE,  /* it is copied by other means: the last writes travel at the pause */
    BF_HANDOVER_NATIVE,  /* QEMU brings the bitmaps itself: they are judged on arrival */
    BF_NR_HANDOVERS,
};

struct bf_plan_disk {
    char *name;
    char *node;  /* QEMU's node name; NULL: a shut-off image */
    char *image; /* its path, absolute; NULL: a node */
};

/** A disk of which a person says how it goes. */
struct bf_plan_mode {
    char *disk;
    enum bf_mode mode;
};

struct bf_plan {
    char *vm;
    char uuid[BF_PLAN_UUID_CHARS + 1]; /* in lower case */
    char *qmp;     /* path of QEMU's QMP socket, absolute; NULL: there is a @domain, or the VM is
                      shut off */
    char *domain;  /* libvirt's name or UUID of it; or NULL */
    char *connect; /* libvirt's URI; NULL: its default */
    char *peer;    /* HOST, HOST:PORT or [ADDRESS]:PORT; NULL at the destination */
    enum bf_read_method read;
    enum bf_snapshots snapshots;
    enum bf_handover handover;
    struct bf_plan_disk *disks; /* none: the driver asks QEMU */
    size_t nr_disks;
    struct bf_plan_mode *modes; /* the others are decided by what is found */
    size_t nr_modes;
    bool no_repair; /* source: what a failed native transfer did to bitmaps is only reported */
    bool no_hold;   /* source: bitmaps keep their names while the guest migrates */
    struct bf_checkpoints checkpoints; /* source: what its bitmaps are for; settled */
};

/** What is wished for @disk: AUTO if nothing is. */
enum bf_mode bf_plan_mode(const struct bf_plan *plan, const char *disk);

void bf_plan_release(struct bf_plan *plan);

/** @object may come from anyone; keys that are not a plan's are the caller's to judge.  @with_peer:
 *  a source's plan, which needs a peer and may choose `read`, `snapshots` and `handover`; else
 *  these are refused.  Errors: INVALID, LIMIT, NO_MEMORY; *ret_plan is then empty. */
int bf_plan_from_json(const json_t *object, bool with_peer, struct bf_plan *ret_plan,
                      struct bf_error *err);

/** The keys that say which VM, "vm" and "uuid", and nothing else.  Errors: INVALID, NO_MEMORY. */
int bf_plan_read_vm(const json_t *object, struct bf_plan *plan, struct bf_error *err);

/** Is the VM shut off, so that its images are what there is? */
bool bf_plan_is_shut_off(const struct bf_plan *plan);

/** Is @key one of a plan's?  */
bool bf_plan_has_key(const char *key, bool with_peer);

/** Put the plan's keys into @object.  False: no memory. */
bool bf_plan_to_json(const struct bf_plan *plan, json_t *object);

/** Do both ask for the very same thing? */
bool bf_plan_equal(const struct bf_plan *a, const struct bf_plan *b);

/** "auto", "spill", "block-status". */
const char *bf_read_method_name(enum bf_read_method method);

#endif
