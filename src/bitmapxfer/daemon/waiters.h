/** Clients that wait for a move: `wait` until a milestone, `status` with `watch` at every change.
 *
 * Changes are gathered for WATCH_INTERVAL_MS, and a client that has not taken its last answer yet
 * gets the next one only after it: it sees the newest state, never a queue of old ones.
 */
#ifndef WAITERS_H
#define WAITERS_H

#include "service.h"

/** Answer, or hold the connection until there is an answer. */
void bf_waiters_add(struct bf_service *service, struct bf_connection *connection,
                    const struct bf_control_request *request);

/** The connection goes. */
void bf_waiters_remove(struct bf_connection *connection);

/** The last answer has gone out. */
void bf_waiters_on_drained(struct bf_service *service, struct bf_connection *connection);

/** A move has changed. */
void bf_waiters_on_changed(void *ctx, struct bf_move *move);

void bf_waiters_on_flush(uv_timer_t *timer);

/** Tell all that the daemon stops. */
void bf_waiters_dismiss(struct bf_service *service);

/** {"ok":true,"last":...,"moves":[...]}: the move @id, or all for "".  NULL: no memory. */
json_t *bf_status_reply(const struct bf_service *service, const char *id, bool rows, bool watch);

#endif
