/* Lines out of bytes: however they arrive, and no further than the cap. */
#include "daemon/lines.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { CAP_BYTES = 10000 };

/* Feed @text in pieces of @piece_bytes; the lines come out joined by '|'. */
static void feed(const char *text, size_t piece_bytes, char *joined)
{
    struct bf_lines lines;
    size_t left = strlen(text);

    bf_lines_init(&lines, CAP_BYTES);
    joined[0] = '\0';
    while (left > 0) {
        const char *line;
        size_t line_bytes;
        size_t room_bytes = 0;
        char *room = NULL;

        assert_int_equal(bf_lines_reserve(&lines, &room, &room_bytes), 0);
        if (room_bytes > piece_bytes)
            room_bytes = piece_bytes;
        if (room_bytes > left)
            room_bytes = left;
        memcpy(room, text, room_bytes);
        bf_lines_commit(&lines, room_bytes);
        text += room_bytes;
        left -= room_bytes;
        while ((line = bf_lines_next(&lines, &line_bytes)))
            (void)sprintf(joined + strlen(joined), "%.*s|", (int)line_bytes, line);
    }
    bf_lines_release(&lines);
}

static void lines_come_whole_however_they_arrive(void **state)
{
    static const char text[] = "one\n\ntwo\nthree and more\nrest";
    char joined[100];

    (void)state;
    for (size_t piece_bytes = 1; piece_bytes <= sizeof text; piece_bytes++) {
        feed(text, piece_bytes, joined);
        assert_string_equal(joined, "one||two|three and more|");
    }
}

/* How many bytes can be put in before it says that the line is too long? */
static size_t fill(struct bf_lines *lines)
{
    size_t nr_bytes = 0;
    size_t room_bytes = 0;
    char *room = NULL;
    int r;

    while ((r = bf_lines_reserve(lines, &room, &room_bytes)) == 0) {
        memset(room, 'x', room_bytes);
        bf_lines_commit(lines, room_bytes);
        nr_bytes += room_bytes;
    }
    assert_int_equal(r, -E2BIG);
    return nr_bytes;
}

static void a_line_has_a_cap(void **state)
{
    struct bf_lines lines;
    size_t line_bytes = 0;

    (void)state;
    bf_lines_init(&lines, CAP_BYTES);
    assert_int_equal(fill(&lines), CAP_BYTES + 1);
    assert_null(bf_lines_next(&lines, &line_bytes));
    lines.bytes[CAP_BYTES] = '\n'; /* the longest line there can be */
    assert_non_null(bf_lines_next(&lines, &line_bytes));
    assert_int_equal(line_bytes, CAP_BYTES);
    bf_lines_release(&lines);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_come_whole_however_they_arrive),
        cmocka_unit_test(a_line_has_a_cap),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
