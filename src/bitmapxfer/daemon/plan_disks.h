/** The disks of an order. */
#ifndef PLAN_DISKS_H
#define PLAN_DISKS_H

#include "daemon/plan.h"

/** The array "disks", into the plan, which frees what was read before an error too.  Errors:
 * INVALID, LIMIT, NO_MEMORY. */
int bf_plan_read_disks(const json_t *object, struct bf_plan *plan, struct bf_error *err);

/** NULL: no memory. */
json_t *bf_plan_disks_to_json(const struct bf_plan *plan);

#endif
