#include "window.h"

#include "base/math.h"

#include <endian.h>
#include <string.h>

enum { WORD_BYTES = 8 };

int bf_window_run(const struct bf_bits *bits, uint64_t offset_bytes, uint64_t max_bytes,
                  enum bf_run_kind *ret_kind, uint64_t *ret_nr_bytes, struct bf_error *err)
{
    int r = bf_bits_run(bits, offset_bytes, max_bytes, ret_kind, ret_nr_bytes, err);

    if (r < 0 || *ret_nr_bytes == max_bytes)
        return r;
    *ret_nr_bytes -= *ret_nr_bytes % WORD_BYTES;
    if (*ret_nr_bytes == 0) {
        *ret_kind = BF_RUN_MIXED;
        *ret_nr_bytes = bf_min_u64(WORD_BYTES, max_bytes);
    }
    return 0;
}

static void words_to_host(uint64_t *words, uint64_t nr_words)
{
    for (uint64_t i = 0; i < nr_words; i++)
        words[i] = le64toh(words[i]);
}

int bf_window_load(struct bf_window *window, const struct bf_bits *bits, enum bf_run_kind kind,
                   uint64_t offset_bytes, uint64_t nr_bytes, struct bf_error *err)
{
    uint8_t *buf = (uint8_t *)window->words;
    uint64_t nr_words = bf_div_round_up_u64(nr_bytes, WORD_BYTES);
    int r = 0;

    window->kind = kind;
    window->nr_bytes = nr_bytes;
    switch (kind) {
    case BF_RUN_CLEAN:
        memset(buf, 0, nr_bytes);
        break;
    case BF_RUN_DIRTY:
        bf_bits_fill_dirty(&bits->geometry, offset_bytes, buf, nr_bytes);
        break;
    case BF_RUN_MIXED:
        r = bf_bits_read(bits, offset_bytes, buf, nr_bytes, err);
        break;
    }
    if (r < 0)
        return r;
    memset(buf + nr_bytes, 0, nr_words * WORD_BYTES - nr_bytes);
    words_to_host(window->words, nr_words);
    return 0;
}

int bf_window_next(struct bf_window *window, const struct bf_bits *bits, uint64_t offset_bytes,
                   uint64_t max_bytes, struct bf_error *err)
{
    int r = bf_window_run(bits, offset_bytes, max_bytes, &window->kind, &window->nr_bytes, err);

    if (r < 0 || window->kind != BF_RUN_MIXED)
        return r;
    return bf_window_load(window, bits, BF_RUN_MIXED, offset_bytes,
                          bf_min_u64(window->nr_bytes, BF_WINDOW_BYTES), err);
}
