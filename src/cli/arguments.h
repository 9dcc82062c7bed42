/** The command line of one command, taken apart by its table. */
#ifndef CLI_ARGUMENTS_H
#define CLI_ARGUMENTS_H

#include "base/cleanup.h"
#include "command.h"

/** Parse the @nr_words words behind the command's name.  Long options are written out
 *  (--name=VALUE or --name VALUE), letters may be joined (-qU, -nNAME), options and operands may be
 *  mixed, "--" ends the options.  With --help neither operands nor required options are asked for.
 *  @ret_args must be zeroed, or zeroed but for the common switches; release it on failure too.
 *  Errors: USAGE. */
int bf_arguments_parse(const struct bf_command *command, char *const *words, size_t nr_words,
                       struct bf_arguments *ret_args, struct bf_error *err);

void bf_arguments_release(struct bf_arguments *args);

/** Set the switch of a common option. */
void bf_arguments_set_common(struct bf_arguments *args, size_t common_option);

#endif
