/* `bitferry wait` and `bitferry abort`: until a move is so far, or over. */
#include "daemon_link.h"
#include "interrupt.h"
#include "move_view.h"

#include <string.h>

enum { OPT_FOR, OPT_TIMEOUT, OPT_SOCKET, NR_WAIT_OPTIONS };
enum { ABORT_OPT_TIMEOUT, ABORT_OPT_SOCKET, NR_ABORT_OPTIONS };

enum {
    TIMEOUT_MAX_S = 7 * 24 * 3600,
    ABORT_TIMEOUT_S = 60,
    SLACK_MS = 10000, /* the daemon ends the wait; this is for one that has died */
};

static const struct bf_option wait_options[NR_WAIT_OPTIONS] = {
    [OPT_FOR] = {.name = "for",
                 .placeholder = "MILESTONE",
                 .kind = BF_ARGUMENT_TEXT,
                 .help = "*installed*: all bits are at the destination, switch over now; "
                         "*committed*: they are under their names, and verified; *frozen*: the "
                         "machine may be stopped (committed)"},
    [OPT_TIMEOUT] = {.name = "timeout",
                     .placeholder = "SECONDS",
                     .kind = BF_ARGUMENT_TEXT,
                     .help =
                         "give up after so long, with exit status 10; the move goes on (never)"},
    [OPT_SOCKET] = BF_OPTION_SOCKET,
};

static const struct bf_option abort_options[NR_ABORT_OPTIONS] = {
    [ABORT_OPT_TIMEOUT] = {.name = "timeout",
                           .placeholder = "SECONDS",
                           .kind = BF_ARGUMENT_TEXT,
                           .help = "wait so long for its end (60)"},
    [ABORT_OPT_SOCKET] = BF_OPTION_SOCKET,
};

static int wait_for(struct bf_client *client, const char *id, const char *milestone,
                    uint64_t timeout_s, json_t **ret_reply, struct bf_error *err)
{
    BF_CLEANUP(json_decrefp) json_t *request = bf_daemon_request("wait", id);
    int64_t timeout_ms = (int64_t)timeout_s * 1000;
    int r;

    if (!request || json_object_set_new(request, "for", json_string(milestone)) < 0 ||
        (timeout_ms > 0 &&
         json_object_set_new(request, "timeout_ms", json_integer(timeout_ms)) < 0))
        return bf_error_set(err, BF_E_NO_MEMORY, "out of memory");
    r = bf_client_send(client, request, err);
    if (r < 0)
        return r;
    return bf_client_receive(client, timeout_ms > 0 ? (int)timeout_ms + SLACK_MS : -1, ret_reply,
                             err);
}

static int check_milestone(const char *milestone, struct bf_error *err)
{
    static const char *const known[] = {"installed", "committed", "frozen"};

    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        if (strcmp(known[i], milestone) == 0)
            return 0;
    }
    return bf_error_set(err, BF_E_USAGE,
                        "wait: --for is installed, committed or frozen, not '%.100s'", milestone);
}

/* Until the end the milestone's own exit status is 0; at the end it is the move's. */
static int exit_of(const json_t *reply)
{
    return (int)json_integer_value(json_object_get(json_object_get(reply, "move"), "exit"));
}

static int finish(const struct bf_arguments *args, json_t *reply, int exit_code,
                  struct bf_error *err)
{
    BF_CLEANUP(json_decrefp) json_t *owned = reply;
    const json_t *move = json_object_get(owned, "move");
    int r;

    if (args->json) {
        r = bf_daemon_print_json(bf_steal_ptr(&owned), err);
        return r < 0 ? r : exit_code;
    }
    if (exit_code == 0 && args->quiet)
        return 0;
    bf_move_view_state(move, stdout);
    (void)putchar('\n');
    bf_move_view_drops(move, stdout);
    return exit_code;
}

static int run_wait(const struct bf_arguments *args, struct bf_error *err)
{
    const char *id = args->operands[0];
    const char *milestone = bf_option_value(args, OPT_FOR);
    BF_CLEANUP(bf_client_closep) struct bf_client *client = NULL;
    uint64_t timeout_s = 0;
    json_t *reply = NULL;
    int r = bf_daemon_check_id(args, id, err);

    if (!milestone)
        milestone = "committed";
    if (r == 0)
        r = check_milestone(milestone, err);
    if (r == 0)
        r = bf_option_number(args, OPT_TIMEOUT, 1, TIMEOUT_MAX_S, &timeout_s, err);
    if (r == 0)
        r = bf_daemon_find(bf_option_value(args, OPT_SOCKET), id, &client, err);
    if (r == 0)
        r = wait_for(client, id, milestone, timeout_s, &reply, err);
    return r < 0 ? r : finish(args, reply, exit_of(reply), err);
}

static int run_abort(const struct bf_arguments *args, struct bf_error *err)
{
    const char *id = args->operands[0];
    BF_CLEANUP(bf_client_closep) struct bf_client *client = NULL;
    BF_CLEANUP(json_decrefp) json_t *request = NULL;
    BF_CLEANUP(json_decrefp) json_t *reply = NULL;
    json_t *end = NULL;
    uint64_t timeout_s = ABORT_TIMEOUT_S;
    bool aborted;
    int r = bf_daemon_check_id(args, id, err);

    if (r == 0)
        r = bf_option_number(args, ABORT_OPT_TIMEOUT, 1, TIMEOUT_MAX_S, &timeout_s, err);
    if (r == 0)
        r = bf_daemon_find(bf_option_value(args, ABORT_OPT_SOCKET), id, &client, err);
    if (r == 0 && !(request = bf_daemon_request("abort", id)))
        r = bf_error_set(err, BF_E_NO_MEMORY, "out of memory");
    if (r == 0)
        r = bf_client_call(client, request, &reply, err);
    if (r == 0)
        r = wait_for(client, id, "committed", timeout_s, &end, err);
    if (r < 0)
        return r;
    aborted = strcmp(bf_daemon_text(json_object_get(end, "move"), "state"), "aborted") == 0;
    return finish(args, end, aborted ? BF_EXIT_OK : BF_EXIT_FAILURE, err);
}

const struct bf_command bf_wait_command = {
    .name = "wait",
    .summary = "Wait until a move is so far",
    .operands = "ID",
    .operand_kind = BF_ARGUMENT_TEXT,
    .min_operands = 1,
    .max_operands = 1,
    .options = wait_options,
    .nr_options = NR_WAIT_OPTIONS,
    .description =
        "Waits until the move _ID_ has reached a milestone, or is over.  At its end the exit "
        "status is "
        "that of the move: 0 if all bitmaps were carried and verified, 3 or 4 if some or none "
        "were, "
        "another one for the reason of its failure.  Every bitmap that was dropped is named with "
        "the "
        "reason.",
    .examples = "bitferry wait $id --for installed --timeout 600\n"
                "return when it is time to switch over\n",
    .run = run_wait,
};

const struct bf_command bf_abort_command = {
    .name = "abort",
    .summary = "End a move that is under way",
    .operands = "ID",
    .operand_kind = BF_ARGUMENT_TEXT,
    .min_operands = 1,
    .max_operands = 1,
    .options = abort_options,
    .nr_options = NR_ABORT_OPTIONS,
    .description = "Asks the daemon to roll the move _ID_ back, and waits for its end.  The "
                   "machine and its bitmaps at the source stay as they are.",
    .examples = "",
    .run = run_abort,
};
