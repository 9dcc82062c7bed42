/** The file that a carrier is written into: clusters in order, each once, the first one at the end.
 *
 * What is not written stays a hole and reads as zeroes.
 */
#ifndef CARRIER_SINK_H
#define CARRIER_SINK_H

#include "carrier/writer.h"

#include <stdbool.h>
#include <stdint.h>

struct bf_sink {
    int fd;               /* borrowed */
    char *path;           /* owned; for messages */
    uint64_t next_offset; /* where the next cluster goes */
    bool failed;          /* a write failed: the file is good for nothing any more */
    uint64_t buffered_bytes;
    uint8_t buffer[BF_CARRIER_CLUSTER_BYTES];
};

/** @next_offset: where to begin.  Errors: INVALID if @fd is no empty regular file, IO, NO_MEMORY.
 */
int bf_sink_init(struct bf_sink *sink, int fd, const char *path, uint64_t next_offset,
                 struct bf_error *err);
void bf_sink_release(struct bf_sink *sink);

/* The errors of all that follow are NO_SPACE and IO, and the sink has failed then. */

/** Write at most a cluster at next_offset, and go on with the cluster behind it. */
int bf_sink_write_cluster(struct bf_sink *sink, const uint8_t *bytes, uint64_t nr_bytes,
                          struct bf_error *err);

/** The same for a structure of any length that comes in small pieces, put ... put, end_put. */
int bf_sink_put(struct bf_sink *sink, const uint8_t *bytes, uint64_t nr_bytes,
                struct bf_error *err);
int bf_sink_end_put(struct bf_sink *sink, struct bf_error *err);

/** Make everything durable, and only then write and make durable the beginning of the first
 * cluster. The file ends with the last cluster. */
int bf_sink_finish(struct bf_sink *sink, const uint8_t *header, uint64_t nr_bytes,
                   struct bf_error *err);

#endif
