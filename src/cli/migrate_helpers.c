#include "migrate_helpers.h"

#include "daemon_link.h"
#include "interrupt.h"
#include "migrate.h"
#include "output.h"
#include "uri_host.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

enum {
    NAP_MS = 100,
    LOOK_MS = 30000,       /* for bitferry-source to see what the machine has */
    ANSWER_MS = 2000,      /* for bitferry-dest, before the migration: its hook may tell it later */
    INSTALL_MS = 60000,    /* for what proves the bitmaps to be there: without it only counts do */
    LATE_ANSWER_MS = 3000, /* ... and when that is over */
    GIVE_UP_MS = 30000,
    FINISH_MS = 120000, /* a libvirtd that is being restarted gets one minute */
    AWAY_MS = 6000,     /* for a daemon to be there again */
    SLACK_MS = 2000,    /* the daemon ends the wait; this is for one that has died */
};

static uint64_t now_ms(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static void nap(void)
{
    static const struct timespec time = {.tv_nsec = NAP_MS * 1000000L};

    (void)nanosleep(&time, NULL);
}

static void leave_out(struct bf_helpers *helpers, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void leave_out(struct bf_helpers *helpers, const char *format, ...)
{
    va_list list;

    helpers->used = false;
    va_start(list, format);
    (void)vsnprintf(helpers->why, sizeof helpers->why, format, list);
    va_end(list);
}

/* Asking: each time anew, for a daemon may have been restarted.  A signal does not end it: then the
 * moves must be ended too. */

/* @request is taken. */
static int ask(const struct bf_helper *helper, json_t *request, int timeout_ms, json_t **ret_reply,
               struct bf_error *err)
{
    BF_CLEANUP(json_decrefp) json_t *owned = request;
    BF_CLEANUP(bf_client_closep) struct bf_client *client = NULL;
    int r = owned ? 0 : bf_error_set(err, BF_E_USAGE, "a name is not UTF-8");

    if (r == 0)
        r = bf_client_open(helper->socket, -1, &client, err);
    if (r == 0)
        r = bf_client_send(client, owned, err);
    return r < 0 ? r : bf_client_receive(client, timeout_ms, ret_reply, err);
}

static void take_move(struct bf_helper *helper, json_t *move)
{
    json_decref(helper->move);
    helper->move = json_incref(move);
}

static bool is_over(const struct bf_helper *helper)
{
    return strcmp(bf_daemon_text(helper->move, "state"), "under-way") != 0;
}

static void look(struct bf_helper *helper)
{
    BF_CLEANUP(json_decrefp) json_t *reply = NULL;

    if (ask(helper, bf_daemon_request("status", helper->id), SLACK_MS, &reply, NULL) == 0)
        take_move(helper, json_array_get(json_object_get(reply, "moves"), 0));
}

/* One call of `wait`.  Errors: DEADLINE after @timeout_ms. */
static int ask_to_wait(struct bf_helper *helper, const char *milestone, int timeout_ms,
                       struct bf_error *err)
{
    BF_CLEANUP(json_decrefp) json_t *reply = NULL;
    json_t *request = json_pack("{s:s, s:s, s:s, s:i}", "op", "wait", "id", helper->id, "for",
                                milestone, "timeout_ms", timeout_ms);
    int r = ask(helper, request, timeout_ms + SLACK_MS, &reply, err);

    if (r == 0)
        take_move(helper, json_object_get(reply, "move"));
    return r;
}

/* Until it has reached the milestone or is over. */
static bool wait_for(struct bf_helper *helper, const char *milestone, uint64_t timeout_ms)
{
    uint64_t end_ms = now_ms() + timeout_ms;
    uint64_t seen_ms = now_ms();

    for (uint64_t at_ms = seen_ms; at_ms < end_ms && at_ms - seen_ms < AWAY_MS; at_ms = now_ms()) {
        struct bf_error err = BF_ERROR_INIT;

        if (ask_to_wait(helper, milestone, (int)(end_ms - at_ms), &err) == 0)
            return true;
        if (err.code == BF_E_DEADLINE || err.code == BF_E_NOT_FOUND)
            return false;
        if (now_ms() - at_ms > NAP_MS) /* it was there when this call began */
            seen_ms = now_ms();
        nap();
    }
    helper->away = true;
    return false;
}

static const char *reason_of(const struct bf_helper *helper)
{
    const char *message = bf_daemon_text(json_object_get(helper->move, "reason"), "message");

    return message[0] ? message : bf_daemon_text(helper->move, "state");
}

/* Whether */

/* The daemons look at the top layers only. */
static bool has_bitmaps_below(const struct bf_look *before)
{
    for (size_t i = 0; i < before->nr_disks; i++) {
        for (size_t j = 1; j < before->disks[i].nr_layers; j++) {
            if (before->disks[i].layers[j].nr_bitmaps > 0)
                return true;
        }
    }
    return false;
}

static void check_fit(const struct bf_helpers_request *request, struct bf_helpers *helpers)
{
    if (bf_option_given(request->args, BF_MIGRATE_ALONE))
        leave_out(helpers, "as was asked for (--alone)");
    else if (request->facts->offline)
        leave_out(helpers, "the machine is shut off");
    else if (has_bitmaps_below(&request->capture->before))
        leave_out(helpers, "its disks stand on images that have bitmaps too");
    else if (request->facts->paused && request->capture->copied)
        leave_out(helpers, "it stays paused there (--suspend), and the daemons would wait for it");
    else if (!request->source_is_here && !bf_option_given(request->args, BF_MIGRATE_SOCKET))
        leave_out(helpers, "the source is another host (--socket)");
    else if (!helpers->peer)
        leave_out(helpers, "'%s' names no host (--peer)", request->args->operands[1]);
}

void bf_helpers_plan(const struct bf_helpers_request *request, struct bf_helpers *ret_helpers)
{
    const char *socket = bf_option_value(request->args, BF_MIGRATE_SOCKET);
    const char *peer = bf_option_value(request->args, BF_MIGRATE_PEER);
    BF_CLEANUP(bf_client_closep) struct bf_client *client = NULL;
    struct bf_error err = BF_ERROR_INIT;

    *ret_helpers = (struct bf_helpers){
        .args = request->args,
        .peer = peer ? strdup(peer) : bf_uri_host(request->args->operands[1]),
        .used = true,
        .source.socket = socket ? socket : BF_SOURCE_SOCKET,
        .dest.socket = bf_option_value(request->args, BF_MIGRATE_DEST_SOCKET),
    };
    check_fit(request, ret_helpers);
    if (ret_helpers->used && bf_client_open(ret_helpers->source.socket, -1, &client, &err) < 0)
        leave_out(ret_helpers, err.code == BF_E_PEER ? "no bitferry-source answers at %s" : "%s",
                  err.code == BF_E_PEER ? ret_helpers->source.socket : err.text);
}

/* Telling them */

/* A move that somebody else has begun, or libvirt's hook. */
static bool adopt(struct bf_helper *helper, const char *uuid)
{
    BF_CLEANUP(json_decrefp) json_t *reply = NULL;
    const json_t *move;
    size_t i;

    if (ask(helper, bf_daemon_request("list", NULL), SLACK_MS, &reply, NULL) < 0)
        return false;
    json_array_foreach(json_object_get(reply, "moves"), i, move)
    {
        if (strcmp(bf_daemon_text(move, "uuid"), uuid) == 0 &&
            strcmp(bf_daemon_text(move, "state"), "under-way") == 0) {
            (void)snprintf(helper->id, sizeof helper->id, "%s", bf_daemon_text(move, "id"));
            return true;
        }
    }
    return false;
}

/* @request is taken. */
static int tell(struct bf_helper *helper, json_t *request, const char *uuid, struct bf_error *err)
{
    BF_CLEANUP(json_decrefp) json_t *reply = NULL;
    int r = ask(helper, request, LOOK_MS, &reply, err);

    if (r < 0 && err->code == BF_E_WORK_IN_PROGRESS && adopt(helper, uuid))
        return 0;
    if (r < 0)
        return r;
    helper->ours = !json_is_true(json_object_get(reply, "existing"));
    (void)snprintf(helper->id, sizeof helper->id, "%s", bf_daemon_text(reply, "id"));
    return 0;
}

static int tell_source(const struct bf_helpers_request *request, struct bf_helpers *helpers,
                       struct bf_error *err)
{
    const struct bf_capture *capture = request->capture;
    json_t *start =
        json_pack("{s:s, s:s, s:s, s:s, s:s, s:s*}", "op", "start", "vm", capture->domain, "uuid",
                  capture->uuid, "domain", capture->uuid, "peer", helpers->peer, "connect",
                  request->source_is_here ? capture->source_uri : NULL);

    if (start && bf_option_given(request->args, BF_MIGRATE_NO_REPAIR))
        (void)json_object_set_new(start, "no_repair", json_true());
    return tell(&helpers->source, start, capture->uuid, err);
}

/* Else libvirt's hook tells it there, or bitferry-source does. */
static void tell_dest(const struct bf_helpers_request *request, struct bf_helpers *helpers)
{
    const struct bf_capture *capture = request->capture;
    struct bf_error err = BF_ERROR_INIT;

    if (helpers->dest.socket &&
        tell(&helpers->dest,
             json_pack("{s:s, s:s, s:s, s:s}", "op", "expect", "vm", capture->domain, "uuid",
                       capture->uuid, "domain", capture->uuid),
             capture->uuid, &err) < 0)
        bf_note(request->args, "bitferry-dest was not told: %s", err.text);
}

/* Until bitferry-source is in none of these phases (NULL at the end) any more. */
static bool wait_past(struct bf_helper *source, const char *const *phases, uint64_t timeout_ms)
{
    uint64_t end_ms = now_ms() + timeout_ms;

    for (;;) {
        const char *const *at = phases;

        look(source);
        while (*at && strcmp(*at, bf_daemon_text(source->move, "phase")) != 0)
            at++;
        if (source->move && (!*at || is_over(source)))
            return true;
        if (now_ms() >= end_ms)
            return false;
        nap();
    }
}

/* What the machine has must be known before it leaves. */
static bool wait_seen(struct bf_helper *source)
{
    static const char *const phases[] = {BF_PHASE_LOOKING, NULL};

    return wait_past(source, phases, LOOK_MS);
}

static bool wait_answered(struct bf_helper *source, uint64_t timeout_ms)
{
    static const char *const phases[] = {BF_PHASE_LOOKING, BF_PHASE_BEGINNING, BF_PHASE_OFFERING,
                                         NULL};

    return wait_past(source, phases, timeout_ms);
}

void bf_helpers_begin(const struct bf_helpers_request *request, struct bf_helpers *helpers)
{
    struct bf_error err = BF_ERROR_INIT;

    if (!helpers->used)
        return;
    if (tell_source(request, helpers, &err) < 0) {
        leave_out(helpers, "bitferry-source: %s", err.text);
        return;
    }
    bf_say_step(request->args, "bitferry-source has begun move %s", helpers->source.id);
    tell_dest(request, helpers);
    if (!wait_seen(&helpers->source)) {
        (void)bf_helpers_give_up(helpers);
        leave_out(helpers, "bitferry-source has not seen the machine in time");
        return;
    }
    if (wait_answered(&helpers->source, ANSWER_MS) &&
        !wait_for(&helpers->source, "installed", INSTALL_MS))
        bf_note(request->args, "not all that proves the bitmaps is at the destination yet");
    if (is_over(&helpers->source)) {
        (void)bf_helpers_give_up(helpers);
        leave_out(helpers, "bitferry-source: %s", reason_of(&helpers->source));
    }
}

/* The end */

static void end_move(struct bf_helper *helper)
{
    BF_CLEANUP(json_decrefp) json_t *reply = NULL;

    if (!helper->id[0])
        return;
    if (helper->ours)
        (void)ask(helper, bf_daemon_request("abort", helper->id), SLACK_MS, &reply, NULL);
    (void)wait_for(helper, "committed", helper->ours ? GIVE_UP_MS : LATE_ANSWER_MS);
}

/* At the destination first: then it has not to hear of it. */
bool bf_helpers_give_up(struct bf_helpers *helpers)
{
    static const char failed[] = "MIGRATION_FAILED";

    if (helpers->dest.ours)
        end_move(&helpers->dest);
    end_move(&helpers->source);
    return strncmp(reason_of(&helpers->source), failed, sizeof failed - 1) == 0;
}

static void see_dest(struct bf_helper *dest, uint64_t timeout_ms)
{
    if (dest->id[0])
        (void)wait_for(dest, "committed", timeout_ms);
}

/* It did not come to an end in time. */
static void explain_silence(struct bf_helpers *helpers)
{
    if (helpers->source.away)
        leave_out(helpers, "bitferry-source does not answer any more (move %s)",
                  helpers->source.id);
    else
        leave_out(helpers, "move %s of bitferry-source is not over after %d s, and goes on",
                  helpers->source.id, FINISH_MS / 1000);
}

bool bf_helpers_finish(struct bf_helpers *helpers, bool paused)
{
    struct bf_helper *source = &helpers->source;

    if (!wait_answered(source, LATE_ANSWER_MS)) { /* the destination has done nothing */
        (void)bf_helpers_give_up(helpers);
        leave_out(helpers,
                  "bitferry-dest on %s was not told of the machine (may_announce or expect_domains "
                  "in its configuration, or --dest-socket)",
                  helpers->peer);
        return false;
    }
    if (paused && !is_over(source)) {
        see_dest(&helpers->dest, NAP_MS);
        return true;
    }
    if (!wait_for(source, "committed", FINISH_MS)) {
        explain_silence(helpers);
        return false;
    }
    see_dest(&helpers->dest, LATE_ANSWER_MS);
    if (strcmp(bf_daemon_text(source->move, "state"), "committed") == 0)
        return true;
    leave_out(helpers, "bitferry-source: %s", reason_of(source));
    return false;
}

void bf_helpers_release(struct bf_helpers *helpers)
{
    free(helpers->peer);
    json_decref(helpers->source.move);
    json_decref(helpers->dest.move);
    *helpers = (struct bf_helpers){.used = false};
}
