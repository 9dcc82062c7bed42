/** The daemons of both hosts in a migration that `bitferry migrate` runs: where they can be told of
 *  it they carry the move, and the command does nothing of it a second time.
 *
 *     plan  ->  begin  ->  libvirt's migration  ->  finish | give_up
 *
 * Nothing here fails the migration: where a daemon does not do its part, @why says so, and the
 * command goes on by itself.
 */
#ifndef CLI_MIGRATE_HELPERS_H
#define CLI_MIGRATE_HELPERS_H

#include "command.h"
#include "daemon/move.h"
#include "daemon/role.h"
#include "libvirt/migrate_options.h"
#include "migrate_capture.h"

struct bf_helper {
    const char *socket; /* of its control; NULL: it cannot be asked from here */
    char id[BF_MOVE_ID_CHARS + 1];
    bool ours;    /* begun by us; else it was under way before */
    bool away;    /* it does not answer any more */
    json_t *move; /* as it was seen last */
};

struct bf_helpers {
    const struct bf_arguments *args;
    char *peer; /* the destination, as bitferry-source calls it */
    bool used;
    char why[BF_ERROR_TEXT_MAX]; /* if not */
    struct bf_helper source;
    struct bf_helper dest;
};

struct bf_helpers_request {
    const struct bf_arguments *args;
    const struct bf_capture *capture;
    const struct bf_virt_migrate_facts *facts;
    bool source_is_here;
};

/** Can they be asked at all?  Nothing is begun. */
void bf_helpers_plan(const struct bf_helpers_request *request, struct bf_helpers *ret_helpers);

/** Tell both.  When it returns, bitferry-source has seen what the machine has. */
void bf_helpers_begin(const struct bf_helpers_request *request, struct bf_helpers *helpers);

/** The machine stays.  True: bitferry-source has made the bitmaps anew that the failed migration
 * left as good as lost. */
bool bf_helpers_give_up(struct bf_helpers *helpers);

/** The machine has left; @paused: it does not run there yet, which they wait for.  False: they have
 *  not carried it. */
bool bf_helpers_finish(struct bf_helpers *helpers, bool paused);

void bf_helpers_release(struct bf_helpers *helpers);

/** What the nearest to the destination of them says; NULL: nothing. */
const json_t *bf_helpers_move(const struct bf_helpers *helpers);

/** The rest of a line, on stdout: "by ...", who carries it or has. */
void bf_helpers_print(const struct bf_helpers *helpers);

/** NULL: no memory. */
json_t *bf_helpers_to_json(const struct bf_helpers *helpers);

#endif
