/** The list of commands, in the order in which help and manual show them. */
#ifndef CLI_COMMANDS_H
#define CLI_COMMANDS_H

#include "command.h"

#define BF_COMMANDS(X)                                                                             \
    X(inspect)                                                                                     \
    X(serve)                                                                                       \
    X(pull)                                                                                        \
    X(archive)                                                                                     \
    X(restore)                                                                                     \
    X(verify)                                                                                      \
    X(doctor)                                                                                      \
    X(migrate)                                                                                     \
    X(redefine)                                                                                    \
    X(plan)                                                                                        \
    X(facts)                                                                                       \
    X(start)                                                                                       \
    X(expect)                                                                                      \
    X(wait)                                                                                        \
    X(status)                                                                                      \
    X(list)                                                                                        \
    X(abort)

#define BF_DECLARE_COMMAND(name) extern const struct bf_command bf_##name##_command;
BF_COMMANDS(BF_DECLARE_COMMAND)
#undef BF_DECLARE_COMMAND

enum bf_common_option {
    BF_COMMON_JSON,
    BF_COMMON_QUIET,
    BF_COMMON_VERBOSE,
    BF_COMMON_HELP,
    BF_NR_COMMON_OPTIONS,
};

/** Options that every command has. */
extern const struct bf_option bf_common_options[BF_NR_COMMON_OPTIONS];

/** All commands; ends with NULL. */
extern const struct bf_command *const bf_commands[];

/** Errors: USAGE, with the nearest name. */
int bf_command_find(const char *name, const struct bf_command **ret_command, struct bf_error *err);

#endif
