/* Lines come out as they went in, however the bytes were cut, and none is longer than the cap. */
#include "framing.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

enum {
    ROOMY_BYTES = 1 << 20,
    TIGHT_BYTES = 8,
    LONGEST_SAMPLE_BYTES = 19,
};

/* As much as there is space for. */
static size_t put_some(struct bf_qmp_framing *framing, const char *bytes, size_t nr_bytes)
{
    char *space;
    size_t space_bytes;

    assert_int_equal(bf_qmp_framing_reserve(framing, &space, &space_bytes), 0);
    assert_true(space_bytes > 0);
    if (space_bytes > nr_bytes)
        space_bytes = nr_bytes;
    memcpy(space, bytes, space_bytes);
    bf_qmp_framing_commit(framing, space_bytes);
    return space_bytes;
}

static void put(struct bf_qmp_framing *framing, const char *bytes, size_t nr_bytes)
{
    for (size_t done = 0; done < nr_bytes;)
        done += put_some(framing, bytes + done, nr_bytes - done);
}

static void expect_line(struct bf_qmp_framing *framing, const char *text, size_t text_bytes)
{
    const char *line = NULL;
    size_t line_bytes = SIZE_MAX;

    assert_int_equal(bf_qmp_framing_next(framing, &line, &line_bytes), 1);
    assert_int_equal(line_bytes, text_bytes);
    assert_memory_equal(line, text, text_bytes);
}

static int next(struct bf_qmp_framing *framing)
{
    const char *line;
    size_t line_bytes;

    return bf_qmp_framing_next(framing, &line, &line_bytes);
}

static const char sample[] = "one\r\n\n\r\ntwo\nwith \r and \0 within\r\n\r\r\nlast\n";
static const struct {
    const char *text;
    size_t text_bytes;
} sample_lines[] = {
    {"one", 3}, {"", 0}, {"", 0}, {"two", 3}, {"with \r and \0 within", 19}, {"\r", 1}, {"last", 4},
};
enum {
    NR_SAMPLE_LINES = sizeof sample_lines / sizeof sample_lines[0],
};

static size_t take_sample_lines(struct bf_qmp_framing *framing, size_t nr_taken)
{
    const char *line;
    size_t line_bytes;

    while (bf_qmp_framing_next(framing, &line, &line_bytes) == 1) {
        assert_true(nr_taken < NR_SAMPLE_LINES);
        assert_int_equal(line_bytes, sample_lines[nr_taken].text_bytes);
        assert_memory_equal(line, sample_lines[nr_taken].text, line_bytes);
        nr_taken++;
    }
    return nr_taken;
}

/* As a reader does: lines are taken out after every read. */
static size_t put_and_take(struct bf_qmp_framing *framing, const char *bytes, size_t nr_bytes,
                           size_t nr_taken)
{
    for (size_t done = 0; done < nr_bytes;) {
        done += put_some(framing, bytes + done, nr_bytes - done);
        nr_taken = take_sample_lines(framing, nr_taken);
    }
    return nr_taken;
}

static void many_lines_in_one_read_come_out_in_order(void **state)
{
    struct bf_qmp_framing framing;

    (void)state;
    bf_qmp_framing_init(&framing, ROOMY_BYTES);
    put(&framing, sample, sizeof sample - 1);
    assert_int_equal(take_sample_lines(&framing, 0), NR_SAMPLE_LINES);
    bf_qmp_framing_release(&framing);
}

static void every_pair_of_cuts_gives_the_same_lines(void **state)
{
    size_t all = sizeof sample - 1;

    (void)state;
    for (size_t first = 0; first <= all; first++) {
        for (size_t second = first; second <= all; second++) {
            struct bf_qmp_framing framing;
            size_t nr_taken = 0;

            bf_qmp_framing_init(&framing, LONGEST_SAMPLE_BYTES);
            nr_taken = put_and_take(&framing, sample, first, nr_taken);
            nr_taken = put_and_take(&framing, sample + first, second - first, nr_taken);
            nr_taken = put_and_take(&framing, sample + second, all - second, nr_taken);
            assert_int_equal(nr_taken, NR_SAMPLE_LINES);
            bf_qmp_framing_release(&framing);
        }
    }
}

static void a_line_of_exactly_the_cap_passes(void **state)
{
    static const char *const ends[] = {"\n", "\r\n"};

    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        struct bf_qmp_framing framing;

        bf_qmp_framing_init(&framing, TIGHT_BYTES);
        put(&framing, "12345678", TIGHT_BYTES);
        assert_int_equal(next(&framing), 0);
        for (const char *end = ends[i]; *end; end++) {
            assert_int_equal(next(&framing), 0);
            put(&framing, end, 1);
        }
        expect_line(&framing, "12345678", TIGHT_BYTES);
        put(&framing, "again\n", 6);
        expect_line(&framing, "again", 5);
        bf_qmp_framing_release(&framing);
    }
}

static void one_byte_over_the_cap_is_refused_before_the_line_ends(void **state)
{
    static const char *const lines[] = {"123456789", "12345678\rx", "123456789\n", "12345678\r\r"};

    (void)state;
    for (unsigned i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        struct bf_qmp_framing framing;

        bf_qmp_framing_init(&framing, TIGHT_BYTES);
        put(&framing, lines[i], strlen(lines[i]));
        assert_int_equal(next(&framing), -E2BIG);
        bf_qmp_framing_release(&framing);
    }
}

static void a_buffer_that_is_full_is_not_grown_past_the_cap(void **state)
{
    struct bf_qmp_framing framing;
    char *space;
    size_t space_bytes;

    (void)state;
    bf_qmp_framing_init(&framing, TIGHT_BYTES);
    put(&framing, "1234567890", TIGHT_BYTES + 2);
    assert_int_equal(bf_qmp_framing_reserve(&framing, &space, &space_bytes), -E2BIG);
    bf_qmp_framing_release(&framing);
}

static void the_memory_of_a_huge_line_is_given_back(void **state)
{
    static char huge[ROOMY_BYTES + 1];
    struct bf_qmp_framing framing;
    char *space;
    size_t space_bytes;

    (void)state;
    memset(huge, 'x', ROOMY_BYTES);
    huge[ROOMY_BYTES] = '\n';
    bf_qmp_framing_init(&framing, ROOMY_BYTES);
    put(&framing, huge, sizeof huge);
    expect_line(&framing, huge, ROOMY_BYTES);
    assert_true(framing.capacity_bytes >= ROOMY_BYTES);
    assert_int_equal(bf_qmp_framing_reserve(&framing, &space, &space_bytes), 0);
    assert_true(framing.capacity_bytes < ROOMY_BYTES / 16);
    bf_qmp_framing_release(&framing);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(many_lines_in_one_read_come_out_in_order),
        cmocka_unit_test(every_pair_of_cuts_gives_the_same_lines),
        cmocka_unit_test(a_line_of_exactly_the_cap_passes),
        cmocka_unit_test(one_byte_over_the_cap_is_refused_before_the_line_ends),
        cmocka_unit_test(a_buffer_that_is_full_is_not_grown_past_the_cap),
        cmocka_unit_test(the_memory_of_a_huge_line_is_given_back),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
