/* Frames come out whole wherever the stream is cut; a bad length ends it at once. */
#include "frames.h"

#include "base/endian.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

enum { FRAME_MAX_BYTES = 300 };

struct collected {
    unsigned nr_frames;
    size_t nr_bytes;
    uint8_t bytes[4096];
};

/* As a reader does: only as much as there is space for. */
static int feed(struct bf_rpc_frames *frames, const uint8_t *bytes, size_t nr_bytes,
                struct collected *collected, struct bf_error *err)
{
    while (nr_bytes > 0) {
        const uint8_t *body;
        uint8_t *space;
        size_t now, body_bytes;

        bf_rpc_frames_reserve(frames, &space, &now);
        assert_true(now > 0);
        now = now < nr_bytes ? now : nr_bytes;
        memcpy(space, bytes, now);
        if (bf_rpc_frames_commit(frames, now, err) < 0)
            return -1;
        bytes += now;
        nr_bytes -= now;
        if (!bf_rpc_frames_take(frames, &body, &body_bytes))
            continue;
        collected->nr_frames++;
        memcpy(collected->bytes + collected->nr_bytes, body, body_bytes);
        collected->nr_bytes += body_bytes;
    }
    return 0;
}

static size_t make_stream(uint8_t *stream, const size_t *sizes, size_t nr_sizes,
                          struct collected *expected)
{
    size_t at = 0;

    *expected = (struct collected){.nr_frames = (unsigned)nr_sizes};
    for (size_t i = 0; i < nr_sizes; i++) {
        bf_be32_put(stream + at, (uint32_t)sizes[i]);
        at += 4;
        for (size_t j = 0; j < sizes[i]; j++) {
            stream[at] = (uint8_t)(i * 37 + j);
            expected->bytes[expected->nr_bytes++] = stream[at++];
        }
    }
    return at;
}

static void frames_survive_any_cut(void **state)
{
    static const size_t sizes[] = {1, FRAME_MAX_BYTES, 2, 3, 4, 5, 1};
    uint8_t stream[1024];
    struct collected expected;
    size_t nr_bytes = make_stream(stream, sizes, sizeof sizes / sizeof sizes[0], &expected);

    (void)state;
    for (size_t cut = 0; cut <= nr_bytes; cut++) {
        struct collected collected = {0};
        struct bf_rpc_frames frames;

        bf_rpc_frames_init(&frames, FRAME_MAX_BYTES);
        assert_int_equal(feed(&frames, stream, cut, &collected, NULL), 0);
        assert_int_equal(feed(&frames, stream + cut, nr_bytes - cut, &collected, NULL), 0);
        assert_int_equal(collected.nr_frames, expected.nr_frames);
        assert_memory_equal(collected.bytes, expected.bytes, expected.nr_bytes);
        bf_rpc_frames_release(&frames);
    }
}

static void frames_survive_single_bytes(void **state)
{
    static const size_t sizes[] = {7, FRAME_MAX_BYTES, 1, 1};
    uint8_t stream[1024];
    struct collected expected;
    struct collected collected = {0};
    struct bf_rpc_frames frames;
    size_t nr_bytes = make_stream(stream, sizes, sizeof sizes / sizeof sizes[0], &expected);

    (void)state;
    bf_rpc_frames_init(&frames, FRAME_MAX_BYTES);
    for (size_t i = 0; i < nr_bytes; i++)
        assert_int_equal(feed(&frames, stream + i, 1, &collected, NULL), 0);
    assert_int_equal(collected.nr_frames, expected.nr_frames);
    assert_memory_equal(collected.bytes, expected.bytes, expected.nr_bytes);
    bf_rpc_frames_release(&frames);
}

static void a_bad_length_is_refused_before_memory_is_taken(void **state)
{
    static const uint32_t lengths[] = {0, FRAME_MAX_BYTES + 1, 0x80000000, UINT32_MAX, 0x16030102};

    (void)state;
    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        struct collected collected = {0};
        struct bf_error err = BF_ERROR_INIT;
        struct bf_rpc_frames frames;
        uint8_t header[4];

        bf_be32_put(header, lengths[i]);
        bf_rpc_frames_init(&frames, FRAME_MAX_BYTES);
        assert_int_equal(feed(&frames, header, sizeof header, &collected, &err), -1);
        assert_int_equal(err.code, BF_E_PROTOCOL);
        assert_non_null(strstr(err.text, "bytes came instead of 1 to 300"));
        assert_null(frames.body);
        bf_rpc_frames_release(&frames);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(frames_survive_any_cut),
        cmocka_unit_test(frames_survive_single_bytes),
        cmocka_unit_test(a_bad_length_is_refused_before_memory_is_taken),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
