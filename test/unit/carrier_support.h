/** What the tests of writer and view share: chance, shadow bitmaps, and a carrier read back. */
#ifndef TEST_CARRIER_SUPPORT_H
#define TEST_CARRIER_SUPPORT_H

#include "carrier/reader.h"
#include "model/bitmap.h"

#include <stddef.h>
#include <stdint.h>

/** xorshift64*: the same chance in every run. */
uint64_t chance(uint64_t *seed, uint64_t below);

/** A bitmap of some shape, from one bit to a few clusters of bits, with clean, dirty and mixed
 * stretches; its length is often at an edge.  @max_disk_bytes limits the disk. */
struct bf_bitmap *random_bitmap(uint64_t *seed, uint64_t max_disk_bytes);

/** Another one for the same disk. */
struct bf_bitmap *random_bitmap_of_disk(uint64_t *seed, uint64_t disk_size_bytes);

/** Clusters of 64 KiB that the L1 table takes. */
uint64_t nr_l1_clusters(uint64_t disk_size_bytes);

/** Read @image, which must live as long as the reader. */
struct bf_reader *open_image(const uint8_t *image, uint64_t size_bytes);

/** Bitmap @index is this one. */
void assert_bitmap(struct bf_reader *reader, uint32_t index, const char *name, bool recording,
                   const struct bf_bitmap *expected);

#endif
