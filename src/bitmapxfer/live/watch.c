#include "watch_internal.h"

#include "json_read.h"

#include <stdio.h>
#include <string.h>

enum {
    POLL_MS = 100,
    QUIET_MS = 1000,
    ANSWER_MS = 10000,
};

/* Lifetime */

static void release_if_unused(struct bf_live_watch *watch)
{
    if (!watch->timer_closed || watch->nr_awaited > 0)
        return;
    for (uint32_t i = 0; i < watch->nr_disks; i++) {
        free(watch->mirrors[i].name);
        free(watch->mirrors[i].node);
    }
    free(watch->mirrors);
    json_decref(watch->unknown);
    free(watch);
}

static void on_timer_closed(uv_handle_t *timer)
{
    struct bf_live_watch *watch = timer->data;

    watch->timer_closed = true;
    release_if_unused(watch);
}

void bf_live_watch_free(struct bf_live_watch *watch)
{
    if (watch->freed)
        return;
    watch->freed = true;
    watch->live->listener = (struct bf_live_listener){.ctx = NULL};
    uv_close((uv_handle_t *)&watch->timer, on_timer_closed);
}

/* Telling */

void bf_live_tell(struct bf_live_watch *watch, const struct bf_live_fact *fact)
{
    if (!watch->freed && !watch->lost)
        watch->fact(watch->ctx, fact);
}

static void tell_lost(struct bf_live_watch *watch, const struct bf_error *err)
{
    const struct bf_live_fact fact = {.kind = BF_LIVE_LOST, .text = err->text};

    if (watch->lost)
        return;
    if (!watch->freed)
        (void)uv_timer_stop(&watch->timer);
    bf_live_tell(watch, &fact);
    watch->lost = true;
}

static void tell_guest(struct bf_live_watch *watch, bool running, const char *status)
{
    const struct bf_live_fact fact = {
        .kind = running ? BF_LIVE_GUEST_RUNS : BF_LIVE_GUEST_STOPPED,
        .text = status,
    };

    if (watch->status[0] && watch->running == running &&
        (running || strcmp(watch->status, status) == 0))
        return;
    if (running)
        bf_live_mirrors_tell_gone(watch, true);
    watch->running = running;
    watch->guest_ran = watch->guest_ran || running;
    (void)snprintf(watch->status, sizeof watch->status, "%s", status);
    bf_live_tell(watch, &fact);
}

static const struct {
    const char *status;
    enum bf_live_migration migration;
} migrations[] = {
    {"", BF_LIVE_MIGRATION_NONE},
    {"none", BF_LIVE_MIGRATION_NONE},
    {"setup", BF_LIVE_MIGRATION_SETUP},
    {"wait-unplug", BF_LIVE_MIGRATION_SETUP},
    {"pre-switchover", BF_LIVE_MIGRATION_PRE_SWITCHOVER},
    {"device", BF_LIVE_MIGRATION_DEVICE},
    {"postcopy-active", BF_LIVE_MIGRATION_POSTCOPY},
    {"postcopy-paused", BF_LIVE_MIGRATION_POSTCOPY},
    {"postcopy-recover", BF_LIVE_MIGRATION_POSTCOPY},
    {"postcopy-recover-setup", BF_LIVE_MIGRATION_POSTCOPY},
    {"completed", BF_LIVE_MIGRATION_COMPLETED},
    {"failed", BF_LIVE_MIGRATION_FAILED},
    {"cancelling", BF_LIVE_MIGRATION_CANCELLED},
    {"cancelled", BF_LIVE_MIGRATION_CANCELLED},
};

static enum bf_live_migration migration_of(const char *status)
{
    for (size_t i = 0; i < sizeof migrations / sizeof migrations[0]; i++) {
        if (strcmp(migrations[i].status, status) == 0)
            return migrations[i].migration;
    }
    return BF_LIVE_MIGRATION_ACTIVE;
}

static void tell_migration(struct bf_live_watch *watch, const char *status)
{
    struct bf_live_fact fact = {
        .kind = BF_LIVE_MIGRATION, .migration = migration_of(status), .text = status};

    if (watch->migration_told && watch->migration == fact.migration)
        return;
    watch->migration_told = true;
    watch->migration = fact.migration;
    bf_live_tell(watch, &fact);
}

/* Looking */

/* In the pause of a migration each question would take of QEMU's time, and so of the guest's: all
 * that matters then QEMU tells by itself. */
static bool is_quiet(const struct bf_live_watch *watch)
{
    return watch->by_events && watch->status[0] && !watch->running &&
           watch->migration >= BF_LIVE_MIGRATION_SETUP &&
           watch->migration <= BF_LIVE_MIGRATION_DEVICE;
}

bool bf_live_watch_is_switching(const struct bf_live_watch *watch)
{
    return is_quiet(watch) && watch->migration >= BF_LIVE_MIGRATION_PRE_SWITCHOVER;
}

static void look(struct bf_live_watch *watch);

static void on_timer(uv_timer_t *timer)
{
    look(timer->data);
}

static void look_later(struct bf_live_watch *watch)
{
    uint64_t wait_ms = is_quiet(watch) ? QUIET_MS : watch->again ? 0 : watch->poll_ms;

    if (!watch->freed && !watch->lost)
        (void)uv_timer_start(&watch->timer, on_timer, wait_ms, 0);
    watch->again = false;
}

/* True: the answer is to be used. */
static bool take_answer(struct bf_live_watch *watch, const struct bf_error *err)
{
    if (err && err->code != BF_E_QMP_ERROR)
        tell_lost(watch, err);
    return !err && !watch->freed && !watch->lost;
}

/* The last thing that is done with an answer. */
static void end_answer(struct bf_live_watch *watch)
{
    if (watch->nr_awaited == 1)
        bf_live_mirrors_tell_gone(watch, false);
    if (--watch->nr_awaited > 0)
        return;
    if (watch->freed)
        release_if_unused(watch);
    else
        look_later(watch);
}

static void ask(struct bf_live_watch *watch, const char *command, bf_qmp_reply_fn reply)
{
    struct bf_error err = BF_ERROR_INIT;

    if (watch->freed || watch->lost || !bf_qmp_has_command(watch->live->qmp, command))
        return;
    watch->nr_awaited++;
    if (bf_qmp_send(watch->live->qmp, command, NULL, watch->deadline_ms, reply, watch, &err) == 0)
        return;
    watch->nr_awaited--;
    tell_lost(watch, &err);
}

static void on_graph(void *ctx, const json_t *result, const struct bf_error *err)
{
    struct bf_live_watch *watch = ctx;

    if (take_answer(watch, err) || (err && !watch->freed && !watch->lost))
        bf_live_mirrors_map(watch, watch->unknown, result);
    json_decref(watch->unknown);
    watch->unknown = NULL;
    end_answer(watch);
}

/* Without the command (an x- command may go) the job's name tells. */
static void look_at_graph(struct bf_live_watch *watch)
{
    static const char command[] = "x-debug-query-block-graph";

    if (bf_qmp_has_command(watch->live->qmp, command)) {
        ask(watch, command, on_graph);
        return;
    }
    bf_live_mirrors_map(watch, watch->unknown, NULL);
    json_decref(watch->unknown);
    watch->unknown = NULL;
}

static void on_jobs(void *ctx, const json_t *result, const struct bf_error *err)
{
    struct bf_live_watch *watch = ctx;

    if (take_answer(watch, err)) {
        if (bf_live_mirrors_look(watch, result) && !watch->freed) {
            json_decref(watch->unknown);
            watch->unknown = json_incref((json_t *)result);
            look_at_graph(watch);
        }
    }
    end_answer(watch);
}

static void on_migration(void *ctx, const json_t *result, const struct bf_error *err)
{
    struct bf_live_watch *watch = ctx;

    if (take_answer(watch, err)) {
        if (migration_of(text_of(result, "status")) != watch->migration)
            watch->by_events = false; /* unless the event is on its way */
        tell_migration(watch, text_of(result, "status"));
    }
    end_answer(watch);
}

static void on_status(void *ctx, const json_t *result, const struct bf_error *err)
{
    struct bf_live_watch *watch = ctx;

    if (take_answer(watch, err))
        tell_guest(watch, flag_of(result, "running"), text_of(result, "status"));
    end_answer(watch);
}

static void look(struct bf_live_watch *watch)
{
    uv_update_time(watch->live->loop);
    watch->nr_looks++;
    watch->nr_awaited++; /* so that no answer is the last while questions are put */
    ask(watch, "query-block-jobs", on_jobs);
    ask(watch, "query-migrate", on_migration);
    ask(watch, "query-status", on_status);
    end_answer(watch);
}

static void look_at_once(struct bf_live_watch *watch)
{
    if (watch->freed || watch->lost)
        return;
    if (watch->nr_awaited > 0)
        watch->again = true;
    else
        (void)uv_timer_start(&watch->timer, on_timer, is_quiet(watch) ? QUIET_MS : 0, 0);
}

/* Events */

/* What was held back until it is known what the migration does. */
static void on_migration_event(struct bf_live_watch *watch, const char *status)
{
    watch->by_events = true;
    tell_migration(watch, status);
    if (!watch->freed && watch->migration >= BF_LIVE_MIGRATION_PRE_SWITCHOVER)
        bf_live_mirrors_tell_gone(watch, true);
}

static void on_event(void *ctx, const char *name, const json_t *data)
{
    struct bf_live_watch *watch = ctx;
    const struct bf_live_fact shutdown = {.kind = BF_LIVE_SHUTDOWN,
                                          .text = text_of(data, "reason")};

    if (strcmp(name, "RESUME") == 0)
        tell_guest(watch, true, "running");
    else if (strcmp(name, "STOP") == 0)
        tell_guest(watch, false, "paused");
    else if (strcmp(name, "MIGRATION") == 0)
        on_migration_event(watch, text_of(data, "status"));
    else if (strcmp(name, "SHUTDOWN") == 0)
        bf_live_tell(watch, &shutdown);
    else if (!bf_live_mirrors_event(watch, name, data))
        return;
    look_at_once(watch);
}

static void on_closed(void *ctx, const struct bf_error *err)
{
    tell_lost(ctx, err);
}

/* Beginning */

static void on_ordered_events(void *ctx, const json_t *result, const struct bf_error *err)
{
    struct bf_live_watch *watch = ctx;

    (void)result;
    (void)err; /* a migration is under way: then there are only our looks */
    watch->again = true;
    end_answer(watch);
}

/* QEMU tells of the steps of a migration only where it was asked to, as libvirt does.  Between two
 * looks a migration can complete and its QEMU end. */
static void order_events(struct bf_live_watch *watch)
{
    static const char command[] = "migrate-set-capabilities";

    if (!bf_qmp_has_command(watch->live->qmp, command))
        return;
    watch->nr_awaited++;
    if (bf_qmp_send(
            watch->live->qmp, command,
            json_pack("{s:[{s:s, s:b}]}", "capabilities", "capability", "events", "state", 1),
            watch->deadline_ms, on_ordered_events, watch, NULL) < 0)
        watch->nr_awaited--;
}

static bool copy_disks(struct bf_live_watch *watch, const struct bf_live_watch_config *config)
{
    watch->mirrors = calloc((size_t)config->nr_disks + 1, sizeof *watch->mirrors);
    if (!watch->mirrors)
        return false;
    for (uint32_t i = 0; i < config->nr_disks; i++) {
        struct bf_live_mirror *mirror = &watch->mirrors[watch->nr_disks++];

        mirror->name = strdup(config->disks[i].name);
        mirror->node = strdup(config->disks[i].node);
        if (!mirror->name || !mirror->node)
            return false;
    }
    return true;
}

static struct bf_live_watch *new_watch(struct bf_live *live,
                                       const struct bf_live_watch_config *config)
{
    struct bf_live_watch *watch = calloc(1, sizeof *watch);

    if (!watch)
        return NULL;
    watch->live = live;
    watch->fact = config->fact;
    watch->ctx = config->ctx;
    watch->poll_ms = config->poll_ms ? config->poll_ms : POLL_MS;
    watch->deadline_ms = config->deadline_ms ? config->deadline_ms : ANSWER_MS;
    if (copy_disks(watch, config))
        return watch;
    watch->timer_closed = true; /* there is none yet */
    release_if_unused(watch);
    return NULL;
}

int bf_live_watch_new(struct bf_live *live, const struct bf_live_watch_config *config,
                      struct bf_live_watch **ret_watch, struct bf_error *err)
{
    struct bf_live_watch *watch;

    if (live->listener.ctx)
        return bf_error_set(err, BF_E_EXISTS, "this session has a watch already");
    watch = new_watch(live, config);
    if (!watch)
        return bf_error_set(err, BF_E_NO_MEMORY, "no memory to watch QEMU");
    (void)uv_timer_init(live->loop, &watch->timer); /* cannot fail */
    watch->timer.data = watch;
    live->listener = (struct bf_live_listener){on_event, on_closed, watch};
    order_events(watch);
    look_at_once(watch);
    *ret_watch = watch;
    return 0;
}

bool bf_live_watch_guest_ran(const struct bf_live_watch *watch)
{
    return watch->guest_ran;
}
