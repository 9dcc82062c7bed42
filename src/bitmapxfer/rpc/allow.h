/** Patterns of names: '*' stands for any bytes, none included; letters in either case.  Pure. */
#ifndef RPC_ALLOW_H
#define RPC_ALLOW_H

#include <stdbool.h>

bool bf_rpc_pattern_matches(const char *pattern, const char *name);

#endif
