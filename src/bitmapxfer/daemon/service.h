/** The daemon between its clients, its folder and its driver: what requests mean. */
#ifndef SERVICE_H
#define SERVICE_H

#include "control_server.h"
#include "daemon/control.h"
#include "daemon/driver.h"

struct bf_waiter;

struct bf_service {
    uv_loop_t *loop;
    const struct bf_config *config;
    const struct bf_move_driver_ops *driver; /* NULL: no moves can be begun */
    struct bf_state_dir state;
    struct bf_moves moves;
    struct bf_control_server server;
    struct bf_waiter *waiters;
    struct bf_driver_host host;
    uv_timer_t flush;  /* sends what watching clients have not seen yet */
    uv_timer_t reaper; /* frees the drivers of moves that are over */
    size_t nr_drivers;
    bool draining;
    bool closing;
    bool opened;
    void (*idle)(void *ctx);
    void *ctx;
};

/** Open the state folder, take up its moves, listen.  @idle (may be NULL) is called while draining,
 *  whenever no move is under way any more.  Errors as of bf_state_dir_open() and
 *  bf_control_server_open(); the service is then closed (run the loop to its end). */
int bf_service_open(struct bf_service *service, uv_loop_t *loop, const struct bf_config *config,
                    const struct bf_move_driver_ops *driver, void (*idle)(void *ctx), void *ctx,
                    struct bf_error *err);

/** No new moves; drivers are told to come to an end. */
void bf_service_drain(struct bf_service *service);

/** Tell every driver. */
void bf_service_event(struct bf_service *service, enum bf_driver_event event);

/** Free all drivers, answer who waits, close all handles.  When the loop has run out:
 *  bf_service_release(). */
void bf_service_close(struct bf_service *service);
void bf_service_release(struct bf_service *service);

/* ---- its parts ---- */

/** service_load.c: the moves of former runs. */
int bf_service_load(struct bf_service *service, struct bf_error *err);

/** service_load.c: let the oldest moves that are over go, but keep_moves. */
void bf_service_forget(struct bf_service *service);

/** service_end.c: a move is over: journal, log, reaper. */
void bf_service_on_ended(void *ctx, struct bf_move *move);

/** service_end.c: let the driver of a move go. */
void bf_service_free_driver(struct bf_service *service, struct bf_move *move);
void bf_service_on_reap(uv_timer_t *timer);

/** service_start.c: `start` and `expect`. */
void bf_service_start(struct bf_service *service, struct bf_connection *connection,
                      struct bf_control_request *request);

/** An `expect` of the daemon's own; takes the plan out of @request.  *ret_move stays NULL where it
 * cannot be, which is logged. */
void bf_service_expect(struct bf_service *service, struct bf_control_request *request,
                       struct bf_move **ret_move);

/** service_hook.c: the driver's host: the peer announces a domain. */
bool bf_service_on_announced(void *ctx, const char *vm, const char *uuid);

/** service_hook.c: someone else does something with a VM. */
void bf_service_hook(struct bf_service *service, struct bf_connection *connection,
                     const struct bf_control_request *request);

/** Answer with an error. */
void bf_service_refuse(struct bf_connection *connection, const struct bf_error *error);

#endif
