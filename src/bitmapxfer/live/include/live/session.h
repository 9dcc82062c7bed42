/** A QMP connection to one running QEMU that is known to be the right one.
 *
 *     open -> ready(identity) -> operations, events -> [closed(err)] -> bf_live_close()
 */
#ifndef LIVE_SESSION_H
#define LIVE_SESSION_H

#include "live/end.h"
#include "qmp/client.h"

#include <sys/types.h>

enum {
    BF_LIVE_UUID_CHARS = 36,
    BF_LIVE_START_MAX = 95,
    BF_LIVE_NODE_NAME_MAX = 31,      /* QEMU: BlockDriverState.node_name */
    BF_LIVE_TAG_CHARS = 32,          /* a move's id in hexadecimal digits */
    BF_LIVE_QEMU_GONE_AFTER_MS = 20, /* see bf_live_is_gone() */
};

/** What a QEMU says of itself. */
struct bf_live_identity {
    char name[256];                    /* "" if it has none */
    char uuid[BF_LIVE_UUID_CHARS + 1]; /* lower case; all zeroes if none was given; "" from
                                          qemu-storage-daemon */
    char status[32];                   /* query-status: "running", "inmigrate", ...; "" likewise */
    bool running;
    struct bf_qmp_version version;
    /* This very start of it: pid and start time of the process that listens on the socket, and the
     * socket's device, inode and birth.  Opaque, for comparison only. */
    char start[BF_LIVE_START_MAX + 1];
    pid_t pid; /* of the process that listens; 0 if it is not seen from here */
    uid_t uid; /* likewise; files that QEMU shall write must be its own */
    gid_t gid;
};

struct bf_live_target {
    const char *socket_path;
    const char *uuid;  /* NULL or "": any */
    const char *start; /* as of an earlier identity; NULL or "": any */
    const char *tag;   /* the move's id, BF_LIVE_TAG_CHARS hexadecimal digits: names of our nodes
                          and exports in QEMU are made from it */
};

struct bf_live;

struct bf_live_handlers {
    /** @err NULL: ready.  Else the session is of no use any more: errors of bf_qmp_open_path(), and
     *  NOT_FOUND where the QEMU behind the socket is another one than wanted. */
    void (*ready)(void *ctx, const struct bf_live_identity *identity, const struct bf_error *err);
    /** Every event of QEMU after the connection was made; a watch (live/watch.h) reads them by
     *  itself. */
    void (*event)(void *ctx, const char *name, const json_t *data);
    /** As of struct bf_qmp_handlers. */
    void (*closed)(void *ctx, const struct bf_error *err);
    void *ctx;
    /** Likewise. */
    void (*answered)(void *ctx, const char *command, uint64_t took_us);
};

/** Connect and identify.  @target and @handlers (each may be NULL) are copied.  Errors at once:
 *  NO_MEMORY, INVALID, PEER (nobody listens), PERMISSION; later ones go to `ready`. */
int bf_live_open(uv_loop_t *loop, const struct bf_live_target *target, uint64_t deadline_ms,
                 const struct bf_live_handlers *handlers, struct bf_live **ret_live,
                 struct bf_error *err);

/** Valid once ready. */
const struct bf_live_identity *bf_live_identity(const struct bf_live *live);

/** The client underneath, for what has no operation here. */
struct bf_qmp *bf_live_qmp(const struct bf_live *live);

/** Leave QEMU's main loop to the guest for some milliseconds whenever the commands of operations
 *  have held it for long: for what has time.  Commands back to back make each of the guest's writes
 *  wait for several of them (docs/measured.md). */
void bf_live_set_rests(struct bf_live *live, bool rests);

/** Is the process that started as @start (a bf_live_identity's) gone?  False when that cannot be
 *  told.  For after the connection was lost: give the kernel BF_LIVE_QEMU_GONE_AFTER_MS, then ask.
 */
bool bf_live_is_gone(const char *start);

/** Operations under way end with INTERRUPTED (UNKNOWN), their watches are told nothing more; freed
 *  by the loop.  Watches must have been freed before. */
void bf_live_close(struct bf_live *live);

#endif
