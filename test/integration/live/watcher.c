#include "watcher.h"

enum { NODES_MAX = 4 };

static void on_fact(void *ctx, const struct bf_live_fact *fact)
{
    struct watcher *watcher = ctx;
    struct seen *seen = &watcher->facts[watcher->nr_facts];

    assert_true(watcher->nr_facts++ < FACTS_MAX);
    seen->fact = *fact;
    (void)snprintf(seen->text, sizeof seen->text, "%s", fact->text ? fact->text : "");
    seen->fact.text = seen->text;
}

void watcher_start(struct watcher *watcher, struct vm *vm, const char *const nodes[])
{
    static const char *const names[NODES_MAX] = {"d0", "d1", "d2", "d3"};
    struct bf_live_watch_disk disks[NODES_MAX];
    struct bf_live_watch_config config = {
        .disks = disks, .poll_ms = 20, .deadline_ms = AMPLE_MS, .fact = on_fact, .ctx = watcher};
    struct bf_error err = BF_ERROR_INIT;

    *watcher = (struct watcher){.vm = vm};
    for (; nodes[config.nr_disks]; config.nr_disks++)
        disks[config.nr_disks] =
            (struct bf_live_watch_disk){names[config.nr_disks], nodes[config.nr_disks]};
    assert_int_equal(bf_live_watch_new(vm->live, &config, &watcher->watch, &err), 0);
    vm->watch = watcher->watch;
}

void watcher_stop(struct watcher *watcher)
{
    bf_live_watch_free(watcher->watch);
    watcher->watch = watcher->vm->watch = NULL;
}

const struct seen *watcher_take(struct watcher *watcher, enum bf_live_fact_kind kind)
{
    for (unsigned i = 0; i < watcher->nr_facts; i++) {
        struct seen *seen = &watcher->facts[i];

        if (seen->taken || seen->fact.kind != kind)
            continue;
        seen->taken = true;
        return seen;
    }
    return NULL;
}

struct alarm {
    uv_timer_t timer;
    bool rang;
    bool closed;
};

static void on_alarm(uv_timer_t *timer)
{
    ((struct alarm *)timer)->rang = true;
}

static void on_alarm_closed(uv_handle_t *timer)
{
    ((struct alarm *)timer)->closed = true;
}

static void alarm_start(struct alarm *alarm, uv_loop_t *loop, uint64_t after_ms)
{
    *alarm = (struct alarm){.rang = false};
    assert_int_equal(uv_timer_init(loop, &alarm->timer), 0);
    uv_update_time(loop);
    assert_int_equal(uv_timer_start(&alarm->timer, on_alarm, after_ms, 0), 0);
}

static void alarm_end(struct alarm *alarm, struct vm *vm)
{
    uv_close((uv_handle_t *)&alarm->timer, on_alarm_closed);
    await_flag(vm, &alarm->closed);
}

const struct seen *watcher_await(struct watcher *watcher, enum bf_live_fact_kind kind)
{
    const struct seen *seen;
    struct alarm alarm;

    alarm_start(&alarm, &watcher->vm->rig->loop, AMPLE_MS);
    while (!(seen = watcher_take(watcher, kind)) && !alarm.rang)
        (void)uv_run(&watcher->vm->rig->loop, UV_RUN_ONCE);
    alarm_end(&alarm, watcher->vm);
    if (!seen)
        fail_msg("no fact of kind %d came", (int)kind);
    return seen;
}

void watcher_await_migration(struct watcher *watcher, enum bf_live_migration migration)
{
    while (watcher_await(watcher, BF_LIVE_MIGRATION)->fact.migration != migration)
        ;
}

void watcher_go_on(struct watcher *watcher, uint64_t for_ms)
{
    struct alarm alarm;

    alarm_start(&alarm, &watcher->vm->rig->loop, for_ms);
    await_flag(watcher->vm, &alarm.rang);
    alarm_end(&alarm, watcher->vm);
}
