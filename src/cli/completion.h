/** Bash completion, made from the command tables when the program is built. */
#ifndef CLI_COMPLETION_H
#define CLI_COMPLETION_H

#include <stdio.h>

void bf_bash_completion(FILE *out);

#endif
