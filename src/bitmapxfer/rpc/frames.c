#include "frames.h"

#include "base/endian.h"

static bool is_complete(const struct bf_rpc_frames *frames)
{
    return frames->body && frames->body_filled_bytes == frames->body_bytes;
}

static int begin_body(struct bf_rpc_frames *frames, struct bf_error *err)
{
    uint32_t nr_bytes = bf_be32_get(frames->header);

    if (nr_bytes == 0 || nr_bytes > frames->frame_max_bytes)
        return bf_error_set(err, BF_E_PROTOCOL,
                            "a frame of %u bytes came instead of 1 to %zu: is it bitferry?",
                            nr_bytes, frames->frame_max_bytes);
    frames->body = malloc(nr_bytes);
    if (!frames->body)
        return bf_error_set(err, BF_E_NO_MEMORY, "no memory for a frame of %u bytes", nr_bytes);
    frames->body_bytes = nr_bytes;
    frames->body_filled_bytes = 0;
    return 0;
}

void bf_rpc_frames_init(struct bf_rpc_frames *frames, size_t frame_max_bytes)
{
    *frames = (struct bf_rpc_frames){.frame_max_bytes = frame_max_bytes};
}

void bf_rpc_frames_release(struct bf_rpc_frames *frames)
{
    free(frames->body);
    bf_rpc_frames_init(frames, frames->frame_max_bytes);
}

void bf_rpc_frames_reserve(struct bf_rpc_frames *frames, uint8_t **ret_space,
                           size_t *ret_space_bytes)
{
    if (is_complete(frames))
        bf_rpc_frames_release(frames);
    if (frames->body) {
        *ret_space = frames->body + frames->body_filled_bytes;
        *ret_space_bytes = frames->body_bytes - frames->body_filled_bytes;
    } else {
        *ret_space = frames->header + frames->header_filled_bytes;
        *ret_space_bytes = sizeof frames->header - frames->header_filled_bytes;
    }
}

int bf_rpc_frames_commit(struct bf_rpc_frames *frames, size_t nr_bytes, struct bf_error *err)
{
    if (frames->body) {
        frames->body_filled_bytes += nr_bytes;
        return 0;
    }
    frames->header_filled_bytes += nr_bytes;
    if (frames->header_filled_bytes < sizeof frames->header)
        return 0;
    return begin_body(frames, err);
}

bool bf_rpc_frames_take(const struct bf_rpc_frames *frames, const uint8_t **ret_body,
                        size_t *ret_body_bytes)
{
    if (!is_complete(frames))
        return false;
    *ret_body = frames->body;
    *ret_body_bytes = frames->body_bytes;
    return true;
}
