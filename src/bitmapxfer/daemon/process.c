#include "daemon/process.h"

#include <signal.h>
#include <stdlib.h>

struct bf_process {
    uv_process_t handle;
    uv_timer_t grace;
    unsigned nr_open_handles;
    bf_process_exited *exited; /* NULL: it never began */
    void *ctx;
    int64_t status;
    int signal;
};

static void on_handle_closed(uv_handle_t *handle)
{
    struct bf_process *process = handle->data;

    if (--process->nr_open_handles > 0)
        return;
    if (process->exited)
        process->exited(process->ctx, process, process->status, process->signal);
    free(process);
}

static void close_handles(struct bf_process *process)
{
    uv_close((uv_handle_t *)&process->handle, on_handle_closed);
    uv_close((uv_handle_t *)&process->grace, on_handle_closed);
}

static void on_child_exit(uv_process_t *handle, int64_t status, int term_signal)
{
    struct bf_process *process = handle->data;

    process->status = status;
    process->signal = term_signal;
    close_handles(process);
}

static void on_grace_over(uv_timer_t *timer)
{
    struct bf_process *process = timer->data;

    (void)uv_process_kill(&process->handle, SIGKILL);
}

int bf_process_start(uv_loop_t *loop, const char *const *argv, int log_fd, int keep_fd,
                     bf_process_exited *exited, void *ctx, struct bf_process **ret_process,
                     struct bf_error *err)
{
    struct bf_process *process = calloc(1, sizeof *process);
    uv_stdio_container_t stdio[] = {
        {.flags = UV_IGNORE},
        {.flags = UV_INHERIT_FD, .data.fd = log_fd},
        {.flags = UV_INHERIT_FD, .data.fd = log_fd},
        {.flags = UV_INHERIT_FD, .data.fd = keep_fd},
    };
    uv_process_options_t options = {
        .exit_cb = on_child_exit,
        .file = argv[0],
        .args = (char **)(uintptr_t)argv, /* libuv does not write to it */
        .stdio_count = keep_fd < 0 ? 3 : 4,
        .stdio = stdio,
    };
    int r;

    if (!process)
        return bf_error_set(err, BF_E_NO_MEMORY, "no memory to start %s", argv[0]);
    (void)uv_timer_init(loop, &process->grace);
    process->nr_open_handles = 2;
    process->handle.data = process->grace.data = process;
    r = uv_spawn(loop, &process->handle, &options);
    if (r < 0) {
        close_handles(process);
        return bf_error_set(err, BF_E_CHILD_FAILED, "cannot start %s: %s", argv[0], uv_strerror(r));
    }
    process->exited = exited;
    process->ctx = ctx;
    *ret_process = process;
    return 0;
}

void bf_process_stop(struct bf_process *process, uint64_t grace_ms)
{
    if (uv_is_closing((uv_handle_t *)&process->handle))
        return;
    (void)uv_process_kill(&process->handle, grace_ms > 0 ? SIGTERM : SIGKILL);
    if (grace_ms > 0)
        (void)uv_timer_start(&process->grace, on_grace_over, grace_ms, 0);
}

int bf_process_pid(const struct bf_process *process)
{
    return uv_process_get_pid(&process->handle);
}
