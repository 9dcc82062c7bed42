/** The staged image as a blob: the overlay where it holds something, the image file below it. */
#ifndef STAGED_BLOB_H
#define STAGED_BLOB_H

#include "carrier/blob.h"
#include "stage.h"

/** Everything is borrowed and must outlive the blob; nobody may have the overlay open. */
int bf_staged_blob_new(const struct bf_stage *stage, int overlay_fd,
                       const struct bf_staged_extent *extents, size_t nr_extents,
                       struct bf_blob **ret_blob, struct bf_error *err);

/** @nr_bytes of a staged extent from @skip_bytes on, as QEMU wrote them. */
int bf_staged_read_new(int overlay_fd, const struct bf_staged_extent *extent, uint64_t skip_bytes,
                       uint8_t *buf, uint64_t nr_bytes, struct bf_error *err);

/** Bytes of the image file as it is; zeroes past its end. */
int bf_staged_read_old(const struct bf_stage *stage, uint64_t offset_bytes, uint8_t *buf,
                       uint64_t nr_bytes, struct bf_error *err);

#endif
