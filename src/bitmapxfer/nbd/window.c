#include "window.h"

#include "base/math.h"
#include "handle.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static uint64_t block_size(struct nbd_handle *nbd, int kind)
{
    int64_t size_bytes = nbd_get_block_size(nbd, kind);

    return size_bytes > 0 ? (uint64_t)size_bytes : 0;
}

void bf_nbd_window_init(struct bf_nbd_window *window, struct nbd_handle *nbd)
{
    uint64_t minimum = block_size(nbd, LIBNBD_SIZE_MINIMUM);
    uint64_t maximum = block_size(nbd, LIBNBD_SIZE_MAXIMUM);

    window->max_request_bytes = BF_NBD_REQUEST_BYTES;
    if (maximum > 0)
        window->max_request_bytes = bf_min_u64(maximum, BF_NBD_REQUEST_BYTES);
    if (minimum > 0 && minimum < window->max_request_bytes)
        window->max_request_bytes -= window->max_request_bytes % minimum;
}

void bf_nbd_window_release(struct bf_nbd_window *window)
{
    for (unsigned i = 0; i < BF_NBD_IN_FLIGHT; i++)
        free(bf_steal_ptr(&window->slots[i].buf));
}

/* A part of the answer.  libnbd 1.14 takes success with half of the data for success, and what it
 * did not get would read as clean bits (measured): so it is counted. */
static int on_part(void *ctx, const void *bytes, size_t nr_bytes, uint64_t offset_bytes,
                   unsigned kind, int *errnum)
{
    struct bf_nbd_slot *slot = ctx;

    (void)bytes;
    (void)offset_bytes;
    (void)errnum;
    if (kind == LIBNBD_READ_DATA || kind == LIBNBD_READ_HOLE)
        slot->nr_seen_bytes += nr_bytes;
    return 0;
}

static int on_read(void *ctx, int *errnum)
{
    struct bf_nbd_slot *slot = ctx;

    slot->arrived = true;
    slot->errnum = *errnum;
    return 1;
}

static int issue(struct bf_nbd_slot *slot, struct nbd_handle *nbd, struct bf_error *err)
{
    slot->arrived = slot->run.hole;
    slot->errnum = 0;
    slot->nr_seen_bytes = 0;
    if (slot->run.hole)
        return 0;
    if (!slot->buf)
        slot->buf = malloc(BF_NBD_REQUEST_BYTES);
    if (!slot->buf)
        return bf_error_set(err, BF_E_NO_MEMORY, "no memory for a request of %d bytes",
                            BF_NBD_REQUEST_BYTES);
    if (nbd_aio_pread_structured(nbd, slot->buf, (size_t)slot->run.nr_bytes, slot->run.offset_bytes,
                                 (nbd_chunk_callback){.callback = on_part, .user_data = slot},
                                 (nbd_completion_callback){.callback = on_read, .user_data = slot},
                                 0) < 0)
        return bf_nbd_error(err, "asking for data");
    return 0;
}

int bf_nbd_window_fill(struct bf_nbd_window *window, struct bf_nbd_map *map, struct nbd_handle *nbd,
                       struct bf_error *err)
{
    while (window->nr_used < BF_NBD_IN_FLIGHT && !bf_nbd_is_lost(nbd)) {
        unsigned at = (window->first + window->nr_used) % BF_NBD_IN_FLIGHT;
        int r;
        if (!bf_nbd_map_take(map, window->max_request_bytes, &window->slots[at].run))
            break;
        window->nr_used++;
        r = issue(&window->slots[at], nbd, err);
        if (r < 0)
            return r;
    }
    return 0;
}

static int check_read(const struct bf_nbd_slot *slot, struct bf_error *err)
{
    if (slot->errnum != 0)
        return bf_error_set(err, BF_E_PEER,
                            "the server could not read %" PRIu64 " bytes at offset %" PRIu64 ": %s",
                            slot->run.nr_bytes, slot->run.offset_bytes, strerror(slot->errnum));
    if (slot->nr_seen_bytes != slot->run.nr_bytes)
        return bf_error_set(err, BF_E_PROTOCOL,
                            "the server sent %" PRIu64 " of %" PRIu64 " bytes at offset %" PRIu64,
                            slot->nr_seen_bytes, slot->run.nr_bytes, slot->run.offset_bytes);
    return 0;
}

int bf_nbd_window_give(struct bf_nbd_window *window, const struct bf_nbd_sink *sink,
                       bool *ret_given, struct bf_error *err)
{
    struct bf_nbd_slot *slot = &window->slots[window->first];
    int r;

    /* ENOTCONN is libnbd's: the connection broke, and the link will say why. */
    *ret_given = window->nr_used > 0 && slot->arrived && slot->errnum != ENOTCONN;
    if (!*ret_given)
        return 0;
    r = slot->run.hole ? 0 : check_read(slot, err);
    if (r < 0)
        return r;
    window->first = (window->first + 1) % BF_NBD_IN_FLIGHT;
    window->nr_used--;
    window->delivered_bytes += slot->run.nr_bytes;
    if (slot->run.hole)
        return sink->hole(sink->ctx, slot->run.nr_bytes, err);
    return sink->data(sink->ctx, slot->buf, slot->run.nr_bytes, err);
}
