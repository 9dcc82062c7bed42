/** Packed bits in memory: counting, setting and crossing the byte order. */
#ifndef PACKED_H
#define PACKED_H

#include <stdint.h>

/** How many bits are set in @nr_bytes bytes at any address. */
uint64_t bf_packed_count(const uint8_t *packed, uint64_t nr_bytes);

/** Set the bits [from, to). */
void bf_packed_set(uint8_t *packed, uint64_t from_bit, uint64_t to_bit);

#endif
