#include "packed.h"

#include <string.h>

uint64_t bf_packed_count(const uint8_t *packed, uint64_t nr_bytes)
{
    uint64_t nr_set = 0;
    uint64_t word = 0;

    for (; nr_bytes >= sizeof word; packed += sizeof word, nr_bytes -= sizeof word) {
        memcpy(&word, packed, sizeof word);
        nr_set += (unsigned)__builtin_popcountll(word);
    }
    word = 0;
    memcpy(&word, packed, nr_bytes);
    return nr_set + (unsigned)__builtin_popcountll(word);
}

void bf_packed_set(uint8_t *packed, uint64_t from_bit, uint64_t to_bit)
{
    for (; from_bit < to_bit && from_bit % 8 != 0; from_bit++)
        packed[from_bit / 8] |= (uint8_t)(1U << (from_bit % 8));
    if (to_bit - from_bit >= 8 && from_bit < to_bit) {
        memset(packed + from_bit / 8, 0xff, (to_bit - from_bit) / 8);
        from_bit += (to_bit - from_bit) / 8 * 8;
    }
    for (; from_bit < to_bit; from_bit++)
        packed[from_bit / 8] |= (uint8_t)(1U << (from_bit % 8));
}
