/** A bitmap of QEMU, read as NBD block status, into a carrier of ours.
 *
 * For QEMUs that may not open a file of ours.  Blocks: for a thread of its own.
 */
#ifndef SOURCE_STATUS_BITS_H
#define SOURCE_STATUS_BITS_H

#include "model/summary.h"

#include <stdatomic.h>

struct source_status_bits {
    const char *socket_path; /* of QEMU's NBD server */
    const char *export_name;
    const char *bitmap; /* as exported: the meta context is "qemu:dirty-bitmap:" and this */
    const char *path;   /* of the carrier; a file there is replaced */
    const char *name;   /* of the bitmap in it */
    struct bf_geometry geometry;
    uint64_t deadline_ms; /* for a stretch without an answer */
    const atomic_bool *stop;
};

/** Errors: PEER, DEADLINE, PROTOCOL, INTERRUPTED (@stop), UNSUPPORTED (QEMU does not show the
 *  bitmap), those of carrier/writer.h; no file is left. */
int source_status_bits_read(const struct source_status_bits *from, struct bf_summary *ret_summary,
                            struct bf_error *err);

#endif
