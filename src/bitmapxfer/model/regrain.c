#include "model/transform.h"

#include "base/math.h"
#include "packed.h"
#include "window.h"

#include <endian.h>
#include <string.h>

/* The granularities differ by a factor of 2^shift, so byte i of the coarse bits is made of, or
 * makes, the bytes [i << shift, (i + 1) << shift) of the fine ones: everything stays on whole
 * bytes. */
static unsigned shift_between(uint64_t fine_bytes, uint64_t coarse_bytes)
{
    return (unsigned)__builtin_ctzll(coarse_bytes) - (unsigned)__builtin_ctzll(fine_bytes);
}

/* 64 bits to 32: a bit is set if one of its pair was. */
static uint64_t halve(uint64_t word)
{
    word = (word | word >> 1) & 0x5555555555555555;
    word = (word | word >> 1) & 0x3333333333333333;
    word = (word | word >> 2) & 0x0f0f0f0f0f0f0f0f;
    word = (word | word >> 4) & 0x00ff00ff00ff00ff;
    word = (word | word >> 8) & 0x0000ffff0000ffff;
    return (word | word >> 16) & 0x00000000ffffffff;
}

/* 32 bits to 64: every bit becomes a pair. */
static uint64_t twice(uint64_t word)
{
    word = (word | word << 16) & 0x0000ffff0000ffff;
    word = (word | word << 8) & 0x00ff00ff00ff00ff;
    word = (word | word << 4) & 0x0f0f0f0f0f0f0f0f;
    word = (word | word << 2) & 0x3333333333333333;
    word = (word | word << 1) & 0x5555555555555555;
    return word | word << 1;
}

/* Add the 64 fine bits from @fine_bit on, which is a multiple of 64, to the coarse @buf. */
static void coarsen_word(uint8_t *buf, unsigned shift, uint64_t fine_bit, uint64_t word)
{
    uint64_t bit = fine_bit >> shift;

    if (shift >= 6)
        word = word != 0;
    else if (word == UINT64_MAX)
        word >>= 64 - (64 >> shift);
    else
        for (unsigned i = 0; i < shift && word != 0; i++)
            word = halve(word);
    for (; word != 0; word >>= 8, bit += 8)
        buf[bit / 8] |= (uint8_t)(word << (bit % 8));
}

/* @window lies @at_bytes behind the first fine byte that @buf is made of. */
static void coarsen_window(uint8_t *buf, unsigned shift, uint64_t at_bytes,
                           const struct bf_window *window)
{
    uint64_t nr_words = bf_div_round_up_u64(window->nr_bytes, 8);

    for (uint64_t i = 0; i < nr_words; i++) {
        if (window->words[i] != 0)
            coarsen_word(buf, shift, at_bytes * 8 + i * 64, window->words[i]);
    }
}

/* As coarsen_window() for a stretch without a clean bit.  The padding that it may reach into sets
 * at most padding, which bf_bits_read() clears: each word that the stretch covers has bits of the
 * disk. */
static void coarsen_dirty(uint8_t *buf, unsigned shift, uint64_t at_bytes, uint64_t nr_bytes)
{
    bf_packed_set(buf, at_bytes * 8 >> shift, (((at_bytes + nr_bytes) * 8 - 1) >> shift) + 1);
}

static int read_coarser(const struct bf_regrain *regrain, unsigned shift, uint64_t offset_bytes,
                        uint8_t *buf, uint64_t nr_bytes, struct bf_error *err)
{
    uint64_t start = offset_bytes << shift;
    uint64_t end = bf_min_u64(start + (nr_bytes << shift),
                              bf_geometry_packed_bytes(&regrain->source.geometry));
    struct bf_window window;

    memset(buf, 0, nr_bytes);
    for (uint64_t at = start; at < end; at += window.nr_bytes) {
        int r = bf_window_next(&window, &regrain->source, at, end - at, err);
        if (r < 0)
            return r;
        if (window.kind == BF_RUN_MIXED)
            coarsen_window(buf, shift, at - start, &window);
        else if (window.kind == BF_RUN_DIRTY)
            coarsen_dirty(buf, shift, at - start, window.nr_bytes);
    }
    return 0;
}

/* Word @index of the fine bits that the coarse @words make. */
static uint64_t refine_word(const uint64_t *words, unsigned shift, uint64_t index)
{
    uint64_t bit = index * 64 >> shift;
    uint64_t word = words[bit / 64] >> (bit % 64);

    if (shift >= 6)
        return (word & 1) != 0 ? UINT64_MAX : 0;
    word &= UINT64_MAX >> (64 - (64 >> shift));
    for (unsigned i = 0; i < shift && word != 0; i++)
        word = twice(word);
    return word;
}

/* Fill @buf with the fine bytes from @at_bytes on, counted from the first that @window makes. */
static void refine_window(uint8_t *buf, unsigned shift, uint64_t at_bytes, uint64_t nr_bytes,
                          const struct bf_window *window)
{
    while (nr_bytes > 0) {
        uint64_t word = htole64(refine_word(window->words, shift, at_bytes / 8));
        uint64_t skip = at_bytes % 8;
        uint64_t nr = bf_min_u64(8 - skip, nr_bytes);

        if (nr == 8)
            memcpy(buf, &word, 8); /* a constant length compiles to one store */
        else
            memcpy(buf, (const uint8_t *)&word + skip, nr);
        buf += nr;
        at_bytes += nr;
        nr_bytes -= nr;
    }
}

static int read_finer(const struct bf_regrain *regrain, unsigned shift, uint64_t offset_bytes,
                      uint8_t *buf, uint64_t nr_bytes, struct bf_error *err)
{
    uint64_t end = offset_bytes + nr_bytes;
    struct bf_window window;

    for (uint64_t at = offset_bytes; at < end;) {
        uint64_t coarse = at >> shift;
        uint64_t stop;
        int r = bf_window_next(&window, &regrain->source, coarse, ((end - 1) >> shift) + 1 - coarse,
                               err);
        if (r < 0)
            return r;
        stop = bf_min_u64((coarse + window.nr_bytes) << shift, end);
        if (window.kind == BF_RUN_MIXED)
            refine_window(buf, shift, at - (coarse << shift), stop - at, &window);
        else
            memset(buf, window.kind == BF_RUN_DIRTY ? 0xff : 0, stop - at);
        buf += stop - at;
        at = stop;
    }
    return 0;
}

static int regrain_read(void *ctx, uint64_t offset_bytes, uint8_t *buf, uint64_t nr_bytes,
                        struct bf_error *err)
{
    const struct bf_regrain *regrain = ctx;
    uint64_t from = regrain->source.geometry.granularity_bytes;
    uint64_t to = regrain->geometry.granularity_bytes;

    if (to > from)
        return read_coarser(regrain, shift_between(from, to), offset_bytes, buf, nr_bytes, err);
    if (to < from)
        return read_finer(regrain, shift_between(to, from), offset_bytes, buf, nr_bytes, err);
    return bf_bits_read(&regrain->source, offset_bytes, buf, nr_bytes, err);
}

static int run_coarser(const struct bf_regrain *regrain, unsigned shift, uint64_t offset_bytes,
                       uint64_t max_bytes, enum bf_run_kind *ret_kind, uint64_t *ret_nr_bytes,
                       struct bf_error *err)
{
    uint64_t source_bytes = bf_geometry_packed_bytes(&regrain->source.geometry);
    uint64_t start = offset_bytes << shift;
    uint64_t left;
    int r;

    *ret_kind = BF_RUN_CLEAN; /* behind the source there is only padding */
    *ret_nr_bytes = max_bytes;
    if (start >= source_bytes)
        return 0;
    left = bf_min_u64(max_bytes << shift, source_bytes - start);
    r = bf_bits_run(&regrain->source, start, left, ret_kind, ret_nr_bytes, err);
    if (r < 0)
        return r;
    *ret_nr_bytes = *ret_nr_bytes == left ? max_bytes : *ret_nr_bytes >> shift;
    if (*ret_nr_bytes == 0) {
        *ret_kind = BF_RUN_MIXED;
        *ret_nr_bytes = 1;
    }
    return 0;
}

static int run_finer(const struct bf_regrain *regrain, unsigned shift, uint64_t offset_bytes,
                     uint64_t max_bytes, enum bf_run_kind *ret_kind, uint64_t *ret_nr_bytes,
                     struct bf_error *err)
{
    uint64_t coarse = offset_bytes >> shift;
    uint64_t coarse_end = ((offset_bytes + max_bytes - 1) >> shift) + 1;
    uint64_t nr_bytes;
    int r = bf_bits_run(&regrain->source, coarse, coarse_end - coarse, ret_kind, &nr_bytes, err);

    if (r < 0)
        return r;
    *ret_nr_bytes = bf_min_u64(((coarse + nr_bytes) << shift) - offset_bytes, max_bytes);
    return 0;
}

static int regrain_run(void *ctx, uint64_t offset_bytes, uint64_t max_bytes,
                       enum bf_run_kind *ret_kind, uint64_t *ret_nr_bytes, struct bf_error *err)
{
    const struct bf_regrain *regrain = ctx;
    uint64_t from = regrain->source.geometry.granularity_bytes;
    uint64_t to = regrain->geometry.granularity_bytes;

    if (to > from)
        return run_coarser(regrain, shift_between(from, to), offset_bytes, max_bytes, ret_kind,
                           ret_nr_bytes, err);
    return run_finer(regrain, shift_between(to, from), offset_bytes, max_bytes, ret_kind,
                     ret_nr_bytes, err);
}

int bf_regrain_init(struct bf_regrain *regrain, const struct bf_bits *source,
                    uint64_t granularity_bytes, struct bf_bits *ret_bits, struct bf_error *err)
{
    static const struct bf_bits_ops ops = {.read = regrain_read, .run = regrain_run};
    struct bf_geometry geometry = source->geometry;
    int r;

    geometry.granularity_bytes = granularity_bytes;
    r = bf_geometry_check(&geometry, err);
    if (r < 0)
        return r;
    *regrain = (struct bf_regrain){.source = *source, .geometry = geometry};
    *ret_bits = (struct bf_bits){.ops = &ops, .ctx = regrain, .geometry = geometry};
    return 0;
}
