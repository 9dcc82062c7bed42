#include "packer.h"

#include "base/math.h"

#include <string.h>

void source_packer_init(struct source_packer *packer, struct bf_writer *writer,
                        const struct bf_geometry *geometry)
{
    memset(packer, 0, sizeof *packer);
    packer->writer = writer;
    packer->geometry = *geometry;
}

static int flush(struct source_packer *packer, size_t nr_bytes, struct bf_error *err)
{
    int r = bf_writer_append(packer->writer, packer->window, nr_bytes, err);

    memset(packer->window, 0, sizeof packer->window);
    packer->nr_window_bits = 0;
    return r;
}

/* The window is all zeroes behind its last bit. */
static void set_bits(struct source_packer *packer, size_t first, size_t end)
{
    for (; first < end && first % 8 != 0; first++)
        packer->window[first / 8] |= (uint8_t)(1U << (first % 8));
    if (first < end)
        memset(packer->window + first / 8, 0xff, (end - first) / 8);
    for (first = end - (end - first) % 8; first < end; first++)
        packer->window[first / 8] |= (uint8_t)(1U << (first % 8));
}

static int emit(struct source_packer *packer, bool dirty, uint64_t end_bit, struct bf_error *err)
{
    const size_t room = sizeof packer->window * 8;
    int r = 0;

    while (packer->nr_bits < end_bit && r == 0) {
        size_t first = packer->nr_window_bits;
        size_t end = first + (size_t)bf_min_u64(end_bit - packer->nr_bits, room - first);

        if (dirty)
            set_bits(packer, first, end);
        packer->nr_bits += end - first;
        packer->nr_window_bits = end;
        if (end == room)
            r = flush(packer, sizeof packer->window, err);
    }
    return r;
}

/* A granule that ends clean may have begun dirty, so a clean extent leaves its last one, if it is
 * cut, to the next. */
int source_packer_put(struct source_packer *packer, bool dirty, uint64_t length_bytes,
                      struct bf_error *err)
{
    uint64_t granularity = packer->geometry.granularity_bytes;
    uint64_t left_bytes = packer->geometry.disk_size_bytes - packer->at_bytes;
    bool last = length_bytes >= left_bytes;

    packer->at_bytes += bf_min_u64(length_bytes, left_bytes);
    return emit(packer, dirty,
                dirty || last ? bf_div_round_up_u64(packer->at_bytes, granularity)
                              : packer->at_bytes / granularity,
                err);
}

int source_packer_end(struct source_packer *packer, struct bf_error *err)
{
    size_t nr_bytes = (packer->nr_window_bits + 63) / 64 * 8;

    return nr_bytes > 0 ? flush(packer, nr_bytes, err) : 0;
}
