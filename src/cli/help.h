/** `bitferry --help` and `bitferry COMMAND --help`. */
#ifndef CLI_HELP_H
#define CLI_HELP_H

#include "command.h"

#include <stdio.h>

void bf_help_program(FILE *out);
void bf_help_command(FILE *out, const struct bf_command *command);

#endif
