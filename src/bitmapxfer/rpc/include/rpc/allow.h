/** Patterns of names: '*' stands for any bytes, none included; letters in either case.  Pure. */
#ifndef RPC_ALLOW_H
#define RPC_ALLOW_H

#include <stdbool.h>

enum { BF_RPC_PATTERN_MAX_BYTES = 255 }; /* longer ones match nothing: no name is so long */

bool bf_rpc_pattern_matches(const char *pattern, const char *name);

/** Does one of the patterns of @list match, which have commas or blanks between them?  None does in
 *  an empty list. */
bool bf_rpc_list_matches(const char *list, const char *name);

#endif
