#include "status.h"

#include "handle.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

/* Of base:allocation, NBD protocol.  Only "reads as zeroes" lets us skip; a mere hole does not. */
#define STATE_ZERO 2u

/* From libnbd 1.18 on lengths have 64 bits; before, an answer is pairs of 32-bit numbers. */
#ifdef LIBNBD_HAVE_NBD_AIO_BLOCK_STATUS_64
typedef nbd_extent entry_t;
#define ENTRIES_PER_EXTENT    1
#define aio_block_status      nbd_aio_block_status_64
#define extent_callback_t     nbd_extent64_callback
#define extent_length(extent) ((extent)->length)
#define extent_flags(extent)  ((extent)->flags)
#else
typedef uint32_t entry_t;
#define ENTRIES_PER_EXTENT    2
#define aio_block_status      nbd_aio_block_status
#define extent_callback_t     nbd_extent_callback
#define extent_length(extent) ((extent)[0])
#define extent_flags(extent)  ((extent)[1])
#endif

static int on_extents(void *ctx, const char *context, uint64_t offset_bytes, entry_t *entries,
                      size_t nr_entries, int *errnum)
{
    struct bf_nbd_status *status = ctx;

    (void)errnum;
    if (strcmp(context, LIBNBD_CONTEXT_BASE_ALLOCATION) != 0)
        return 0;
    if (status->seen || offset_bytes != status->offset_bytes) {
        bf_error_set(&status->err, BF_E_PROTOCOL,
                     "the server told the block status of offset %" PRIu64
                     " twice or for another one",
                     status->offset_bytes);
        return 0;
    }
    status->seen = true;
    for (size_t i = 0; i + ENTRIES_PER_EXTENT <= nr_entries; i += ENTRIES_PER_EXTENT) {
        if (bf_nbd_map_extent(status->map, extent_length(&entries[i]),
                              extent_flags(&entries[i]) & STATE_ZERO, &status->err) < 0)
            break;
    }
    return 0;
}

static int on_complete(void *ctx, int *errnum)
{
    struct bf_nbd_status *status = ctx;

    status->complete = true;
    status->errnum = *errnum;
    return 1;
}

int bf_nbd_status_ask(struct bf_nbd_status *status, struct nbd_handle *nbd, struct bf_error *err)
{
    uint64_t nr_bytes;

    if (status->under_way || bf_nbd_is_lost(nbd) ||
        !bf_nbd_map_ask(status->map, &status->offset_bytes, &nr_bytes))
        return 0;
    status->under_way = true;
    status->complete = false;
    status->seen = false;
    if (aio_block_status(nbd, nr_bytes, status->offset_bytes,
                         (extent_callback_t){.callback = on_extents, .user_data = status},
                         (nbd_completion_callback){.callback = on_complete, .user_data = status},
                         0) < 0)
        return bf_nbd_error(err, "asking for the block status");
    return 0;
}

bool bf_nbd_status_is_new(const struct bf_nbd_status *status)
{
    /* ENOTCONN is libnbd's: the connection broke, and the link will say why. */
    return status->under_way && status->complete && status->errnum != ENOTCONN;
}

int bf_nbd_status_settle(struct bf_nbd_status *status, struct bf_error *err)
{
    if (!bf_nbd_status_is_new(status))
        return 0;
    status->under_way = false;
    if (status->err.code != BF_E_NONE)
        return bf_error_set(err, status->err.code, "%s", status->err.text);
    if (status->errnum != 0)
        return bf_error_set(err, BF_E_PEER,
                            "the server could not tell the block status of offset %" PRIu64 ": %s",
                            status->offset_bytes, strerror(status->errnum));
    return bf_nbd_map_answered(status->map, err);
}
