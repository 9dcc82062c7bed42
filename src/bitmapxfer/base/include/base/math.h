/** Small unsigned arithmetic that the whole project shares. */
#ifndef BASE_MATH_H
#define BASE_MATH_H

#include <stdbool.h>
#include <stdint.h>

static inline uint64_t bf_min_u64(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static inline uint64_t bf_max_u64(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

/** ceil(@dividend / @divisor) without overflow. */
static inline uint64_t bf_div_round_up_u64(uint64_t dividend, uint64_t divisor)
{
    return dividend / divisor + (dividend % divisor != 0);
}

static inline bool bf_is_power_of_two_u64(uint64_t value)
{
    return value != 0 && (value & (value - 1)) == 0;
}

#endif
