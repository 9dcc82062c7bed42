/** Bytes in, lines out.  Pure: no fd, no loop.
 *
 *     reserve() -> read into the space -> commit() -> next() until it returns 0 -> reserve() ...
 *
 * A line ends with "\n" or "\r\n" and may hold anything else, NUL bytes included.  The buffer grows
 * to the line and no further than the cap; what one huge line needed is given back after it.
 */
#ifndef QMP_FRAMING_H
#define QMP_FRAMING_H

#include <stddef.h>

struct bf_qmp_framing {
    char *bytes;
    size_t capacity_bytes;
    size_t start, end; /* what is not given out yet */
    size_t searched;   /* no newline between start and here */
    size_t line_max_bytes;
};

/** @line_max_bytes is the longest line that passes, its end not counted. */
void bf_qmp_framing_init(struct bf_qmp_framing *framing, size_t line_max_bytes);
void bf_qmp_framing_release(struct bf_qmp_framing *framing);

/** Space of at least one byte to read into.  Lines given out before become invalid.
 *  Errors: -ENOMEM, -E2BIG (next() was not asked until it returned 0). */
int bf_qmp_framing_reserve(struct bf_qmp_framing *framing, char **ret_space,
                           size_t *ret_space_bytes);

/** The first @nr_bytes of the space are filled. */
void bf_qmp_framing_commit(struct bf_qmp_framing *framing, size_t nr_bytes);

/** 1 and a line (borrowed until the next reserve(), no NUL behind it); 0: not yet; -E2BIG: longer
 *  than the cap, known as soon as the byte too many is there. */
int bf_qmp_framing_next(struct bf_qmp_framing *framing, const char **ret_line,
                        size_t *ret_line_bytes);

#endif
