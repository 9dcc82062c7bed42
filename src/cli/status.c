/* `bitferry status` and `bitferry list`: what the daemons of this host are at. */
#include "daemon_link.h"
#include "interrupt.h"
#include "move_view.h"
#include "table.h"
#include "watch.h"

#include <string.h>

enum { OPT_WATCH, OPT_SOCKET, NR_STATUS_OPTIONS };
enum { LIST_OPT_SOCKET, NR_LIST_OPTIONS };

static const struct bf_option status_options[NR_STATUS_OPTIONS] = {
    [OPT_WATCH] = {.name = "watch",
                   .letter = 'w',
                   .help = "show every change until nothing is under way: drawn over on a "
                           "terminal, else a line a change; with --json a document a change, each "
                           "in one line"},
    [OPT_SOCKET] = BF_OPTION_SOCKET,
};

static const struct bf_option list_options[NR_LIST_OPTIONS] = {
    [LIST_OPT_SOCKET] = BF_OPTION_SOCKET,
};

static int print_moves_json(json_t *moves, struct bf_error *err)
{
    return bf_print_json(json_pack("{s:i, s:o}", "schema", 1, "moves", moves), err);
}

static void print_moves(const json_t *moves)
{
    struct bf_screen screen = bf_screen_of(stdout);
    const json_t *move;
    size_t i;

    json_array_foreach(moves, i, move)
    {
        bf_move_view_print(move, &screen, BF_MOVE_VIEW_ALL, stdout);
    }
}

/* ---- --watch ---- */

static int watch_all(struct bf_client *client, json_t *request, struct bf_watch *watch,
                     struct bf_error *err)
{
    int r = bf_client_send(client, request, err);
    bool last = false;

    while (r == 0 && !last) {
        BF_CLEANUP(json_decrefp) json_t *reply = NULL;

        r = bf_client_receive(client, -1, &reply, err);
        if (r == 0)
            r = bf_watch_show(watch, json_object_get(reply, "moves"), err);
        last = json_is_true(json_object_get(reply, "last"));
    }
    return r;
}

/* Without an id and a socket: the daemon that is there.  Of two, the user has to choose. */
static int open_to_watch(const char *socket, const char *id, struct bf_client **ret_client,
                         struct bf_error *err)
{
    struct bf_error at_source = BF_ERROR_INIT;

    if (id)
        return bf_daemon_find(socket, id, ret_client, err);
    if (socket)
        return bf_daemon_open(socket, BF_ROLE_SOURCE, ret_client, err);
    if (bf_daemon_open(NULL, BF_ROLE_DEST, ret_client, NULL) < 0)
        return bf_daemon_open(NULL, BF_ROLE_SOURCE, ret_client, err);
    {
        BF_CLEANUP(bf_client_closep) struct bf_client *source = NULL;

        if (bf_daemon_open(NULL, BF_ROLE_SOURCE, &source, &at_source) < 0)
            return 0;
    }
    bf_client_close(bf_steal_ptr(ret_client));
    return bf_error_set(
        err, BF_E_USAGE,
        "status: both daemons run here: watch one of them, with --socket " BF_SOURCE_SOCKET
        " or --socket " BF_DEST_SOCKET);
}

static int run_watch(const struct bf_arguments *args, const char *id, struct bf_error *err)
{
    BF_CLEANUP(bf_client_closep) struct bf_client *client = NULL;
    BF_CLEANUP(json_decrefp) json_t *request = bf_daemon_request("status", id);
    struct bf_watch watch;
    int r = bf_watch_init(&watch, args->json, err);

    if (r == 0 && (!request || json_object_set_new(request, "watch", json_true()) < 0))
        r = bf_error_set(err, BF_E_NO_MEMORY, "out of memory");
    if (r == 0)
        r = open_to_watch(bf_option_value(args, OPT_SOCKET), id, &client, err);
    if (r == 0)
        r = watch_all(client, request, &watch, err);
    bf_watch_release(&watch);
    return r;
}

/* ---- once ---- */

static int status_of_one(const char *socket, const char *id, json_t **ret_moves,
                         struct bf_error *err)
{
    BF_CLEANUP(bf_client_closep) struct bf_client *client = NULL;
    BF_CLEANUP(json_decrefp) json_t *request = bf_daemon_request("status", id);
    BF_CLEANUP(json_decrefp) json_t *reply = NULL;
    int r = request ? bf_daemon_find(socket, id, &client, err)
                    : bf_error_set(err, BF_E_NO_MEMORY, "out of memory");

    if (r == 0)
        r = bf_client_call(client, request, &reply, err);
    if (r == 0)
        *ret_moves = json_incref(json_object_get(reply, "moves"));
    return r;
}

static int run_status(const struct bf_arguments *args, struct bf_error *err)
{
    const char *id = args->nr_operands > 0 ? args->operands[0] : NULL;
    const char *socket = bf_option_value(args, OPT_SOCKET);
    BF_CLEANUP(json_decrefp) json_t *moves = NULL;
    int r = id ? bf_daemon_check_id(args, id, err) : 0;

    if (r < 0 || bf_option_given(args, OPT_WATCH))
        return r < 0 ? r : run_watch(args, id, err);
    r = id ? status_of_one(socket, id, &moves, err)
           : bf_daemon_moves(socket, "status", &moves, err);
    if (r < 0)
        return r;
    if (args->json)
        return print_moves_json(bf_steal_ptr(&moves), err);
    print_moves(moves);
    return 0;
}

/* ---- list ---- */

static int add_row(struct bf_table *table, const json_t *move, struct bf_error *err)
{
    static const char *const keys[] = {"id", "vm", "role", "state", "phase", "begun"};
    char *cells[sizeof keys / sizeof keys[0]] = {NULL};
    bool all = true;
    int r = 0;

    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        cells[i] = bf_escape(bf_daemon_text(move, keys[i]));
        all = all && cells[i];
    }
    r = all ? bf_table_add(table, (const char *const *)cells, NULL, err)
            : bf_error_set(err, BF_E_NO_MEMORY, "out of memory");
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++)
        free(cells[i]);
    return r;
}

static int print_table(const json_t *moves, struct bf_error *err)
{
    static const char *const head[] = {"MOVE", "VM", "HERE", "STATE", "PHASE", "BEGUN"};
    struct bf_table table = {.nr_columns = sizeof head / sizeof head[0]};
    const json_t *move;
    size_t i;
    int r = bf_table_add(&table, head, NULL, err);

    json_array_foreach(moves, i, move)
    {
        if (r == 0)
            r = add_row(&table, move, err);
    }
    if (r == 0 && json_array_size(moves) > 0)
        bf_table_print(&table, 0, bf_screen_of(stdout).colour, stdout);
    bf_table_release(&table);
    return r;
}

static int run_list(const struct bf_arguments *args, struct bf_error *err)
{
    BF_CLEANUP(json_decrefp) json_t *moves = NULL;
    int r = bf_daemon_moves(bf_option_value(args, LIST_OPT_SOCKET), "list", &moves, err);

    if (r < 0)
        return r;
    if (args->json)
        return print_moves_json(bf_steal_ptr(&moves), err);
    if (json_array_size(moves) == 0)
        bf_note(args, "there are no moves");
    return print_table(moves, err);
}

const struct bf_command bf_status_command = {
    .name = "status",
    .summary = "Show how far moves are, bitmap by bitmap",
    .operands = "[ID]",
    .operand_kind = BF_ARGUMENT_TEXT,
    .min_operands = 0,
    .max_operands = 1,
    .options = status_options,
    .nr_options = NR_STATUS_OPTIONS,
    .description = "Shows the move _ID_, or all that the daemons of this host know: their phase, "
                   "and for each disk and bitmap how far it is or what became of it.  Moves that "
                   "have ended are remembered for a while.\n"
                   "\n"
                   "A bitmap is *carried*; *widened*: it covers more than the source's; *native*: "
                   "QEMU itself brought it, and nothing is missing in it; or *dropped*, with a "
                   "reason.",
    .examples = "bitferry status --watch\nfollow all moves in a terminal\n",
    .run = run_status,
};

const struct bf_command bf_list_command = {
    .name = "list",
    .summary = "List the moves of this host",
    .operands = "",
    .options = list_options,
    .nr_options = NR_LIST_OPTIONS,
    .description = "Lists the moves that the daemons of this host know, the oldest first, a line "
                   "each.",
    .examples = "",
    .run = run_list,
};
