/** Bytes in, lines out, with a cap.  Pure. */
#ifndef DAEMON_LINES_H
#define DAEMON_LINES_H

#include <stddef.h>

struct bf_lines {
    char *bytes; /* owned */
    size_t nr_bytes, capacity_bytes;
    size_t given; /* of these, handed out already */
    size_t line_max_bytes;
};

void bf_lines_init(struct bf_lines *lines, size_t line_max_bytes);
void bf_lines_release(struct bf_lines *lines);

/** Room for more bytes.  Lines handed out before become invalid.  Errors: -E2BIG: the line is
 * longer than the cap; -ENOMEM. */
int bf_lines_reserve(struct bf_lines *lines, char **ret_room, size_t *ret_room_bytes);

/** The first @nr_bytes of the room are filled. */
void bf_lines_commit(struct bf_lines *lines, size_t nr_bytes);

/** The next whole line, without its newline, or NULL.  Borrowed until the next reserve(). */
const char *bf_lines_next(struct bf_lines *lines, size_t *ret_line_bytes);

#endif
