/* Any bytes as a qcow2 image: whatever the reader makes of them, it stays within them. */
#include "carrier/reader.h"

#include "base/math.h"

#include <stddef.h>
#include <stdint.h>

enum {
    BITMAPS_READ = 8,
    BYTES_READ = 256 << 10, /* of each: an image of some bytes can have gigabytes of dirty bits */
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What run() calls clean or dirty must read so; the bits come in pieces of odd sizes. */
static void read_bits(const struct bf_bits *bits)
{
    static uint8_t buf[12345];
    uint64_t end = bf_min_u64(bf_geometry_packed_bytes(&bits->geometry), BYTES_READ);

    for (uint64_t at = 0; at < end;) {
        enum bf_run_kind kind = BF_RUN_MIXED;
        uint64_t nr = 0;

        if (bf_bits_run(bits, at, end - at, &kind, &nr, NULL) < 0 || nr == 0 || nr > end - at)
            __builtin_trap(); /* all of it was checked when the image was opened */
        nr = bf_min_u64(nr, sizeof buf);
        if (bf_bits_read(bits, at, buf, nr, NULL) < 0)
            __builtin_trap();
        for (uint64_t i = 0; i < nr && kind == BF_RUN_CLEAN; i++) {
            if (buf[i] != 0)
                __builtin_trap();
        }
        at += nr;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    BF_CLEANUP(bf_reader_freep) struct bf_reader *reader = NULL;
    struct bf_error err = BF_ERROR_INIT;
    struct bf_blob *blob = NULL;
    uint32_t nr;

    if (bf_blob_open_memory(data, size, &blob, NULL) < 0)
        return 0;
    if (bf_reader_open(blob, &reader, &err) < 0) {
        if (err.code == BF_E_NONE || err.text[0] == '\0')
            __builtin_trap();
        return 0;
    }
    nr = bf_reader_image(reader)->nr_bitmaps;
    for (uint32_t i = 0; i < nr; i++) {
        struct bf_image_bitmap bitmap;
        struct bf_bits bits;
        uint32_t found = nr;

        bf_reader_bitmap(reader, i, &bitmap);
        if (bf_reader_find(reader, bitmap.name, &found, NULL) < 0 || found != i)
            __builtin_trap();
        if (i < BITMAPS_READ && bf_reader_bits(reader, i, &bits, NULL) == 0)
            read_bits(&bits);
    }
    return 0;
}
