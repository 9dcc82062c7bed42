/** Options of the kind NAME=VALUE that may be given many times, as JSON. */
#ifndef CLI_PAIRS_H
#define CLI_PAIRS_H

#include "command.h"

#include <jansson.h>

/** [{@left: NAME, @right: VALUE}, ...] of the option at @index.  Errors: USAGE, NO_MEMORY. */
int bf_pairs_to_json(const struct bf_arguments *args, size_t index, const char *left,
                     const char *right, json_t **ret_pairs, struct bf_error *err);

#endif
