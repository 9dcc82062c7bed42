#include "arguments.h"
#include "base/error.h"
#include "commands.h"
#include "completion.h"
#include "help.h"
#include "interrupt.h"
#include "man_page.h"
#include "output.h"

#include <jansson.h>
#include <locale.h>
#include <stdio.h>
#include <string.h>

static bool is_one_of(const char *word, const char *a, const char *b)
{
    return strcmp(word, a) == 0 || strcmp(word, b) == 0;
}

/* Words that stand instead of a command.  True if @word was one and is done. */
static bool run_word(const char *word)
{
    if (is_one_of(word, "--help", "-h") || strcmp(word, "help") == 0)
        bf_help_program(stdout);
    else if (is_one_of(word, "--version", "-V"))
        (void)puts("bitferry " BF_VERSION);
    else if (strcmp(word, "--man-page") == 0)
        bf_man_page(stdout);
    else if (strcmp(word, "--bash-completion") == 0)
        bf_bash_completion(stdout);
    else
        return false;
    return true;
}

/* A common switch in front of the command, or NULL for none: "bitferry --json inspect". */
static bool take_common(const char *word, struct bf_arguments *args)
{
    for (size_t i = 0; i < BF_NR_COMMON_OPTIONS; i++) {
        const struct bf_option *option = &bf_common_options[i];
        bool by_name = strncmp(word, "--", 2) == 0 && strcmp(word + 2, option->name) == 0;
        bool by_letter = word[0] == '-' && word[1] == option->letter && word[1] && !word[2];

        if (by_name || by_letter) {
            bf_arguments_set_common(args, i);
            return true;
        }
    }
    return false;
}

static int run_command(const struct bf_command *command, char *const *words, size_t nr_words,
                       struct bf_arguments *args, struct bf_error *err)
{
    int ret = bf_arguments_parse(command, words, nr_words, args, err);

    if (ret < 0)
        return ret;
    if (args->help) {
        bf_help_command(stdout, command);
        return 0;
    }
    return command->run(args, err);
}

static int run(int argc, char **argv, struct bf_arguments *args, struct bf_error *err)
{
    const struct bf_command *command = NULL;
    int at = 1;
    int ret;

    if (argc > 1 && run_word(argv[1]))
        return 0;
    while (at < argc && take_common(argv[at], args))
        at++;
    if (at < argc && run_word(argv[at]))
        return 0;
    if (at == argc && args->help) {
        bf_help_program(stdout);
        return 0;
    }
    if (at == argc)
        return bf_error_set(err, BF_E_USAGE,
                            "a command is missing; 'bitferry --help' lists the commands");
    if (argv[at][0] == '-')
        return bf_error_set(err, BF_E_USAGE,
                            "unknown option %.100s; 'bitferry --help' lists the options", argv[at]);
    ret = bf_command_find(argv[at], &command, err);
    if (ret < 0)
        return ret;
    return run_command(command, argv + at + 1, (size_t)(argc - at - 1), args, err);
}

/* Was JSON asked for?  Said by the words themselves, as the error may be theirs. */
static bool wants_json(int argc, char **argv)
{
    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++) {
        if (strcmp(argv[i], "--json") == 0)
            return true;
    }
    return false;
}

static int report(const struct bf_error *err, bool json)
{
    json_t *object = NULL;

    if (json)
        object = json_pack("{s:i, s:{s:s, s:o}}", "schema", 1, "error", "code",
                           bf_code_name(err->code), "message", bf_text_to_json(err->text));
    if (!object || bf_print_json(object, NULL) < 0)
        (void)fprintf(stderr, "bitferry: %s\n", err->text);
    return bf_code_exit(err->code);
}

int main(int argc, char **argv)
{
    struct bf_arguments args = {0};
    struct bf_error err = BF_ERROR_INIT;
    int ret;

    (void)setlocale(LC_CTYPE, "");
    ret = bf_interrupt_install(&err);
    if (ret == 0)
        ret = run(argc, argv, &args, &err);
    if (ret >= 0 && bf_output_finish(&err) < 0)
        ret = -1;
    if (ret < 0)
        ret = report(&err, wants_json(argc, argv));
    bf_arguments_release(&args);
    return ret;
}
