#include "rpc/message.h"

#include "base/endian.h"

#include <stdalign.h>
#include <stdbool.h>

struct bf_rpc_block {
    struct bf_rpc_block *next;
    alignas(max_align_t) char bytes[];
};

struct pool {
    struct bf_rpc_block *blocks;
    size_t left_bytes;
    bool over_cap, no_memory;
};

/* The byte more is the NUL behind names. */
static void *pool_alloc(void *ctx, size_t nr_bytes)
{
    struct pool *pool = ctx;
    struct bf_rpc_block *block;

    if (nr_bytes >= pool->left_bytes || pool->left_bytes - nr_bytes <= sizeof *block) {
        pool->over_cap = true;
        return NULL;
    }
    block = calloc(1, sizeof *block + nr_bytes + 1);
    if (!block) {
        pool->no_memory = true;
        return NULL;
    }
    pool->left_bytes -= sizeof *block + nr_bytes + 1;
    block->next = pool->blocks;
    pool->blocks = block;
    return block->bytes;
}

static void pool_free(void *ctx, void *ptr)
{
    (void)ctx;
    (void)ptr;
}

void bf_rpc_message_release(struct bf_rpc_message *message)
{
    while (message->blocks) {
        struct bf_rpc_block *next = message->blocks->next;

        free(message->blocks);
        message->blocks = next;
    }
    message->envelope = NULL;
}

int bf_rpc_message_unpack(const uint8_t *bytes, size_t nr_bytes, size_t memory_max_bytes,
                          Bitferry__Role sender, struct bf_rpc_message *ret_message,
                          struct bf_error *err)
{
    struct pool pool = {.left_bytes = memory_max_bytes};
    ProtobufCAllocator allocator = {pool_alloc, pool_free, &pool};
    struct bf_rpc_message message;
    int r = 0;

    message.envelope = bitferry__envelope__unpack(&allocator, nr_bytes, bytes);
    message.blocks = pool.blocks;
    if (message.envelope)
        r = bf_rpc_envelope_check(message.envelope, sender, err);
    else if (pool.over_cap)
        r = bf_error_set(err, BF_E_LIMIT, "the message takes more than %zu bytes of memory",
                         memory_max_bytes);
    else if (pool.no_memory)
        r = bf_error_set(err, BF_E_NO_MEMORY, "no memory for a message of %zu bytes", nr_bytes);
    else
        r = bf_error_set(err, BF_E_PROTOCOL, "a frame of %zu bytes holds no message", nr_bytes);
    if (r < 0) {
        bf_rpc_message_release(&message);
        return r;
    }
    *ret_message = message;
    return 0;
}

int bf_rpc_frame_pack(const Bitferry__Envelope *envelope, Bitferry__Role sender,
                      uint8_t **ret_frame, size_t *ret_frame_bytes, struct bf_error *err)
{
    const char *name = bf_rpc_envelope_name(envelope);
    uint8_t *frame;
    size_t nr_bytes;
    int r = bf_rpc_envelope_check(envelope, sender, err);

    if (r < 0)
        return r;
    nr_bytes = bitferry__envelope__get_packed_size(envelope);
    if (nr_bytes > BF_RPC_FRAME_MAX_BYTES)
        return bf_error_set(err, BF_E_LIMIT,
                            "%s would have %zu bytes, %d are allowed: move fewer bitmaps at a time",
                            name, nr_bytes, BF_RPC_FRAME_MAX_BYTES);
    frame = malloc(BF_RPC_FRAME_HEADER_BYTES + nr_bytes);
    if (!frame)
        return bf_error_set(err, BF_E_NO_MEMORY, "no memory for a %s of %zu bytes", name, nr_bytes);
    bf_be32_put(frame, (uint32_t)nr_bytes);
    (void)bitferry__envelope__pack(envelope, frame + BF_RPC_FRAME_HEADER_BYTES);
    *ret_frame = frame;
    *ret_frame_bytes = BF_RPC_FRAME_HEADER_BYTES + nr_bytes;
    return 0;
}
