#include "drive/errand.h"

#include <stdlib.h>

struct errand {
    uv_thread_t thread;
    uv_async_t back;
    void (*work)(void *ctx);
    void (*done)(void *ctx);
    void *ctx;
};

static void run(void *arg)
{
    struct errand *errand = arg;

    errand->work(errand->ctx);
    (void)uv_async_send(&errand->back);
}

static void on_closed(uv_handle_t *handle)
{
    free(handle->data);
}

static void on_back(uv_async_t *back)
{
    struct errand *errand = back->data;

    (void)uv_thread_join(&errand->thread); /* it has nothing more to do */
    uv_close((uv_handle_t *)back, on_closed);
    errand->done(errand->ctx);
}

int bf_errand_run(uv_loop_t *loop, void (*work)(void *ctx), void (*done)(void *ctx), void *ctx,
                  struct bf_error *err)
{
    struct errand *errand = calloc(1, sizeof *errand);
    int r;

    if (!errand)
        return bf_error_set(err, BF_E_NO_MEMORY, "no memory for a thread");
    errand->work = work;
    errand->done = done;
    errand->ctx = ctx;
    errand->back.data = errand;
    if (uv_async_init(loop, &errand->back, on_back) < 0) {
        free(errand);
        return bf_error_set(err, BF_E_IO, "no file descriptor for a thread");
    }
    r = uv_thread_create(&errand->thread, run, errand);
    if (r == 0)
        return 0;
    uv_close((uv_handle_t *)&errand->back, on_closed);
    return bf_error_set(err, BF_E_IO, "cannot start a thread: %s", uv_strerror(r));
}
