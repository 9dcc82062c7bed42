/** The private folder of a bridge's socket.  It is locked while the bridge is there, so that what a
 *  killed process left is told apart, and goes with the next bridge. */
#ifndef BF_LIBVIRT_BRIDGE_FOLDER_H
#define BF_LIBVIRT_BRIDGE_FOLDER_H

#include "base/error.h"

enum { BF_BRIDGE_FOLDER_MAX = 63 };

struct bf_bridge_folder {
    char path[BF_BRIDGE_FOLDER_MAX + 1]; /* "": none */
    int fd;                              /* holds the lock */
};

int bf_bridge_folder_make(struct bf_bridge_folder *ret_folder, struct bf_error *err);

/** With the socket in it. */
void bf_bridge_folder_remove(struct bf_bridge_folder *folder);

#endif
