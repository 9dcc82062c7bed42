/** Texts of an order. */
#ifndef PLAN_TEXT_H
#define PLAN_TEXT_H

#include "base/error.h"

#include <jansson.h>
#include <stddef.h>

/** A string of 1 to @max_bytes bytes without control characters, borrowed from @object.  Errors:
 *  INVALID. */
int bf_plan_get_text(const json_t *object, const char *key, size_t max_bytes, const char **ret_text,
                     struct bf_error *err);

/** A copy of it.  Errors: and NO_MEMORY. */
int bf_plan_copy_text(const json_t *object, const char *key, size_t max_bytes, char **ret_copy,
                      struct bf_error *err);

/** The same for an absolute path. */
int bf_plan_read_path(const json_t *object, const char *key, size_t max_bytes, char **ret_path,
                      struct bf_error *err);

#endif
