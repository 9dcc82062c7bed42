/* Any bytes as what a peer sends, in pieces of any size: frames, messages, greetings.  What is
 * accepted can be packed again, and means the same then. */
#include "frames.h"
#include "greeting.h"

#include <stddef.h>
#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct bf_rpc_settings settings = {.role = BITFERRY__ROLE__ROLE_DEST,
                                                .program = "fuzz",
                                                .version_min = BF_RPC_VERSION_MIN,
                                                .version_max = BF_RPC_VERSION_MAX};

static void check_error(const struct bf_error *err)
{
    if (err->code == BF_E_NONE || err->text[0] == '\0')
        __builtin_trap();
}

static void check_greeting(const Bitferry__Envelope *envelope)
{
    struct bf_error err = BF_ERROR_INIT;
    struct bf_rpc_greeting greeting;

    if (bf_rpc_greeting_judge(envelope, &settings, &greeting, &err) < 0)
        check_error(&err);
    else if (greeting.version < BF_RPC_VERSION_MIN || greeting.version > BF_RPC_VERSION_MAX ||
             greeting.role != BITFERRY__ROLE__ROLE_SOURCE)
        __builtin_trap();
}

/* An unknown body or field makes it shorter, never different. */
static void check_accepted(const Bitferry__Envelope *envelope, Bitferry__Role sender)
{
    BF_CLEANUP(bf_rpc_message_release) struct bf_rpc_message again = {0};
    BF_CLEANUP(bf_freep) uint8_t *frame = NULL;
    size_t frame_bytes = 0;

    if (envelope->body_case == BITFERRY__ENVELOPE__BODY__NOT_SET)
        return;
    if (bf_rpc_frame_pack(envelope, sender, &frame, &frame_bytes, NULL) < 0 ||
        bf_rpc_message_unpack(frame + BF_RPC_FRAME_HEADER_BYTES,
                              frame_bytes - BF_RPC_FRAME_HEADER_BYTES, SIZE_MAX, sender, &again,
                              NULL) < 0)
        __builtin_trap();
    if (again.envelope->body_case != envelope->body_case ||
        strcmp(bf_rpc_envelope_name(again.envelope), bf_rpc_envelope_name(envelope)) != 0)
        __builtin_trap();
}

static void take_frame(const uint8_t *body, size_t body_bytes, bool stranger)
{
    BF_CLEANUP(bf_rpc_message_release) struct bf_rpc_message message = {0};
    size_t memory_max = stranger ? BF_RPC_HELLO_MEMORY_MAX_BYTES : BF_RPC_MEMORY_MAX_BYTES;
    Bitferry__Role sender =
        stranger ? BITFERRY__ROLE__ROLE_UNSPECIFIED : BITFERRY__ROLE__ROLE_SOURCE;
    struct bf_error err = BF_ERROR_INIT;

    if (bf_rpc_message_unpack(body, body_bytes, memory_max, sender, &message, &err) < 0) {
        check_error(&err);
        return;
    }
    if (stranger)
        check_greeting(message.envelope);
    check_accepted(message.envelope, sender);
}

/* The first byte says how large the pieces are, and whether the peer has greeted. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bf_error err = BF_ERROR_INIT;
    struct bf_rpc_frames frames;
    bool stranger;
    size_t piece;

    if (size == 0)
        return 0;
    stranger = data[0] & 1;
    piece = (size_t)(data[0] >> 1) + 1;
    data++;
    size--;
    bf_rpc_frames_init(&frames, stranger ? BF_RPC_HELLO_MAX_BYTES : BF_RPC_FRAME_MAX_BYTES);
    while (size > 0) {
        const uint8_t *body;
        uint8_t *space;
        size_t nr_bytes;

        bf_rpc_frames_reserve(&frames, &space, &nr_bytes);
        nr_bytes = nr_bytes < piece ? nr_bytes : piece;
        nr_bytes = nr_bytes < size ? nr_bytes : size;
        memcpy(space, data, nr_bytes);
        data += nr_bytes;
        size -= nr_bytes;
        if (bf_rpc_frames_commit(&frames, nr_bytes, &err) < 0) {
            check_error(&err);
            break;
        }
        if (bf_rpc_frames_take(&frames, &body, &nr_bytes))
            take_frame(body, nr_bytes, stranger);
    }
    bf_rpc_frames_release(&frames);
    return 0;
}
