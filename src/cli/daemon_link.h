/** To the daemons of this host: which of them, and what is common to the commands that ask them. */
#ifndef CLI_DAEMON_LINK_H
#define CLI_DAEMON_LINK_H

#include "command.h"
#include "daemon/client.h"
#include "daemon/role.h"

#include <jansson.h>

#define BF_OPTION_SOCKET                                                                           \
    {                                                                                              \
        .name = "socket", .placeholder = "PATH", .kind = BF_ARGUMENT_FILE,                         \
        .help = "the control socket of the daemon; without it, _" BF_SOURCE_SOCKET                 \
                "_ or _" BF_DEST_SOCKET "_"                                                        \
    }

/** Connect to @socket, or to the daemon of this role where it is NULL. */
int bf_daemon_open(const char *socket, enum bf_role role, struct bf_client **ret_client,
                   struct bf_error *err);

/** Connect to the daemon that knows the move @id.  Errors: NOT_FOUND if none does; PEER if none
 *  listens; those of bf_client_call(). */
int bf_daemon_find(const char *socket, const char *id, struct bf_client **ret_client,
                   struct bf_error *err);

/** The moves of @socket, or of both daemons: an array of what @op ("list", "status") tells.  One of
 *  the two may be missing. */
int bf_daemon_moves(const char *socket, const char *op, json_t **ret_moves, struct bf_error *err);

/** {"op":@op, "id":@id}; NULL: no memory. */
json_t *bf_daemon_request(const char *op, const char *id);

/** The text at @key of what a daemon said, "" if there is none. */
const char *bf_daemon_text(const json_t *object, const char *key);

/** Errors: USAGE. */
int bf_daemon_check_id(const struct bf_arguments *args, const char *id, struct bf_error *err);

/** Print a reply without its "ok" and "last".  Takes the reference. */
int bf_daemon_print_json(json_t *reply, struct bf_error *err);

#endif
