/** Which parts of an export are holes, as the server tells it piece by piece, and what to read
 * next.
 *
 *     while not all taken:  ask() a piece -> the server's extent()s -> answered()
 *                           take() what was mapped, in order, while the next piece is asked
 *
 * Pure: no I/O.  Adjacent extents of a kind are joined; a hole shorter than BF_NBD_HOLE_MIN_BYTES
 * between data is read along with it, being cheaper than another request, which also bounds the
 * map.  With ranges, only these are asked for and taken; no piece reaches from one into the next.
 */
#ifndef NBD_MAP_H
#define NBD_MAP_H

#include "base/error.h"
#include "nbd/pull.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    /* One question.  Small, for nbdkit 1.32.5 dies of one of nearly 4 GiB
     * (CVE-2025-47711), and so that an answer is bounded.  The first are smaller still, so that
     * there is soon something to read. */
    BF_NBD_PIECE_BYTES = 64 << 20,
    BF_NBD_FIRST_PIECE_BYTES = 1 << 20,
    BF_NBD_HOLE_MIN_BYTES = 32 << 10,
    /* Of one piece: holes and data in turn, and the ends. */
    BF_NBD_PIECE_RUNS = 2 * (BF_NBD_PIECE_BYTES / BF_NBD_HOLE_MIN_BYTES) + 2,
};

struct bf_nbd_run {
    uint64_t offset_bytes;
    uint64_t nr_bytes;
    bool hole;
};

struct bf_nbd_map {
    uint64_t size_bytes;   /* of the export */
    uint64_t wanted_bytes; /* of it, in all ranges */
    bool has_extents;
    struct bf_nbd_range whole;
    const struct bf_nbd_range *ranges; /* those that were not begun; &whole if none were given */
    size_t nr_ranges;
    uint64_t range_end_bytes;  /* of the one that was begun */
    uint64_t piece_bytes;      /* the largest question for now */
    uint64_t asked_from_bytes; /* the question is about [asked_from, asked) */
    uint64_t asked_bytes;
    uint64_t mapped_bytes;                         /* the answers reach up to here */
    struct bf_nbd_run runs[2 * BF_NBD_PIECE_RUNS]; /* [first, end): mapped and not taken */
    size_t first;
    size_t end;
};

/** @has_extents false: there is nobody to ask, all is data.  @nr_ranges 0: all of the export; else
 * @ranges is borrowed.  Errors: INVALID for ranges that are empty, out of order or overlap,
 * PROTOCOL for an export that ends before they do. */
int bf_nbd_map_init(struct bf_nbd_map *map, uint64_t size_bytes, bool has_extents,
                    const struct bf_nbd_range *ranges, size_t nr_ranges, struct bf_error *err);

/** What to ask the server now; false: nothing. */
bool bf_nbd_map_ask(struct bf_nbd_map *map, uint64_t *ret_offset_bytes, uint64_t *ret_nr_bytes);

/** The next extent of the answer.  What reaches past the question is cut off, as the protocol
 * allows for the last.  Errors: PROTOCOL for an empty one and one that leaves the export. */
int bf_nbd_map_extent(struct bf_nbd_map *map, uint64_t nr_bytes, bool hole, struct bf_error *err);

/** The answer is complete; it may have covered less than was asked.  Errors: PROTOCOL if it
 *  covered nothing. */
int bf_nbd_map_answered(struct bf_nbd_map *map, struct bf_error *err);

/** The next part in order: a hole of any length, or data of at most @max_bytes; false: none is
 * mapped yet. */
bool bf_nbd_map_take(struct bf_nbd_map *map, uint64_t max_bytes, struct bf_nbd_run *ret_run);

#endif
