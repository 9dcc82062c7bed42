#include "status_bits.h"

#include "base/cleanup.h"
#include "base/math.h"
#include "carrier/writer.h"
#include "packer.h"

#include <errno.h>
#include <fcntl.h>
#include <libnbd.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum {
    LOOK_MS = 200,           /* at the stop flag and the clock */
    ASK_BYTES_MAX = 1 << 30, /* a multiple of most granularities, far below 4 GiB */
    CONTEXT_MAX = 1100,      /* "qemu:dirty-bitmap:" and 1,023 bytes */
    DIRTY = 1,               /* NBD_STATE_DIRTY of QEMU, docs/interop/nbd.txt */
};

BF_DEFINE_CLEANUP(struct nbd_handle *, nbd_close)

struct reading {
    const struct source_status_bits *from;
    struct nbd_handle *nbd;
    char context[CONTEXT_MAX];
    struct source_packer packer;
    uint64_t since_ms; /* the last answer */
    struct bf_error *err;
};

static uint64_t now_ms(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static int nbd_failed(struct reading *reading, const char *doing)
{
    const char *text = nbd_get_error();

    return bf_error_set(reading->err, BF_E_PEER, "%s of QEMU's NBD server: %s", doing,
                        text ? text : "the connection ended");
}

/* One turn of libnbd, or a look at the clock. */
static int turn(struct reading *reading)
{
    if (nbd_poll(reading->nbd, LOOK_MS) < 0)
        return nbd_failed(reading, "waiting");
    if (atomic_load(reading->from->stop))
        return bf_error_set(reading->err, BF_E_INTERRUPTED, "reading a bitmap was stopped");
    if (now_ms() - reading->since_ms > reading->from->deadline_ms)
        return bf_error_set(reading->err, BF_E_DEADLINE, "QEMU's NBD server does not answer");
    return 0;
}

static int open_export(struct reading *reading)
{
    struct nbd_handle *nbd = reading->nbd;
    int r = 0;

    (void)snprintf(reading->context, sizeof reading->context, "qemu:dirty-bitmap:%s",
                   reading->from->bitmap);
    if (nbd_set_export_name(nbd, reading->from->export_name) < 0 ||
        nbd_add_meta_context(nbd, reading->context) < 0 ||
        nbd_aio_connect_unix(nbd, reading->from->socket_path) < 0)
        return nbd_failed(reading, "opening an export");
    while (r == 0 && !nbd_aio_is_ready(nbd)) {
        if (nbd_aio_is_dead(nbd) || nbd_aio_is_closed(nbd))
            return nbd_failed(reading, "opening an export");
        r = turn(reading);
    }
    if (r < 0)
        return r;
    if (nbd_can_meta_context(nbd, reading->context) != 1)
        return bf_error_set(reading->err, BF_E_UNSUPPORTED,
                            "QEMU does not show its bitmaps over NBD");
    if (nbd_get_size(nbd) != (int64_t)reading->from->geometry.disk_size_bytes)
        return bf_error_set(reading->err, BF_E_SIZE_MISMATCH, "the disk has another size by now");
    return 0;
}

static int on_extents(void *ctx, const char *context, uint64_t offset, uint32_t *entries,
                      size_t nr_entries, int *error)
{
    struct reading *reading = ctx;

    if (strcmp(context, reading->context) != 0)
        return 0;
    if (offset != reading->packer.at_bytes)
        *error = EPROTO;
    for (size_t i = 0; i + 1 < nr_entries && *error == 0; i += 2) {
        if (source_packer_put(&reading->packer, (entries[i + 1] & DIRTY) != 0, entries[i],
                              reading->err) < 0)
            *error = EIO;
    }
    return *error == 0 ? 0 : -1;
}

static int ask(struct reading *reading)
{
    uint64_t at_bytes = reading->packer.at_bytes;
    uint64_t left_bytes = reading->from->geometry.disk_size_bytes - at_bytes;
    int64_t cookie =
        nbd_aio_block_status(reading->nbd, bf_min_u64(left_bytes, ASK_BYTES_MAX), at_bytes,
                             (nbd_extent_callback){.callback = on_extents, .user_data = reading},
                             NBD_NULL_COMPLETION, 0);
    int done = 0;

    if (cookie < 0)
        return nbd_failed(reading, "reading a bitmap");
    reading->since_ms = now_ms();
    while (done == 0) {
        int r = turn(reading);

        if (r < 0)
            return r;
        done = nbd_aio_command_completed(reading->nbd, (uint64_t)cookie);
    }
    if (done < 0)
        return nbd_failed(reading, "reading a bitmap"); /* the first error wins: perhaps ours */
    return reading->packer.at_bytes > at_bytes
               ? 0
               : bf_error_set(reading->err, BF_E_PROTOCOL, "QEMU told nothing of a bitmap");
}

static int read_all(struct reading *reading, struct bf_writer *writer,
                    struct bf_summary *ret_summary)
{
    const struct source_status_bits *from = reading->from;
    struct bf_bitmap_spec spec = {.name = from->name,
                                  .granularity_bytes = from->geometry.granularity_bytes};
    int r = bf_writer_begin(writer, &spec, reading->err);

    source_packer_init(&reading->packer, writer, &from->geometry);
    if (r == 0)
        r = open_export(reading);
    while (r == 0 && reading->packer.at_bytes < from->geometry.disk_size_bytes)
        r = ask(reading);
    if (r == 0)
        r = source_packer_end(&reading->packer, reading->err);
    if (r == 0)
        r = bf_writer_end(writer, ret_summary, reading->err);
    return r < 0 ? r : bf_writer_finish(writer, reading->err);
}

int source_status_bits_read(const struct source_status_bits *from, struct bf_summary *ret_summary,
                            struct bf_error *err)
{
    BF_CLEANUP(nbd_closep) struct nbd_handle *nbd = nbd_create();
    BF_CLEANUP(bf_freep) struct reading *reading = calloc(1, sizeof *reading);
    BF_CLEANUP(bf_writer_freep) struct bf_writer *writer = NULL;
    BF_CLEANUP(bf_fd_closep) int fd = -1;
    int r;

    if (!nbd || !reading)
        return bf_error_set(err, BF_E_NO_MEMORY, "no memory to read a bitmap");
    *reading = (struct reading){.from = from, .nbd = nbd, .since_ms = now_ms(), .err = err};
    (void)unlink(from->path);
    fd = open(from->path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return bf_error_set_errno(err, errno, "cannot make %s", from->path);
    r = bf_writer_new(fd, from->path, from->geometry.disk_size_bytes, &writer, err);
    if (r == 0)
        r = read_all(reading, writer, ret_summary);
    if (r < 0)
        (void)unlink(from->path);
    return r;
}
