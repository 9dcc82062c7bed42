/** The other end of the control socket, for the command line: it waits, it needs no loop. */
#ifndef DAEMON_CLIENT_H
#define DAEMON_CLIENT_H

#include "base/cleanup.h"
#include "base/error.h"

#include <jansson.h>

struct bf_client;

/** @interrupt_fd: readable once the user wants out, or -1.  Errors: PEER (nobody listens there),
 *  PERMISSION, INVALID (the path is too long), NO_MEMORY. */
int bf_client_open(const char *path, int interrupt_fd, struct bf_client **ret_client,
                   struct bf_error *err);

void bf_client_close(struct bf_client *client);
BF_DEFINE_CLEANUP(struct bf_client *, bf_client_close)

/** Send a request.  @request is borrowed; "schema" is put in.  Errors: PEER, DEADLINE, INTERRUPTED.
 */
int bf_client_send(struct bf_client *client, json_t *request, struct bf_error *err);

/** The next answer; @timeout_ms -1: wait for ever.  The daemon's own error becomes this one's, with
 *  its code and text.  Errors: those; PEER, DEADLINE, PROTOCOL, VERSION, INTERRUPTED. */
int bf_client_receive(struct bf_client *client, int timeout_ms, json_t **ret_reply,
                      struct bf_error *err);

/** send() and receive() with a time-out that a daemon in health always meets. */
int bf_client_call(struct bf_client *client, json_t *request, json_t **ret_reply,
                   struct bf_error *err);

#endif
