#include "daemon/program.h"

#include "arguments.h"
#include "base/fail_point.h"
#include "daemon/log.h"
#include "notify.h"
#include "service.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

enum {
    NR_SIGNALS = 3,
    LINGER_MS = 2000, /* what clients get for taking their last answers */
};

struct daemon {
    uv_loop_t loop;
    struct bf_config config;
    struct bf_service service;
    uv_signal_t signals[NR_SIGNALS];
    uv_timer_t grace;
    uv_timer_t watchdog;
    bool finishing;
};

static void on_linger_over(uv_timer_t *timer)
{
    struct daemon *daemon = timer->data;

    bf_control_server_drop(&daemon->service.server);
}

/* What is still under way stays in its journal for the next start. */
static void finish(void *ctx)
{
    struct daemon *daemon = ctx;
    size_t nr_active = bf_moves_count_active(&daemon->service.moves);

    if (daemon->finishing)
        return;
    daemon->finishing = true;
    if (nr_active > 0)
        bf_log(BF_LOG_WARNING, "%zu moves are left under way, and resumed at the next start",
               nr_active);
    bf_service_close(&daemon->service);
    (void)uv_timer_start(&daemon->grace, on_linger_over, LINGER_MS, 0);
}

static void on_grace_over(uv_timer_t *timer)
{
    finish(timer->data);
}

/* The first time moves get stop_grace_s to come to an end; the second time nothing. */
static void stop(struct daemon *daemon, int signum)
{
    if (daemon->service.draining) {
        finish(daemon);
        return;
    }
    bf_log(BF_LOG_INFO, "SIG%s: stopping, %zu moves are under way", sigabbrev_np(signum),
           bf_moves_count_active(&daemon->service.moves));
    bf_notify_stopping(bf_moves_count_active(&daemon->service.moves));
    (void)uv_timer_start(&daemon->grace, on_grace_over, daemon->config.stop_grace_s * 1000, 0);
    bf_service_drain(&daemon->service);
}

static void on_signal(uv_signal_t *handle, int signum)
{
    struct daemon *daemon = handle->data;

    if (signum == SIGHUP)
        bf_service_event(&daemon->service, BF_DRIVER_RELOAD);
    else
        stop(daemon, signum);
}

static void on_watchdog(uv_timer_t *timer)
{
    (void)timer;
    bf_fail_point("loop.stuck");
    bf_notify_alive();
}

/* None of these keeps the loop alive: it ends when the service's last handle is closed. */
static int open_handles(struct daemon *daemon, struct bf_error *err)
{
    static const int signums[NR_SIGNALS] = {SIGTERM, SIGINT, SIGHUP};
    uint64_t interval_ms = bf_notify_interval_ms();
    int r = uv_loop_init(&daemon->loop);

    if (r < 0)
        return bf_error_set(err, BF_E_IO, "cannot make an event loop: %s", uv_strerror(r));
    (void)uv_timer_init(&daemon->loop, &daemon->grace);
    (void)uv_timer_init(&daemon->loop, &daemon->watchdog);
    daemon->grace.data = daemon->watchdog.data = daemon;
    uv_unref((uv_handle_t *)&daemon->grace);
    uv_unref((uv_handle_t *)&daemon->watchdog);
    if (interval_ms > 0)
        (void)uv_timer_start(&daemon->watchdog, on_watchdog, interval_ms, interval_ms);
    for (size_t i = 0; i < NR_SIGNALS; i++) {
        (void)uv_signal_init(&daemon->loop, &daemon->signals[i]);
        daemon->signals[i].data = daemon;
        (void)uv_signal_start(&daemon->signals[i], on_signal, signums[i]);
        uv_unref((uv_handle_t *)&daemon->signals[i]);
    }
    return 0;
}

static void close_handles(struct daemon *daemon)
{
    uv_close((uv_handle_t *)&daemon->grace, NULL);
    uv_close((uv_handle_t *)&daemon->watchdog, NULL);
    for (size_t i = 0; i < NR_SIGNALS; i++)
        uv_close((uv_handle_t *)&daemon->signals[i], NULL);
}

static int serve(struct daemon *daemon, const struct bf_program *program, struct bf_error *err)
{
    int r = open_handles(daemon, err);

    if (r < 0)
        return r;
    r = bf_service_open(&daemon->service, &daemon->loop, &daemon->config, program->driver, finish,
                        daemon, err);
    if (r == 0) {
        size_t nr_active = bf_moves_count_active(&daemon->service.moves);

        bf_log(BF_LOG_INFO, "ready at %s/%s, %zu moves taken up again", daemon->config.run_dir,
               BF_CONTROL_NAME, nr_active);
        bf_notify_ready(nr_active);
    }
    (void)uv_run(&daemon->loop, UV_RUN_DEFAULT);
    close_handles(daemon);
    (void)uv_run(&daemon->loop, UV_RUN_DEFAULT);
    bf_service_release(&daemon->service);
    if (uv_loop_close(&daemon->loop) != 0 && r == 0)
        r = bf_error_set(err, BF_E_INVALID, "something was left open at the end: a fault of ours");
    return r;
}

int bf_program_main(const struct bf_program *program, int argc, char **argv)
{
    struct daemon daemon = {.finishing = false};
    struct bf_error err = BF_ERROR_INIT;
    char name[32];
    int r;

    (void)snprintf(name, sizeof name, "bitferry-%s", bf_role_name(program->role));
    bf_log_open(2, name, BF_LOG_INFO);
    r = bf_daemon_arguments(program, argc, argv, &daemon.config, &err);
    if (r == 0) {
        bf_log_open(2, name, (enum bf_log_level)daemon.config.log_level);
        (void)umask(077);
        (void)signal(SIGPIPE, SIG_IGN);
        r = serve(&daemon, program, &err);
    }
    if (r < 0)
        bf_log(BF_LOG_ERROR, "%s", err.text);
    return r < 0 ? bf_code_exit(err.code) : 0;
}
