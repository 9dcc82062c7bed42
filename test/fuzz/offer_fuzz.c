/* Any bytes as a message of the source's: an OFFER that is accepted becomes checkpoints, or is
 * refused with a reason; and those that were read are said again just as they are. */
#include "offer_checkpoints.h"

#include "rpc/message.h"

#include <stddef.h>
#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Every one has its parent before it, and a definition only of itself. */
static void check_read(const struct bf_offer *offer, const Bitferry__Offer *from)
{
    const struct bf_checkpoints *checkpoints = &offer->checkpoints;

    if (checkpoints->nr_items != from->n_checkpoints)
        __builtin_trap();
    for (size_t i = 0; i < checkpoints->nr_items; i++) {
        const struct bf_checkpoint *item = &checkpoints->items[i];

        if (item->parent_index != BF_NO_CHECKPOINT && item->parent_index >= i)
            __builtin_trap();
        for (size_t j = 0; j < from->n_checkpoints; j++) {
            const Bitferry__OfferedCheckpoint *said = from->checkpoints[j];
            const char *definition = offer->definitions ? offer->definitions[i] : NULL;

            if (strcmp((const char *)said->name.data, item->name) != 0)
                continue;
            if (said->definition.len != (definition ? strlen(definition) : 0) ||
                said->n_disks != item->nr_disks)
                __builtin_trap();
        }
    }
}

static void say_again(struct bf_offer *offer)
{
    Bitferry__Offer message = BITFERRY__OFFER__INIT;
    struct bf_offered_checkpoints *said = bf_offer_put_checkpoints(offer, &message);
    struct bf_offer again = {.nr_disks = 0};

    if (!said)
        return; /* no memory */
    if (bf_offer_read_checkpoints(&again, &message, NULL) < 0 ||
        again.checkpoints.nr_items != offer->checkpoints.nr_items)
        __builtin_trap();
    check_read(&again, &message);
    bf_offer_release_checkpoints(&again);
    bf_offered_checkpoints_free(said);
}

static void judge(const Bitferry__Offer *message)
{
    struct bf_offer offer = {.nr_disks = 0};
    struct bf_error err = BF_ERROR_INIT;

    if (bf_offer_read_checkpoints(&offer, message, &err) == 0) {
        check_read(&offer, message);
        say_again(&offer);
    } else if (err.code == BF_E_NONE || err.text[0] == '\0') {
        __builtin_trap();
    }
    bf_offer_release_checkpoints(&offer);
}

static void judge_message(const uint8_t *data, size_t size)
{
    struct bf_rpc_message message;

    if (bf_rpc_message_unpack(data, size, BF_RPC_MEMORY_MAX_BYTES, BITFERRY__ROLE__ROLE_SOURCE,
                              &message, NULL) < 0)
        return;
    if (message.envelope->body_case == BITFERRY__ENVELOPE__BODY_WORD &&
        message.envelope->word->payload_case == BITFERRY__WORD__PAYLOAD_OFFER)
        judge(message.envelope->word->offer);
    bf_rpc_message_release(&message);
}

/* Few names, so that they meet: checkpoints of four bytes each. */

enum { ITEMS_MAX = 64, ITEM_BYTES = 4 };

static ProtobufCBinaryData pick(const char *const *names, unsigned which)
{
    const char *name = names[which % 8];

    return (ProtobufCBinaryData){.len = strlen(name), .data = (uint8_t *)(uintptr_t)name};
}

static void judge_shape(const uint8_t *data, size_t size)
{
    static const char *const names[8] = {"a", "b", "c", "d", "e", "f", "ab", "\xc3\xa4"};
    static const char *const parents[8] = {"", "a", "b", "c", "d", "e", "ab", "gone"};
    static const char *const disks[8] = {"vda", "vdb", "vda", "vdc", "sda", "vdb", "vdd", "x"};
    static const char *const definitions[8] = {"", "<a/>", "<b/>", "", "x", "y", "z", "<c/>"};
    Bitferry__OfferedCheckpoint items[ITEMS_MAX];
    Bitferry__OfferedCheckpoint *list[ITEMS_MAX];
    Bitferry__CheckpointDisk on[ITEMS_MAX][2];
    Bitferry__CheckpointDisk *on_list[ITEMS_MAX][2];
    Bitferry__Offer message = BITFERRY__OFFER__INIT;

    for (; size >= ITEM_BYTES && message.n_checkpoints < ITEMS_MAX; size -= ITEM_BYTES) {
        size_t at = message.n_checkpoints++;

        list[at] = &items[at];
        bitferry__offered_checkpoint__init(list[at]);
        items[at].name = pick(names, data[0]);
        items[at].parent = pick(parents, data[1]);
        items[at].definition = pick(definitions, data[1] >> 3);
        items[at].time_unix_s = data[2];
        items[at].disks = on_list[at];
        items[at].n_disks = data[3] % 3;
        for (size_t i = 0; i < 2; i++) {
            on_list[at][i] = &on[at][i];
            bitferry__checkpoint_disk__init(on_list[at][i]);
            on[at][i].disk = pick(disks, (unsigned)data[3] >> (2 + 3 * i));
            on[at][i].bitmap = pick(names, data[0] >> 3);
        }
        data += ITEM_BYTES;
    }
    message.checkpoints = list;
    judge(&message);
}

/* The first byte says which. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size > 0 && data[0] == 's')
        judge_shape(data + 1, size - 1);
    else
        judge_message(data, size);
    return 0;
}
