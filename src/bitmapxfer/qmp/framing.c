#include "framing.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
    FIRST_CAPACITY_BYTES = 16 << 10, /* most answers fit */
    LINE_END_MAX_BYTES = 2,          /* "\r\n" */
};

static size_t min_size(size_t a, size_t b)
{
    return a < b ? a : b;
}

static void discard_given_out(struct bf_qmp_framing *framing)
{
    size_t pending = framing->end - framing->start;

    if (pending == 0 && framing->capacity_bytes > FIRST_CAPACITY_BYTES) {
        free(framing->bytes);
        framing->bytes = NULL;
        framing->capacity_bytes = 0;
    }
    if (pending > 0 && framing->start > 0)
        memmove(framing->bytes, framing->bytes + framing->start, pending);
    framing->searched -= framing->start;
    framing->end = pending;
    framing->start = 0;
}

static int grow(struct bf_qmp_framing *framing)
{
    size_t capacity = framing->capacity_bytes * 2;
    char *bytes;

    if (capacity == 0)
        capacity = FIRST_CAPACITY_BYTES;
    capacity = min_size(capacity, framing->line_max_bytes + LINE_END_MAX_BYTES);
    if (capacity <= framing->capacity_bytes)
        return -E2BIG;
    bytes = realloc(framing->bytes, capacity);
    if (!bytes)
        return -ENOMEM;
    framing->bytes = bytes;
    framing->capacity_bytes = capacity;
    return 0;
}

/* The length of the line without a '\r' at its end; where the newline is still missing, a '\r' may
 * yet turn out to be a part of the line's end. */
static size_t content_bytes(const char *line, size_t line_bytes)
{
    return line_bytes > 0 && line[line_bytes - 1] == '\r' ? line_bytes - 1 : line_bytes;
}

void bf_qmp_framing_init(struct bf_qmp_framing *framing, size_t line_max_bytes)
{
    *framing = (struct bf_qmp_framing){.line_max_bytes = line_max_bytes};
}

void bf_qmp_framing_release(struct bf_qmp_framing *framing)
{
    free(framing->bytes);
    bf_qmp_framing_init(framing, framing->line_max_bytes);
}

int bf_qmp_framing_reserve(struct bf_qmp_framing *framing, char **ret_space,
                           size_t *ret_space_bytes)
{
    discard_given_out(framing);
    if (framing->end == framing->capacity_bytes) {
        int r = grow(framing);
        if (r < 0)
            return r;
    }
    *ret_space = framing->bytes + framing->end;
    *ret_space_bytes = framing->capacity_bytes - framing->end;
    return 0;
}

void bf_qmp_framing_commit(struct bf_qmp_framing *framing, size_t nr_bytes)
{
    framing->end += nr_bytes;
}

int bf_qmp_framing_next(struct bf_qmp_framing *framing, const char **ret_line,
                        size_t *ret_line_bytes)
{
    const char *line, *newline = NULL;
    size_t line_bytes;

    if (framing->start == framing->end)
        return 0;
    line = framing->bytes + framing->start;
    if (framing->searched < framing->end)
        newline =
            memchr(framing->bytes + framing->searched, '\n', framing->end - framing->searched);
    line_bytes = newline ? (size_t)(newline - line) : framing->end - framing->start;
    if (content_bytes(line, line_bytes) > framing->line_max_bytes)
        return -E2BIG;
    framing->searched = framing->start + line_bytes;
    if (!newline)
        return 0;
    framing->start = ++framing->searched;
    *ret_line = line;
    *ret_line_bytes = content_bytes(line, line_bytes);
    return 1;
}
