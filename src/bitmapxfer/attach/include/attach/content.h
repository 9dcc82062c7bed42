/** Two digests that say of a shut-off image what can be said without reading all of its data. */
#ifndef ATTACH_CONTENT_H
#define ATTACH_CONTENT_H

#include "base/error.h"
#include "model/summary.h"

/** Which data the image has, as far as its metadata tell: a copy of the file has the same, whatever
 *  bitmaps and backing file names are in either; any other image has another one, as has the same
 *  one after the guest has written to new clusters.  qcow2: size, L1 and L2 tables (of the first
 * 256 MiB of tables); else: size and the first MiB.  Source: docs/interop/qcow2.txt of QEMU,
 * "Header", "Cluster mapping".  Errors: IO, IMAGE_CORRUPT (tables that do not lie in the file). */
int bf_image_data_digest(const char *path, uint8_t ret_sha256[BF_SHA256_BYTES],
                         struct bf_error *err);

/** Was the file touched?  Device, inode, size, and time of the last write.  Errors: IO,
 *  NOT_FOUND. */
int bf_image_stamp(const char *path, uint8_t ret_sha256[BF_SHA256_BYTES], struct bf_error *err);

#endif
