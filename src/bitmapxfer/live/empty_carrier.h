/** A qcow2 image with nothing in it: what QEMU spills bitmaps into. */
#ifndef LIVE_EMPTY_CARRIER_H
#define LIVE_EMPTY_CARRIER_H

#include "live/session.h"

/** Make the file, for QEMU's user where we are root.  Errors: EXISTS, LIMIT (larger than QEMU
 *  opens), PERMISSION, NO_SPACE, IO; nothing is left then. */
int bf_empty_carrier_make(const char *path, uint64_t virtual_size_bytes,
                          const struct bf_live_identity *owner, struct bf_error *err);

/** Let QEMU's user have the file, where we are root and it is another's. */
int bf_carrier_give(int fd, const char *path, const struct bf_live_identity *owner,
                    struct bf_error *err);

#endif
