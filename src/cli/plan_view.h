/** A plan of modes/plan.h for people and for scripts. */
#ifndef CLI_PLAN_VIEW_H
#define CLI_PLAN_VIEW_H

#include "facts/facts.h"
#include "modes/plan.h"
#include "output.h"

struct bf_plan_view {
    const struct bf_facts *source, *dest;
    const struct bf_mode_plan *plan;
};

/** NULL: out of memory. */
json_t *bf_plan_view_json(const struct bf_plan_view *view);

int bf_plan_view_print(const struct bf_plan_view *view, const struct bf_screen *screen, FILE *out,
                       struct bf_error *err);

/** The exit code that such a move would have. */
int bf_plan_view_exit(const struct bf_plan_view *view);

#endif
