/** What the tests of the model believe: a bitmap as an array of bool, and nothing clever.
 *
 * Random tests are repeatable: each round has a seed, and what fails names it.
 */
#ifndef SHADOW_H
#define SHADOW_H

#include "model/bits.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

struct rng {
    uint64_t seed;
    uint64_t state;
};

/** Begin a round; @seed is what a failure prints. */
struct rng rng_start(uint64_t seed);
uint64_t rng_next(struct rng *rng);
uint64_t rng_below(struct rng *rng, uint64_t bound);

/** Fail the test unless @what holds, naming the round. */
#define check(rng, what)                                                                           \
    do {                                                                                           \
        if (!(what))                                                                               \
            fail_msg("seed %llu: not so: %s", (unsigned long long)(rng)->seed, #what);             \
    } while (0)

/** A geometry at the edges of words and windows as often as not. */
struct bf_geometry random_geometry(struct rng *rng);

struct shadow {
    struct bf_geometry geometry;
    uint64_t nr_bits;
    bool *dirty;
};

struct shadow shadow_new(const struct bf_geometry *geometry);
void shadow_release(struct shadow *shadow);

/** Dirty bits in some pattern: none, all, single ones, long runs, noise. */
struct shadow shadow_random(const struct bf_geometry *geometry, struct rng *rng);

/** The packed bytes, bit by bit; the caller frees them. */
uint8_t *shadow_pack(const struct shadow *shadow, uint64_t *ret_nr_bytes);

/** A source over a shadow.  It tells runs byte by byte where it feels like it, cuts them anywhere,
 * and leaves ones in the padding. */
struct shadow_source {
    const struct shadow *shadow;
    struct rng rng;
    unsigned mixed_percent; /* how often it pretends to know nothing */
    uint64_t nr_read_bytes;
    int fail_after; /* this many calls succeed; negative: all */
};

struct bf_bits shadow_bits(struct shadow_source *source, const struct shadow *shadow,
                           uint64_t seed);

/** @bits is the bitmap @expected, however it is read, and claims nothing false about runs. */
void check_bits(struct rng *rng, const struct bf_bits *bits, const struct shadow *expected);

#endif
