#include "arguments.h"

#include "commands.h"
#include "suggest.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* Where the parser is. */
struct cursor {
    char *const *words;
    size_t nr_words;
    size_t at; /* the next word */
};

/* An option of the command (index into its table), or a common one. */
struct found {
    const struct bf_option *option;
    size_t index;
    bool common;
};

static bool same_name(const char *name, const char *text, size_t length)
{
    return strlen(name) == length && memcmp(name, text, length) == 0;
}

static bool find_long(const struct bf_command *command, const char *text, size_t length,
                      struct found *ret_found)
{
    for (size_t i = 0; i < command->nr_options; i++) {
        if (same_name(command->options[i].name, text, length)) {
            *ret_found = (struct found){&command->options[i], i, false};
            return true;
        }
    }
    for (size_t i = 0; i < BF_NR_COMMON_OPTIONS; i++) {
        if (same_name(bf_common_options[i].name, text, length)) {
            *ret_found = (struct found){&bf_common_options[i], i, true};
            return true;
        }
    }
    return false;
}

static bool find_letter(const struct bf_command *command, char letter, struct found *ret_found)
{
    for (size_t i = 0; i < command->nr_options; i++) {
        if (command->options[i].letter == letter) {
            *ret_found = (struct found){&command->options[i], i, false};
            return true;
        }
    }
    for (size_t i = 0; i < BF_NR_COMMON_OPTIONS; i++) {
        if (bf_common_options[i].letter == letter) {
            *ret_found = (struct found){&bf_common_options[i], i, true};
            return true;
        }
    }
    return false;
}

static int unknown_long(const struct bf_command *command, const char *name, size_t length,
                        struct bf_error *err)
{
    BF_CLEANUP(bf_freep) char *typed = strndup(name, length);
    struct bf_suggestion nearest;

    if (!typed)
        return bf_error_set(err, BF_E_NO_MEMORY, "out of memory");
    nearest = bf_suggestion_for(typed);
    for (size_t i = 0; i < command->nr_options; i++)
        bf_suggestion_offer(&nearest, command->options[i].name);
    for (size_t i = 0; i < BF_NR_COMMON_OPTIONS; i++)
        bf_suggestion_offer(&nearest, bf_common_options[i].name);
    if (nearest.best)
        return bf_error_set(err, BF_E_USAGE, "%s: unknown option --%.100s; did you mean --%s?",
                            command->name, typed, nearest.best);
    return bf_error_set(err, BF_E_USAGE,
                        "%s: unknown option --%.100s; 'bitferry %s --help' lists them",
                        command->name, typed, command->name);
}

static int add_value(struct bf_arguments *args, const struct found *found, const char *value,
                     size_t max_values, struct bf_error *err)
{
    struct bf_option_values *values = &args->options[found->index];

    if (values->given && !found->option->repeatable)
        return bf_error_set(err, BF_E_USAGE, "%s: --%s is given twice", args->command->name,
                            found->option->name);
    if (!values->values)
        values->values = calloc(max_values, sizeof *values->values);
    if (!values->values)
        return bf_error_set(err, BF_E_NO_MEMORY, "out of memory");
    values->values[values->nr_values++] = value;
    values->given = true;
    return 0;
}

static void set_switch(struct bf_arguments *args, const struct found *found)
{
    if (found->common)
        bf_arguments_set_common(args, found->index);
    else
        args->options[found->index].given = true;
}

/* @value: what stands in the same word, or NULL. */
static int take_value(struct bf_arguments *args, struct cursor *cursor, const struct found *found,
                      const char *value, struct bf_error *err)
{
    if (!value) {
        if (cursor->at == cursor->nr_words)
            return bf_error_set(err, BF_E_USAGE, "%s: --%s needs an argument: --%s=%s",
                                args->command->name, found->option->name, found->option->name,
                                found->option->placeholder);
        value = cursor->words[cursor->at++];
    }
    return add_value(args, found, value, cursor->nr_words, err);
}

static int parse_long(struct bf_arguments *args, struct cursor *cursor, const char *text,
                      struct bf_error *err)
{
    const char *equals = strchr(text, '=');
    size_t length = equals ? (size_t)(equals - text) : strlen(text);
    struct found found;

    if (!find_long(args->command, text, length, &found))
        return unknown_long(args->command, text, length, err);
    if (found.option->kind != BF_ARGUMENT_NONE)
        return take_value(args, cursor, &found, equals ? equals + 1 : NULL, err);
    if (equals)
        return bf_error_set(err, BF_E_USAGE, "%s: --%s takes no argument", args->command->name,
                            found.option->name);
    set_switch(args, &found);
    return 0;
}

static int parse_letters(struct bf_arguments *args, struct cursor *cursor, const char *letters,
                         struct bf_error *err)
{
    for (; *letters; letters++) {
        struct found found;

        if (!find_letter(args->command, *letters, &found))
            return bf_error_set(err, BF_E_USAGE,
                                "%s: unknown option -%c; 'bitferry %s --help' lists them",
                                args->command->name, *letters, args->command->name);
        if (found.option->kind != BF_ARGUMENT_NONE)
            return take_value(args, cursor, &found, letters[1] ? letters + 1 : NULL, err);
        set_switch(args, &found);
    }
    return 0;
}

static int parse_words(struct bf_arguments *args, struct cursor *cursor, struct bf_error *err)
{
    bool options_ended = false;
    int ret = 0;

    while (ret == 0 && cursor->at < cursor->nr_words) {
        const char *word = cursor->words[cursor->at++];

        if (options_ended || word[0] != '-' || word[1] == '\0')
            args->operands[args->nr_operands++] = word;
        else if (strcmp(word, "--") == 0)
            options_ended = true;
        else if (word[1] == '-')
            ret = parse_long(args, cursor, word + 2, err);
        else
            ret = parse_letters(args, cursor, word + 1, err);
    }
    return ret;
}

static int check_complete(const struct bf_arguments *args, struct bf_error *err)
{
    const struct bf_command *command = args->command;

    for (size_t i = 0; i < command->nr_options; i++) {
        if (command->options[i].required && !args->options[i].given)
            return bf_error_set(err, BF_E_USAGE, "%s: --%s %s is required", command->name,
                                command->options[i].name, command->options[i].placeholder);
    }
    if (args->nr_operands < command->min_operands)
        return bf_error_set(err, BF_E_USAGE, "%s: %s missing; usage: bitferry %s %s", command->name,
                            args->nr_operands == 0 ? "operands are" : "an operand is",
                            command->name, command->operands);
    if (args->nr_operands > command->max_operands)
        return bf_error_set(
            err, BF_E_USAGE, "%s: '%.200s' is one operand too many; usage: bitferry %s %s",
            command->name, args->operands[command->max_operands], command->name, command->operands);
    return 0;
}

int bf_arguments_parse(const struct bf_command *command, char *const *words, size_t nr_words,
                       struct bf_arguments *ret_args, struct bf_error *err)
{
    struct cursor cursor = {.words = words, .nr_words = nr_words};
    int ret;

    ret_args->command = command;
    ret_args->operands = calloc(nr_words + 1, sizeof *ret_args->operands);
    ret_args->options = calloc(command->nr_options + 1, sizeof *ret_args->options);
    if (!ret_args->operands || !ret_args->options)
        return bf_error_set(err, BF_E_NO_MEMORY, "out of memory");
    ret = parse_words(ret_args, &cursor, err);
    if (ret == 0 && !ret_args->help)
        ret = check_complete(ret_args, err);
    return ret;
}

void bf_arguments_release(struct bf_arguments *args)
{
    if (args->options) {
        for (size_t i = 0; i < args->command->nr_options; i++)
            free(args->options[i].values);
    }
    free(args->options);
    free(args->operands);
    memset(args, 0, sizeof *args);
}

void bf_arguments_set_common(struct bf_arguments *args, size_t common_option)
{
    switch ((enum bf_common_option)common_option) {
    case BF_COMMON_JSON:
        args->json = true;
        break;
    case BF_COMMON_QUIET:
        args->quiet = true;
        break;
    case BF_COMMON_VERBOSE:
        args->verbose = true;
        break;
    case BF_COMMON_HELP:
        args->help = true;
        break;
    case BF_NR_COMMON_OPTIONS:
        break;
    }
}

bool bf_option_given(const struct bf_arguments *args, size_t index)
{
    return args->options[index].given;
}

const char *bf_option_value(const struct bf_arguments *args, size_t index)
{
    const struct bf_option_values *values = &args->options[index];

    return values->nr_values > 0 ? values->values[values->nr_values - 1] : NULL;
}

int bf_option_number(const struct bf_arguments *args, size_t index, uint64_t min, uint64_t max,
                     uint64_t *ret_value, struct bf_error *err)
{
    const char *text = bf_option_value(args, index);
    char *end = NULL;
    uint64_t value;

    if (!text)
        return 0;
    errno = 0;
    value = strtoull(text, &end, 10);
    if (text[0] < '0' || text[0] > '9' || *end != '\0' || errno != 0 || value < min || value > max)
        return bf_error_set(
            err, BF_E_USAGE, "%s: --%s is a number from %" PRIu64 " to %" PRIu64 ", not '%.100s'",
            args->command->name, args->command->options[index].name, min, max, text);
    *ret_value = value;
    return 0;
}

bool bf_option_selects(const struct bf_arguments *args, size_t index, const char *text)
{
    const struct bf_option_values *values = &args->options[index];

    for (size_t i = 0; i < values->nr_values; i++) {
        if (strcmp(values->values[i], text) == 0)
            return true;
    }
    return !values->given;
}
