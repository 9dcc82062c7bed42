#include "commands.h"

#include "suggest.h"

#include <string.h>

const struct bf_command *const bf_commands[] = {
#define BF_LIST_COMMAND(name) &bf_##name##_command,
    BF_COMMANDS(BF_LIST_COMMAND)
#undef BF_LIST_COMMAND
        NULL,
};

const struct bf_option bf_common_options[BF_NR_COMMON_OPTIONS] = {
    [BF_COMMON_JSON] = {.name = "json", .help = "print one JSON object instead of text"},
    [BF_COMMON_QUIET] = {.name = "quiet", .letter = 'q', .help = "no progress and no notes"},
    [BF_COMMON_VERBOSE] = {.name = "verbose", .letter = 'v', .help = "say each step on stderr"},
    [BF_COMMON_HELP] = {.name = "help", .letter = 'h', .help = "show the options and exit"},
};

int bf_command_find(const char *name, const struct bf_command **ret_command, struct bf_error *err)
{
    struct bf_suggestion nearest = bf_suggestion_for(name);

    for (size_t i = 0; bf_commands[i]; i++) {
        if (strcmp(bf_commands[i]->name, name) == 0) {
            *ret_command = bf_commands[i];
            return 0;
        }
        bf_suggestion_offer(&nearest, bf_commands[i]->name);
    }
    if (nearest.best)
        return bf_error_set(err, BF_E_USAGE, "unknown command '%.100s'; did you mean '%s'?", name,
                            nearest.best);
    return bf_error_set(err, BF_E_USAGE,
                        "unknown command '%.100s'; 'bitferry --help' lists the commands", name);
}
