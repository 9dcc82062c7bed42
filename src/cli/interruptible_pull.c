#include "interruptible_pull.h"

#include "base/cleanup.h"
#include "interrupt.h"

#include <inttypes.h>
#include <string.h>

struct job {
    struct bf_nbd_pull *pull;
    uv_poll_t signal;
    struct bf_error err;
};

static void on_done(void *ctx, const struct bf_error *err)
{
    struct job *job = ctx;

    if (err)
        job->err = *err;
    job->pull = NULL;
    uv_close((uv_handle_t *)&job->signal, NULL);
}

static void on_signal(uv_poll_t *signal, int status, int events)
{
    struct job *job = signal->data;

    (void)status;
    (void)events;
    (void)uv_poll_stop(signal);
    if (job->pull)
        bf_nbd_pull_cancel(job->pull);
}

static int start(uv_loop_t *loop, struct job *job, const struct bf_nbd_endpoint *endpoint,
                 const char *export_name, const struct bf_nbd_ranges *ranges,
                 const struct bf_nbd_sink *sink, struct bf_error *err)
{
    int ret = uv_poll_init(loop, &job->signal, bf_interrupt_fd());

    if (ret < 0)
        return bf_error_set_errno(err, -ret, "cannot wait for signals");
    job->signal.data = job;
    ret = bf_nbd_pull_start(loop, endpoint, export_name, sink, on_done, job, &job->pull, err);
    if (ret < 0) {
        uv_close((uv_handle_t *)&job->signal, NULL);
        return ret;
    }
    if (ranges)
        bf_nbd_pull_only(job->pull, ranges->ranges, ranges->nr_ranges);
    (void)uv_poll_start(&job->signal, UV_READABLE, on_signal);
    return 0;
}

int bf_interruptible_pull(const struct bf_nbd_endpoint *endpoint, const char *export_name,
                          const struct bf_nbd_ranges *ranges, const struct bf_nbd_sink *sink,
                          struct bf_error *err)
{
    struct job job = {.err = BF_ERROR_INIT};
    uv_loop_t loop;
    int ret = uv_loop_init(&loop);

    if (ret < 0)
        return bf_error_set_errno(err, -ret, "cannot make an event loop");
    ret = start(&loop, &job, endpoint, export_name, ranges, sink, err);
    (void)uv_run(&loop, UV_RUN_DEFAULT);
    (void)uv_loop_close(&loop);
    if (ret == 0)
        ret = bf_interrupt_check(err);
    if (ret == 0 && job.err.code != BF_E_NONE)
        ret = bf_error_set(err, job.err.code, "%s", job.err.text);
    return ret;
}

struct memory {
    char *bytes;
    uint64_t max_bytes, size_bytes, done_bytes;
};

static int begin_memory(void *ctx, uint64_t size_bytes, struct bf_error *err)
{
    struct memory *memory = ctx;

    if (size_bytes > memory->max_bytes)
        return bf_error_set(err, BF_E_LIMIT, "the export has %" PRIu64 " bytes, which is too many",
                            size_bytes);
    memory->bytes = calloc(1, (size_t)size_bytes + 1);
    if (!memory->bytes)
        return bf_error_set(err, BF_E_NO_MEMORY, "out of memory");
    memory->size_bytes = size_bytes;
    return 0;
}

static int take_data(void *ctx, const uint8_t *bytes, uint64_t nr_bytes, struct bf_error *err)
{
    struct memory *memory = ctx;

    if (nr_bytes > memory->size_bytes - memory->done_bytes)
        return bf_error_set(err, BF_E_PROTOCOL, "the export has more bytes than it said");
    memcpy(memory->bytes + memory->done_bytes, bytes, (size_t)nr_bytes);
    memory->done_bytes += nr_bytes;
    return 0;
}

static int take_hole(void *ctx, uint64_t nr_bytes, struct bf_error *err)
{
    struct memory *memory = ctx;

    if (nr_bytes > memory->size_bytes - memory->done_bytes)
        return bf_error_set(err, BF_E_PROTOCOL, "the export has more bytes than it said");
    memory->done_bytes += nr_bytes;
    return 0;
}

int bf_interruptible_fetch(const struct bf_nbd_endpoint *endpoint, const char *export_name,
                           uint64_t max_bytes, char **ret_bytes, size_t *ret_nr_bytes,
                           struct bf_error *err)
{
    struct memory memory = {.max_bytes = max_bytes};
    const struct bf_nbd_sink sink = {begin_memory, take_data, take_hole, &memory};
    int ret = bf_interruptible_pull(endpoint, export_name, NULL, &sink, err);

    if (ret < 0) {
        free(memory.bytes);
        return ret;
    }
    *ret_bytes = memory.bytes;
    *ret_nr_bytes = (size_t)memory.size_bytes;
    return 0;
}
