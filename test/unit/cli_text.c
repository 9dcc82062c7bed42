#include "heat.h"
#include "inspect_table.h"
#include "output.h"
#include "prose.h"
#include "table.h"

#include <locale.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void assert_escaped(const char *text, const char *expected)
{
    char *escaped = bf_escape(text);

    assert_non_null(escaped);
    assert_string_equal(escaped, expected);
    free(escaped);
}

static void foreign_bytes_cannot_reach_the_terminal(void **state)
{
    (void)state;
    assert_escaped("plain name", "plain name");
    assert_escaped("a\nb\x1b[31m\x7f", "a\\x0ab\\x1b[31m\\x7f");
    assert_escaped("back\\slash", "back\\\\slash");
    assert_escaped("caf\xc3\xa9", "caf\xc3\xa9");
    assert_escaped("bad\xff\xc3", "bad\\xff\\xc3");
    assert_escaped("c1\xc2\x9b", "c1\\xc2\\x9b"); /* U+009B begins a sequence on some terminals */
    assert_true(setlocale(LC_CTYPE, "C") != NULL);
    assert_escaped("caf\xc3\xa9", "caf\\xc3\\xa9");
    assert_true(setlocale(LC_CTYPE, "C.UTF-8") != NULL);
}

static void width_counts_columns_not_bytes(void **state)
{
    (void)state;
    assert_int_equal(bf_text_columns("abc"), 3);
    assert_int_equal(bf_text_columns("\xc3\xa9"), 1);
    assert_int_equal(bf_text_columns("\xe6\xbc\xa2"), 2); /* a wide character */
    assert_int_equal(bf_text_columns("e\xcc\x81"), 1);    /* e and a combining accent */
}

static void assert_percent(uint64_t nr_dirty, uint64_t nr_bits, const char *expected)
{
    char text[16];

    bf_percent_text(nr_dirty, nr_bits, text);
    assert_string_equal(text, expected);
}

static void percents_never_round_to_none_or_all(void **state)
{
    (void)state;
    assert_percent(0, 100, "0 %");
    assert_percent(0, 0, "0 %");
    assert_percent(1, 1000000, "<0.1 %");
    assert_percent(125, 1000, "12.5 %");
    assert_percent(999999, 1000000, "99.9 %");
    assert_percent(1000000, 1000000, "100 %");
}

static void heat_shows_any_dirt_and_full_only_if_full(void **state)
{
    (void)state;
    assert_int_equal(bf_heat_level(&(struct bf_heat_cell){0, 1000}), 0);
    assert_int_equal(bf_heat_level(&(struct bf_heat_cell){1, 1000}), 1);
    assert_int_equal(bf_heat_level(&(struct bf_heat_cell){500, 1000}), 4);
    assert_int_equal(bf_heat_level(&(struct bf_heat_cell){999, 1000}), 7);
    assert_int_equal(bf_heat_level(&(struct bf_heat_cell){1000, 1000}), 8);
    for (uint64_t i = 1; i < 1000; i++)
        assert_true(bf_heat_level(&(struct bf_heat_cell){i - 1, 1000}) <=
                    bf_heat_level(&(struct bf_heat_cell){i, 1000}));
}

static void strip_fits_terminal_and_locale(void **state)
{
    const struct bf_heat_cell cells[] = {{0, 8}, {1, 8}, {4, 8}, {8, 8}, {0, 0}};
    struct bf_screen screen = {.utf8 = false};
    char *strip = bf_heat_strip(cells, 5, &screen);

    (void)state;
    assert_string_equal(strip, "[ .=@]");
    free(strip);
    screen.utf8 = true;
    strip = bf_heat_strip(cells, 5, &screen);
    assert_string_equal(strip, "▕ ▁▄█▏");
    assert_int_equal(bf_text_columns(strip), 6);
    free(strip);
    screen = (struct bf_screen){.colour = true};
    strip = bf_heat_strip(cells, 5, &screen);
    assert_string_equal(strip, "[ \033[32m.\033[33m=\033[31m@\033[0m]");
    free(strip);
}

static void longest_strip_fits_its_buffer(void **state)
{
    const struct bf_screen screen = {.colour = true, .utf8 = true};
    struct bf_heat_cell cells[120];
    char *strip;

    (void)state;
    for (size_t i = 0; i < 120; i++)
        cells[i] = (struct bf_heat_cell){i % 2 ? 8 : 1, 8}; /* a new colour for each */
    strip = bf_heat_strip(cells, 120, &screen);
    assert_int_equal(strlen(strip), 120 * 8 + 3 + 4 + 3);
    free(strip);
}

static void table_columns_are_aligned(void **state)
{
    struct bf_table table = {.nr_columns = 3, .right = {false, true, false}};
    const char *head[] = {"NAME", "SIZE", "LAST"};
    const char *wide[] = {"\xe6\xbc\xa2x", "12345", ""};
    char *text = NULL;
    size_t nr_bytes;
    FILE *out = open_memstream(&text, &nr_bytes);

    (void)state;
    assert_int_equal(bf_table_add(&table, head, NULL, NULL), 0);
    assert_int_equal(bf_table_add(&table, wide, NULL, NULL), 0);
    table.rows[1].below = strdup("below");
    bf_table_print(&table, 1, false, out);
    (void)fclose(out);
    assert_string_equal(text, " NAME   SIZE  LAST\n \xe6\xbc\xa2x   12345\n below\n");
    free(text);
    bf_table_release(&table);
}

static char *roff(const char *text)
{
    char *made = NULL;
    size_t nr_bytes;
    FILE *out = open_memstream(&made, &nr_bytes);

    bf_prose_roff(out, text, strlen(text));
    (void)fclose(out);
    return made;
}

static void assert_roff(const char *text, const char *expected)
{
    char *made = roff(text);

    assert_string_equal(made, expected);
    free(made);
}

static void prose_becomes_safe_roff(void **state)
{
    (void)state;
    assert_roff("*bold* and _two words_.", "\\fBbold\\fR and \\fItwo words\\fR.");
    assert_roff("a_b*c 2 * 3", "a_b*c 2 * 3");
    assert_roff("_a_b_", "\\fIa_b\\fR");
    assert_roff(".TH 'x' --y \\z", "\\&.TH \\(aqx\\(aq \\-\\-y \\ez");
    assert_roff("_open", "_open");
}

static void prose_is_filled_and_loses_its_marks(void **state)
{
    char *made = NULL;
    size_t nr_bytes;
    FILE *out = open_memstream(&made, &nr_bytes);

    (void)state;
    bf_prose_plain(out, "one *two three* _four_ five_six", 2, 12);
    (void)fclose(out);
    assert_string_equal(made, "one two\n  three four\n  five_six\n");
    free(made);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(foreign_bytes_cannot_reach_the_terminal),
        cmocka_unit_test(width_counts_columns_not_bytes),
        cmocka_unit_test(percents_never_round_to_none_or_all),
        cmocka_unit_test(heat_shows_any_dirt_and_full_only_if_full),
        cmocka_unit_test(strip_fits_terminal_and_locale),
        cmocka_unit_test(longest_strip_fits_its_buffer),
        cmocka_unit_test(table_columns_are_aligned),
        cmocka_unit_test(prose_becomes_safe_roff),
        cmocka_unit_test(prose_is_filled_and_loses_its_marks),
    };

    if (!setlocale(LC_CTYPE, "C.UTF-8"))
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
