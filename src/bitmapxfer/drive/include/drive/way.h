/** The way to a QEMU that has no QMP socket for us: somebody who stands between (libvirt) makes one
 *  while it is asked to. */
#ifndef DRIVE_WAY_H
#define DRIVE_WAY_H

#include "base/error.h"
#include "live/session.h"

enum { BF_WAY_PATH_MAX = 107 };

struct bf_way_disk {
    char *name; /* "vda" */
    char node[BF_LIVE_NODE_NAME_MAX + 1];
};

struct bf_way_socket {
    char path[BF_WAY_PATH_MAX + 1];
    char start[BF_LIVE_START_MAX + 1]; /* which start of QEMU it is; opaque */
    struct bf_way_disk *disks; /* as people call them; the way's, until it is opened again */
    size_t nr_disks;
};

struct bf_way {
    /** Errors: NOT_FOUND when this QEMU does not run, WORK_IN_PROGRESS when it is hidden until it
     * has arrived, others when it cannot be reached now. */
    int (*open)(void *ctx, struct bf_way_socket *ret_socket, struct bf_error *err);
    void (*close)(void *ctx); /* once for each open() that succeeded */
    void (*free)(void *ctx);  /* not while one of these runs */
    void *ctx;
};

#endif
