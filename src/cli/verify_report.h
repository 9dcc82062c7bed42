/** The results of `bitferry verify`, as text and as JSON. */
#ifndef CLI_VERIFY_REPORT_H
#define CLI_VERIFY_REPORT_H

#include "output.h"
#include "verify_compare.h"

int bf_verify_print(const struct bf_verify_results *results, struct bf_error *err);

/** NULL: out of memory. */
json_t *bf_verify_to_json(const struct bf_verify_results *results);

#endif
