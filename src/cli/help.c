#include "help.h"

#include "commands.h"
#include "prose.h"

#include <string.h>

enum {
    HELP_COLUMNS = 80,
    OPTION_COLUMNS = 30, /* where the explanations begin */
    COMMAND_COLUMNS = 12,
};

static void put_option(FILE *out, const struct bf_option *option)
{
    char letter[5] = "    ";
    int used;

    if (option->letter)
        (void)snprintf(letter, sizeof letter, "-%c, ", option->letter);
    used = fprintf(out, "  %s--%s%s%s", letter, option->name, option->placeholder ? " " : "",
                   option->placeholder ? option->placeholder : "");
    if (used + 2 > OPTION_COLUMNS) {
        (void)fputc('\n', out);
        used = 0;
    }
    (void)fprintf(out, "%*s", OPTION_COLUMNS - used, "");
    bf_prose_plain(out, option->help, OPTION_COLUMNS, HELP_COLUMNS);
}

static void put_options(FILE *out, const char *title, const struct bf_option *options,
                        size_t nr_options)
{
    if (nr_options == 0)
        return;
    (void)fprintf(out, "\n%s:\n", title);
    for (size_t i = 0; i < nr_options; i++)
        put_option(out, &options[i]);
}

void bf_help_command(FILE *out, const struct bf_command *command)
{
    (void)fprintf(out, "Usage: bitferry %s [OPTION]...", command->name);
    for (size_t i = 0; i < command->nr_options; i++) {
        if (command->options[i].required)
            (void)fprintf(out, " --%s %s", command->options[i].name,
                          command->options[i].placeholder);
    }
    (void)fprintf(out, " %s\n%s.\n", command->operands, command->summary);
    put_options(out, "Options", command->options, command->nr_options);
    put_options(out, "Common options", bf_common_options, BF_NR_COMMON_OPTIONS);
    (void)fputs("\nMore, with examples and exit codes: man bitferry\n", out);
}

void bf_help_program(FILE *out)
{
    (void)fputs("Usage: bitferry COMMAND [OPTION]... [OPERAND]...\n"
                "Carry QEMU dirty bitmaps from one disk image to another.\n\nCommands:\n",
                out);
    for (size_t i = 0; bf_commands[i]; i++)
        (void)fprintf(out, "  %-*s%s\n", COMMAND_COLUMNS, bf_commands[i]->name,
                      bf_commands[i]->summary);
    put_options(out, "Common options", bf_common_options, BF_NR_COMMON_OPTIONS);
    (void)fputs("  -V, --version               show the version and exit\n"
                "\n'bitferry COMMAND --help' shows the options of a command.\n",
                out);
}
