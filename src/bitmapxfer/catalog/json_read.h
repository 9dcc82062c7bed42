/** Values of a JSON object from outside.  Errors: PROTOCOL for what is missing or of another kind,
 * LIMIT.
 */
#ifndef CATALOG_JSON_READ_H
#define CATALOG_JSON_READ_H

#include "base/error.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

/** "@key is missing or not @expected"; returns the error. */
int bf_json_malformed(struct bf_error *err, const char *key, const char *expected);

int bf_json_get_bytes(const json_t *object, const char *key, uint64_t *ret_bytes,
                      struct bf_error *err);
int bf_json_get_bool(const json_t *object, const char *key, bool *ret_value, struct bf_error *err);

/** *ret_text is borrowed from @object; NULL if the key is absent and @optional. */
int bf_json_get_text(const json_t *object, const char *key, bool optional, const char **ret_text,
                     struct bf_error *err);

/** *ret_array is borrowed; it has at most @nr_max entries. */
int bf_json_get_array(const json_t *object, const char *key, size_t nr_max,
                      const json_t **ret_array, struct bf_error *err);

#endif
