/** QMP step by step, for straight-line code that owns its loop (the offline path, tests): each call
 * runs the loop until its answer is there.  Not for daemons, whose loop has other work, and never
 * inside a callback of the loop. */
#ifndef QMP_CALL_H
#define QMP_CALL_H

#include "qmp/client.h"

/** Run the loop until the client of bf_qmp_open_*() is ready.  Errors: as `ready` gets them. */
int bf_qmp_wait_ready(struct bf_qmp *qmp, struct bf_error *err);

/** One command; *ret_result (@ret_result may be NULL) is a new reference.  Errors: as of
 * bf_qmp_send() and as its callback gets them. */
int bf_qmp_call(struct bf_qmp *qmp, const char *command, json_t *arguments, uint64_t deadline_ms,
                json_t **ret_result, struct bf_error *err);

/** Close and run the loop until everything of the client is freed. */
void bf_qmp_close_wait(struct bf_qmp *qmp);

#endif
