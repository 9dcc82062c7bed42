/** The part of a plan that says how single disks go. */
#ifndef DAEMON_PLAN_MODES_H
#define DAEMON_PLAN_MODES_H

#include "daemon/plan.h"

/** Errors: INVALID, NO_MEMORY; what was read by then is in @plan. */
int bf_plan_read_modes(const json_t *object, struct bf_plan *plan, struct bf_error *err);

/** NULL: no memory. */
json_t *bf_plan_modes_to_json(const struct bf_plan *plan);

#endif
