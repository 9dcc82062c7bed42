#include "daemon/lines.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { FIRST_BYTES = 4096 };

void bf_lines_init(struct bf_lines *lines, size_t line_max_bytes)
{
    *lines = (struct bf_lines){.line_max_bytes = line_max_bytes};
}

void bf_lines_release(struct bf_lines *lines)
{
    free(lines->bytes);
    bf_lines_init(lines, lines->line_max_bytes);
}

static int grow(struct bf_lines *lines)
{
    size_t capacity = lines->capacity_bytes > 0 ? lines->capacity_bytes * 2 : FIRST_BYTES;
    char *bytes;

    if (capacity > lines->line_max_bytes + 1)
        capacity = lines->line_max_bytes + 1; /* and the newline */
    if (capacity <= lines->capacity_bytes)
        return -E2BIG;
    bytes = realloc(lines->bytes, capacity);
    if (!bytes)
        return -ENOMEM;
    lines->bytes = bytes;
    lines->capacity_bytes = capacity;
    return 0;
}

int bf_lines_reserve(struct bf_lines *lines, char **ret_room, size_t *ret_room_bytes)
{
    if (lines->given > 0) {
        lines->nr_bytes -= lines->given;
        memmove(lines->bytes, lines->bytes + lines->given, lines->nr_bytes);
        lines->given = 0;
    }
    if (lines->nr_bytes == lines->capacity_bytes) {
        int r = grow(lines);

        if (r < 0)
            return r;
    }
    *ret_room = lines->bytes + lines->nr_bytes;
    *ret_room_bytes = lines->capacity_bytes - lines->nr_bytes;
    return 0;
}

void bf_lines_commit(struct bf_lines *lines, size_t nr_bytes)
{
    lines->nr_bytes += nr_bytes;
}

const char *bf_lines_next(struct bf_lines *lines, size_t *ret_line_bytes)
{
    const char *line;
    const char *end;

    if (lines->given == lines->nr_bytes)
        return NULL;
    line = lines->bytes + lines->given;
    end = memchr(line, '\n', lines->nr_bytes - lines->given);
    if (!end)
        return NULL;
    *ret_line_bytes = (size_t)(end - line);
    lines->given += *ret_line_bytes + 1;
    return line;
}
