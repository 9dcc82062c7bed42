/** Which disk a block job works on. */
#ifndef LIVE_JOB_DISK_H
#define LIVE_JOB_DISK_H

#include "watch_internal.h"

/** The disk whose node the job @id stands on, by the answer of x-debug-query-block-graph: the
 *  nearest of them below it, not by way of its target.  NULL: none. */
struct bf_live_mirror *bf_live_job_disk(struct bf_live_watch *watch, const json_t *graph,
                                        const char *id);

#endif
