#include "arguments.h"
#include "commands.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

enum { OPT_INTO, OPT_BITMAP, OPT_FORCE, OPT_PORT, NR_OPTIONS };

static const struct bf_option options[NR_OPTIONS] = {
    [OPT_INTO] = {.name = "into",
                  .letter = 'i',
                  .placeholder = "IMAGE",
                  .kind = BF_ARGUMENT_FILE,
                  .required = true},
    [OPT_BITMAP] = {.name = "bitmap",
                    .letter = 'b',
                    .placeholder = "NAME",
                    .kind = BF_ARGUMENT_TEXT,
                    .repeatable = true},
    [OPT_FORCE] = {.name = "force", .letter = 'f'},
    [OPT_PORT] = {.name = "port", .placeholder = "PORT", .kind = BF_ARGUMENT_TEXT},
};

static const struct bf_command command = {
    .name = "test",
    .operands = "A [B]",
    .min_operands = 1,
    .max_operands = 2,
    .options = options,
    .nr_options = NR_OPTIONS,
};

struct parsed {
    struct bf_arguments args;
    struct bf_error err;
    int ret;
};

#define PARSE(parsed, ...)                                                                         \
    do {                                                                                           \
        const char *words[] = {__VA_ARGS__};                                                       \
        memset(&(parsed), 0, sizeof(parsed));                                                      \
        (parsed).ret =                                                                             \
            bf_arguments_parse(&command, (char *const *)(uintptr_t)words,                          \
                               sizeof words / sizeof words[0], &(parsed).args, &(parsed).err);     \
    } while (0)

/* The words are refused, with exit code 2 and @expected in the message. */
#define assert_refused(expected, ...)                                                              \
    do {                                                                                           \
        struct parsed parsed_;                                                                     \
        PARSE(parsed_, __VA_ARGS__);                                                               \
        assert_true(parsed_.ret < 0);                                                              \
        assert_int_equal(bf_code_exit(parsed_.err.code), BF_EXIT_USAGE);                           \
        if (!strstr(parsed_.err.text, expected))                                                   \
            fail_msg("'%s' is not in '%s'", expected, parsed_.err.text);                           \
        bf_arguments_release(&parsed_.args);                                                       \
    } while (0)

static void values_come_in_every_form(void **state)
{
    struct parsed parsed;

    (void)state;
    PARSE(parsed, "--into=x=y", "one", "--bitmap", "b1", "-b", "b2", "-bb3", "-fb", "--b4", "two");
    assert_int_equal(parsed.ret, 0);
    assert_string_equal(bf_option_value(&parsed.args, OPT_INTO), "x=y");
    assert_true(bf_option_given(&parsed.args, OPT_FORCE));
    assert_int_equal(parsed.args.options[OPT_BITMAP].nr_values, 4);
    assert_string_equal(parsed.args.options[OPT_BITMAP].values[0], "b1");
    assert_string_equal(parsed.args.options[OPT_BITMAP].values[2], "b3");
    assert_string_equal(parsed.args.options[OPT_BITMAP].values[3], "--b4");
    assert_int_equal(parsed.args.nr_operands, 2);
    assert_string_equal(parsed.args.operands[1], "two");
    bf_arguments_release(&parsed.args);
}

static void two_dashes_end_the_options_and_one_is_an_operand(void **state)
{
    struct parsed parsed;

    (void)state;
    PARSE(parsed, "-i", "x", "-", "--", "--force");
    assert_int_equal(parsed.ret, 0);
    assert_false(bf_option_given(&parsed.args, OPT_FORCE));
    assert_string_equal(parsed.args.operands[0], "-");
    assert_string_equal(parsed.args.operands[1], "--force");
    bf_arguments_release(&parsed.args);
}

static void common_switches_belong_to_every_command(void **state)
{
    struct parsed parsed;

    (void)state;
    PARSE(parsed, "--into", "x", "one", "--json", "-qv");
    assert_int_equal(parsed.ret, 0);
    assert_true(parsed.args.json && parsed.args.quiet && parsed.args.verbose);
    assert_false(parsed.args.help);
    bf_arguments_release(&parsed.args);
}

static void help_asks_for_nothing_else(void **state)
{
    struct parsed parsed;

    (void)state;
    PARSE(parsed, "-h");
    assert_int_equal(parsed.ret, 0);
    assert_true(parsed.args.help);
    bf_arguments_release(&parsed.args);
}

static void mistakes_are_named(void **state)
{
    (void)state;
    assert_refused("did you mean --force?", "--into=x", "a", "--fource");
    assert_refused("did you mean --into?", "--int", "a");
    assert_refused("did you mean --quiet?", "--queit");
    assert_refused("lists them", "--into=x", "a", "--completely-else");
    assert_refused("unknown option -z", "--into=x", "a", "-fz");
    assert_refused("--into IMAGE is required", "a");
    assert_refused("--into is given twice", "--into=x", "-iy", "a");
    assert_refused("--into needs an argument", "a", "--into");
    assert_refused("--bitmap needs an argument", "a", "--into=x", "-b");
    assert_refused("--force takes no argument", "a", "--into=x", "--force=yes");
    assert_refused("operands are missing", "--into=x");
    assert_refused("'c' is one operand too many", "--into=x", "a", "b", "c");
}

static void numbers_are_whole_and_in_range(void **state)
{
    static const char *const bad[] = {"",   "-1",   "+1",    " 1",
                                      "1x", "0x10", "65536", "18446744073709551616"};
    uint64_t value = 77;
    struct parsed parsed;

    (void)state;
    PARSE(parsed, "--into=x", "a");
    assert_int_equal(bf_option_number(&parsed.args, OPT_PORT, 0, 65535, &value, NULL), 0);
    assert_int_equal(value, 77);
    bf_arguments_release(&parsed.args);
    PARSE(parsed, "--into=x", "a", "--port=65535");
    assert_int_equal(bf_option_number(&parsed.args, OPT_PORT, 0, 65535, &value, NULL), 0);
    assert_int_equal(value, 65535);
    bf_arguments_release(&parsed.args);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct bf_error err = BF_ERROR_INIT;

        PARSE(parsed, "--into=x", "a", "--port", bad[i]);
        assert_true(bf_option_number(&parsed.args, OPT_PORT, 0, 65535, &value, &err) < 0);
        assert_int_equal(err.code, BF_E_USAGE);
        bf_arguments_release(&parsed.args);
    }
}

static void an_option_that_was_not_given_selects_all(void **state)
{
    struct parsed parsed;

    (void)state;
    PARSE(parsed, "--into=x", "a");
    assert_true(bf_option_selects(&parsed.args, OPT_BITMAP, "any"));
    bf_arguments_release(&parsed.args);
    PARSE(parsed, "--into=x", "a", "-bone");
    assert_true(bf_option_selects(&parsed.args, OPT_BITMAP, "one"));
    assert_false(bf_option_selects(&parsed.args, OPT_BITMAP, "any"));
    bf_arguments_release(&parsed.args);
}

static size_t count_name(const struct bf_command *of, const char *name, char letter)
{
    size_t nr = 0;

    for (size_t i = 0; i < of->nr_options; i++)
        nr += strcmp(of->options[i].name, name) == 0 || (letter && of->options[i].letter == letter);
    for (size_t i = 0; i < BF_NR_COMMON_OPTIONS; i++)
        nr += strcmp(bf_common_options[i].name, name) == 0 ||
              (letter && bf_common_options[i].letter == letter);
    return nr;
}

static void the_tables_are_in_order(void **state)
{
    (void)state;
    for (size_t i = 0; bf_commands[i]; i++) {
        const struct bf_command *each = bf_commands[i];

        assert_non_null(each->summary);
        assert_non_null(each->description);
        assert_non_null(each->examples);
        for (size_t j = 0; j < each->nr_options; j++) {
            const struct bf_option *option = &each->options[j];

            assert_non_null(option->name);
            assert_non_null(option->help);
            assert_int_equal(option->kind == BF_ARGUMENT_NONE, option->placeholder == NULL);
            assert_int_equal(count_name(each, option->name, option->letter), 1);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_come_in_every_form),
        cmocka_unit_test(two_dashes_end_the_options_and_one_is_an_operand),
        cmocka_unit_test(common_switches_belong_to_every_command),
        cmocka_unit_test(help_asks_for_nothing_else),
        cmocka_unit_test(mistakes_are_named),
        cmocka_unit_test(numbers_are_whole_and_in_range),
        cmocka_unit_test(an_option_that_was_not_given_selects_all),
        cmocka_unit_test(the_tables_are_in_order),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
