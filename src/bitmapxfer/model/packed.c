#include "packed.h"

#include <string.h>

enum {
    WORD_BYTES = 8,
    BLOCK_WORDS = 16, /* of 8 bits a byte: below the 255 that a byte can count */
};

/* Sixteen words at once, counted byte by byte.  Without a machine instruction for it, which
 * portable code does not have, this takes a third of the time of __builtin_popcountll(). */
static uint64_t count_block(const uint8_t *packed)
{
    uint64_t sums = 0;

    for (unsigned i = 0; i < BLOCK_WORDS; i++) {
        uint64_t word;

        memcpy(&word, packed + i * sizeof word, sizeof word);
        word -= word >> 1 & 0x5555555555555555;
        word = (word & 0x3333333333333333) + (word >> 2 & 0x3333333333333333);
        sums += (word + (word >> 4)) & 0x0f0f0f0f0f0f0f0f;
    }
    sums = (sums & 0x00ff00ff00ff00ff) + (sums >> 8 & 0x00ff00ff00ff00ff);
    return sums * 0x0001000100010001 >> 48;
}

uint64_t bf_packed_count(const uint8_t *packed, uint64_t nr_bytes)
{
    const uint64_t block_bytes = (uint64_t)BLOCK_WORDS * WORD_BYTES;
    uint64_t nr_set = 0;

    for (; nr_bytes >= block_bytes; packed += block_bytes, nr_bytes -= block_bytes)
        nr_set += count_block(packed);
    for (; nr_bytes > 0; packed++, nr_bytes--)
        nr_set += (unsigned)__builtin_popcount(*packed);
    return nr_set;
}

void bf_packed_set(uint8_t *packed, uint64_t from_bit, uint64_t to_bit)
{
    while (from_bit < to_bit) {
        if (from_bit % 8 == 0 && to_bit - from_bit >= 8) {
            memset(packed + from_bit / 8, 0xff, (to_bit - from_bit) / 8);
            from_bit += (to_bit - from_bit) / 8 * 8;
        } else {
            packed[from_bit / 8] |= (uint8_t)(1U << (from_bit % 8));
            from_bit++;
        }
    }
}
