/** A command of `bitferry`: one table, from which come its parser, `--help`, its part of the man
 * page and its bash completion.
 *
 * To add the command `name`:
 *   1. write name.c, which defines `const struct bf_command bf_name_command` (see inspect.c);
 *   2. put name.c into CMakeLists.txt here, and `name` into BF_COMMANDS in commands.h.
 *
 * In name.c give every option an enum value and the table a designated entry for each, so that
 * `bf_option_value(args, OPT_INTO)` is checked by the compiler:
 *
 *     enum { OPT_INTO, OPT_BITMAP, NR_OPTIONS };
 *     static const struct bf_option options[NR_OPTIONS] = {
 *         [OPT_INTO] = {.name = "into", .placeholder = "IMAGE", .kind = BF_ARGUMENT_FILE,
 *                       .required = true, .help = "the image to install the bitmaps in"},
 *         ...
 *     };
 *
 * The common options (--json, --quiet, --verbose, --help) belong to every command already.
 *
 * run() returns an exit code of base/error.h, or a negative errno with @err set; main() prints the
 * error, once, as text or JSON.  With args->json a command prints exactly one JSON object, as its
 * last deed (bf_print_json() in output.h), or nothing if it fails.  Progress: progress.h.  Signals:
 * interrupt.h. TARGETs (image, carrier, archive folder, NBD URI): target.h.
 */
#ifndef CLI_COMMAND_H
#define CLI_COMMAND_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** What an argument is, for completion. */
enum bf_argument_kind {
    BF_ARGUMENT_NONE, /* a switch */
    BF_ARGUMENT_TEXT, /* a name, a number, an address: nothing to complete */
    BF_ARGUMENT_FILE, /* a file, or something that may be one (a TARGET) */
    BF_ARGUMENT_FOLDER,
    BF_ARGUMENT_COMMAND, /* a shell command */
};

struct bf_option {
    const char *name;        /* "force-share" */
    char letter;             /* 'U', or 0 */
    const char *placeholder; /* "NAME"; NULL with BF_ARGUMENT_NONE */
    enum bf_argument_kind kind;
    bool required;
    bool repeatable;
    const char *help; /* a phrase, no capital, no full stop; *bold* and _italic_ for the man page */
};

struct bf_arguments;

struct bf_command {
    const char *name;
    const char *summary;  /* a sentence without its full stop */
    const char *operands; /* "IMAGE..." as the usage line shows them */
    enum bf_argument_kind operand_kind;
    size_t min_operands;
    size_t max_operands; /* SIZE_MAX: any number */
    const struct bf_option *options;
    size_t nr_options;
    /** For the man page.  Paragraphs are separated by an empty line; a paragraph that begins with
     * four spaces is shown as it is; *bold*, _italic_. */
    const char *description;
    /** "command line\nwhat it does\n", any number of such pairs. */
    const char *examples;
    int (*run)(const struct bf_arguments *args, struct bf_error *err);
};

/** The values of one option, in the order given. */
struct bf_option_values {
    const char **values;
    size_t nr_values;
    bool given;
};

struct bf_arguments {
    const struct bf_command *command;
    bool json, quiet, verbose, help;
    const char **operands; /* owned, the strings are argv's */
    size_t nr_operands;
    struct bf_option_values *options; /* owned, one for each of command->options */
};

/** @index is into the command's options. */
bool bf_option_given(const struct bf_arguments *args, size_t index);

/** NULL if it was not given. */
const char *bf_option_value(const struct bf_arguments *args, size_t index);

/** A whole number.  Not given: *ret_value stays.  Errors: USAGE for anything outside @min..@max. */
int bf_option_number(const struct bf_arguments *args, size_t index, uint64_t min, uint64_t max,
                     uint64_t *ret_value, struct bf_error *err);

/** Is @text among the values of the option?  True too if the option was not given: "all". */
bool bf_option_selects(const struct bf_arguments *args, size_t index, const char *text);

#endif
