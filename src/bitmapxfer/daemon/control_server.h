/** The control socket: who may connect, lines in, JSON out.  Nothing of what the lines mean.
 *
 * No client can hold the daemon: lines have a cap; a client that asks nothing, or does not take its
 * answer, for client_patience_s is disconnected, as is one that lets more than
 * BF_CONNECTION_QUEUE_MAX_BYTES of answers pile up; there are at most max_clients.
 */
#ifndef CONTROL_SERVER_H
#define CONTROL_SERVER_H

#include "base/error.h"
#include "daemon/config.h"
#include "daemon/lines.h"

#include <jansson.h>
#include <uv.h>

enum { BF_CONNECTION_QUEUE_MAX_BYTES = 1 << 20 };

struct bf_control_server;

struct bf_connection {
    uv_pipe_t pipe;
    uv_timer_t patience;
    struct bf_lines lines;
    struct bf_control_server *server;
    struct bf_connection *next, **previous;
    unsigned nr_open_handles;
    bool held;   /* an answer is still to come: no idling, and no other request */
    bool ending; /* to be closed when all answers are out */
    bool closing;
    void *user; /* the handler's */
};

struct bf_connection_handlers {
    /** A line; @connection lasts until gone(). */
    void (*line)(void *ctx, struct bf_connection *connection, const char *line, size_t line_bytes);
    /** All that was sent has gone out. */
    void (*drained)(void *ctx, struct bf_connection *connection);
    /** It is being closed; the last call. */
    void (*gone)(void *ctx, struct bf_connection *connection);
};

struct bf_control_server {
    uv_loop_t *loop;
    uv_pipe_t listener;
    const struct bf_config *config;
    const struct bf_connection_handlers *handlers;
    void *ctx;
    struct bf_connection *connections;
    size_t nr_connections;
    int folder_fd;
    int lock_fd;
    bool listening;
};

/** Make the run folder, lock it, and listen in it.  Errors: WORK_IN_PROGRESS (another daemon),
 *  PERMISSION, NOT_FOUND, IO; the server is then closed (its handle may still need a turn of the
 *  loop). */
int bf_control_server_open(struct bf_control_server *server, uv_loop_t *loop,
                           const struct bf_config *config,
                           const struct bf_connection_handlers *handlers, void *ctx,
                           struct bf_error *err);

/** Stop listening, remove the socket, close every connection once its answers are out (or its
 *  patience over). */
void bf_control_server_close(struct bf_control_server *server);

/** Close them now. */
void bf_control_server_drop(struct bf_control_server *server);

/** Takes the reference; NULL is "no memory" and closes the connection. */
void bf_connection_send(struct bf_connection *connection, json_t *reply);

/** Is something of what was sent still on its way? */
bool bf_connection_is_sending(const struct bf_connection *connection);

/** An answer will come later, or came. */
void bf_connection_hold(struct bf_connection *connection);
void bf_connection_unhold(struct bf_connection *connection);

/** May a process of this user give orders? */
bool bf_control_uid_allowed(const struct bf_config *config, uid_t uid);

/* ---- between control_server.c and connection.c ---- */

/** Take the next connection of the listener. */
void bf_connection_accept(struct bf_control_server *server);
void bf_connection_close(struct bf_connection *connection);
void bf_connection_end(struct bf_connection *connection);

#endif
