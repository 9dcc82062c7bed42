/** Bits that are computed, of any size, without memory: what the tests write and expect. */
#ifndef TOOLS_PATTERN_H
#define TOOLS_PATTERN_H

#include "model/bits.h"

#include <stdbool.h>
#include <stdint.h>

enum pattern_kind {
    PATTERN_CLEAN,
    PATTERN_DIRTY,
    PATTERN_ALTERNATE, /* every second bit */
    PATTERN_RANDOM,    /* about one bit in a hundred */
    PATTERN_BLOCKS,    /* 64 KiB clean, dirty or noise, as chance has it; known as such */
    PATTERN_PIECES,    /* the same with 4 KiB */
    PATTERN_SPARSE,    /* one 64 KiB of noise in 4 MiB, the rest clean */
};

struct pattern {
    enum pattern_kind kind;
    struct bf_geometry geometry;
};

bool pattern_parse(const char *name, enum pattern_kind *ret_kind);

/** @pattern must outlive the result. */
struct bf_bits pattern_bits(struct pattern *pattern);

#endif
