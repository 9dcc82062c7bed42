#include "daemon_link.h"

#include "daemon/move.h"
#include "interrupt.h"
#include "output.h"

#include <string.h>

static const char *const default_sockets[BF_NR_ROLES] = {
    [BF_ROLE_SOURCE] = BF_SOURCE_SOCKET,
    [BF_ROLE_DEST] = BF_DEST_SOCKET,
};

int bf_daemon_open(const char *socket, enum bf_role role, struct bf_client **ret_client,
                   struct bf_error *err)
{
    return bf_client_open(socket ? socket : default_sockets[role], bf_interrupt_fd(), ret_client,
                          err);
}

json_t *bf_daemon_request(const char *op, const char *id)
{
    return id ? json_pack("{s:s, s:s}", "op", op, "id", id) : json_pack("{s:s}", "op", op);
}

static int ask(struct bf_client *client, const char *op, const char *id, json_t **ret_reply,
               struct bf_error *err)
{
    BF_CLEANUP(json_decrefp) json_t *request = bf_daemon_request(op, id);

    if (!request)
        return bf_error_set(err, BF_E_NO_MEMORY, "out of memory");
    return bf_client_call(client, request, ret_reply, err);
}

/* One daemon, if it is there and knows the move. */
static int try_daemon(const char *path, const char *id, struct bf_client **ret_client,
                      struct bf_error *err)
{
    BF_CLEANUP(bf_client_closep) struct bf_client *client = NULL;
    BF_CLEANUP(json_decrefp) json_t *reply = NULL;
    int r = bf_client_open(path, bf_interrupt_fd(), &client, err);

    if (r == 0)
        r = ask(client, "status", id, &reply, err);
    if (r == 0)
        *ret_client = bf_steal_ptr(&client);
    return r;
}

/* What the other daemon says is of use only if this one is not there, or knows nothing. */
static bool may_try_next(enum bf_code code)
{
    return code == BF_E_PEER || code == BF_E_NOT_FOUND;
}

int bf_daemon_find(const char *socket, const char *id, struct bf_client **ret_client,
                   struct bf_error *err)
{
    struct bf_error at_source = BF_ERROR_INIT;
    struct bf_error at_dest = BF_ERROR_INIT;
    const struct bf_error *said;

    if (socket)
        return try_daemon(socket, id, ret_client, err);
    if (try_daemon(BF_SOURCE_SOCKET, id, ret_client, &at_source) == 0)
        return 0;
    if (!may_try_next(at_source.code))
        return bf_error_set(err, at_source.code, "%s", at_source.text);
    if (try_daemon(BF_DEST_SOCKET, id, ret_client, &at_dest) == 0)
        return 0;
    said = at_dest.code == BF_E_PEER ? &at_source : &at_dest;
    return bf_error_set(err, said->code, "%s", said->text);
}

static int append_moves(const char *path, const char *op, json_t *moves, struct bf_error *err)
{
    BF_CLEANUP(bf_client_closep) struct bf_client *client = NULL;
    BF_CLEANUP(json_decrefp) json_t *reply = NULL;
    int r = bf_client_open(path, bf_interrupt_fd(), &client, err);

    if (r == 0)
        r = ask(client, op, NULL, &reply, err);
    if (r == 0 && json_array_extend(moves, json_object_get(reply, "moves")) < 0)
        r = bf_error_set(err, BF_E_PROTOCOL, "the daemon at %s lists no moves", path);
    return r;
}

static int append_both(const char *op, json_t *moves, struct bf_error *err)
{
    struct bf_error errors[BF_NR_ROLES] = {BF_ERROR_INIT, BF_ERROR_INIT};
    size_t nr_missing = 0;

    for (enum bf_role role = BF_ROLE_SOURCE; role < BF_NR_ROLES; role++) {
        if (append_moves(default_sockets[role], op, moves, &errors[role]) == 0)
            continue;
        if (errors[role].code != BF_E_PEER)
            return bf_error_set(err, errors[role].code, "%s", errors[role].text);
        nr_missing++;
    }
    if (nr_missing == BF_NR_ROLES)
        return bf_error_set(err, BF_E_PEER, "%s", errors[BF_ROLE_SOURCE].text);
    return 0;
}

int bf_daemon_moves(const char *socket, const char *op, json_t **ret_moves, struct bf_error *err)
{
    BF_CLEANUP(json_decrefp) json_t *moves = json_array();
    int r;

    if (!moves)
        return bf_error_set(err, BF_E_NO_MEMORY, "out of memory");
    r = socket ? append_moves(socket, op, moves, err) : append_both(op, moves, err);
    if (r == 0)
        *ret_moves = bf_steal_ptr(&moves);
    return r;
}

const char *bf_daemon_text(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));

    return text ? text : "";
}

int bf_daemon_check_id(const struct bf_arguments *args, const char *id, struct bf_error *err)
{
    if (bf_move_id_valid(id))
        return 0;
    return bf_error_set(
        err, BF_E_USAGE,
        "%s: '%.100s' is no move's id (%d hexadecimal digits; 'bitferry list' shows "
        "them)",
        args->command->name, id, BF_MOVE_ID_CHARS);
}

int bf_daemon_print_json(json_t *reply, struct bf_error *err)
{
    (void)json_object_del(reply, "ok");
    (void)json_object_del(reply, "last");
    return bf_print_json(reply, err);
}
