#include "rpc_message_sample.h"

#include <string.h>

uint8_t sample_many[BF_RPC_BITMAPS_MAX + 1];
uint8_t sample_id[BF_RPC_ID_BYTES] = {1, 2, 3};
static uint8_t digest[32] = {0xab};

static void fill_offer(struct sample *s)
{
    for (int i = 0; i < 2; i++) {
        bitferry__offered_disk__init(&s->disks[i]);
        bitferry__offered_bitmap__init(&s->bitmaps[i]);
        s->disk_list[i] = &s->disks[i];
        s->bitmap_list[i] = &s->bitmaps[i];
        s->disks[i].virtual_size_bytes = (UINT64_C(1) << 30) + 1;
        s->bitmaps[i].granularity_bytes = 65536;
    }
    s->disks[0].name = BYTES("vda");
    s->disks[0].node_name = BYTES("#block123");
    s->disks[1].name = BYTES("größe");
    s->bitmaps[0].name = BYTES("\xff\n day"); /* not UTF-8: any bytes but NUL */
    s->bitmaps[1].name = BYTES("monday");
    s->disks[0].n_bitmaps = 2;
    s->disks[0].bitmaps = s->bitmap_list;
    bitferry__offer__init(&s->offer);
    s->offer.vm_name = BYTES("web 1");
    s->offer.vm_uuid = ID;
    s->offer.method = BITFERRY__METHOD__METHOD_TRACKER;
    s->offer.n_disks = 2;
    s->offer.disks = s->disk_list;
}

static void fill_checkpoint(struct sample *s)
{
    bitferry__offered_checkpoint__init(&s->checkpoint);
    bitferry__checkpoint_disk__init(&s->covered);
    s->covered.disk = BYTES("vda");
    s->covered.bitmap = BYTES("monday");
    s->covered_list[0] = &s->covered;
    s->checkpoint.name = BYTES("monday");
    s->checkpoint.parent = BYTES("sunday");
    s->checkpoint.time_unix_s = INT64_MAX;
    s->checkpoint.definition = BYTES("<domaincheckpoint/>\n");
    s->checkpoint.n_disks = 1;
    s->checkpoint.disks = s->covered_list;
    s->checkpoint_list[0] = &s->checkpoint;
    s->offer.n_checkpoints = 1;
    s->offer.checkpoints = s->checkpoint_list;
    s->offer.style = BITFERRY__CHAIN_STYLE__CHAIN_STYLE_LINKS;
}

static void fill_exports(struct sample *s)
{
    bitferry__exports__init(&s->exports);
    s->exports.host = BYTES("fe80::1");
    s->exports.port = 65535;
    s->exports.token = FILLED(BF_RPC_TOKEN_MIN_BYTES);
    s->exports.n_exports = 2;
    s->exports.exports = s->export_list;
    bitferry__results__init(&s->results);
    s->results.n_results = 2;
    s->results.results = s->result_list;
    for (int i = 0; i < 2; i++) {
        bitferry__export__init(&s->export[i]);
        bitferry__result__init(&s->result[i]);
        s->export_list[i] = &s->export[i];
        s->result_list[i] = &s->result[i];
        s->export[i].index = s->result[i].index = i == 0 ? 0 : BF_RPC_DISKS_MAX - 1;
        s->export[i].name = BYTES("vda/monday");
        s->export[i].disk_size_bytes = (UINT64_C(1) << 30) + 1;
        s->export[i].granularity_bytes = UINT64_C(1) << 20;
        s->export[i].nr_dirty_bits = 1025;
        s->export[i].sha256 = (ProtobufCBinaryData){sizeof digest, digest};
        s->result[i].sha256 = s->export[i].sha256;
    }
}

/* All the images below are one and the same; how many there are is for a test to say. */
static void fill_below(struct sample *s)
{
    bitferry__offered_layer__init(&s->layer);
    bitferry__layer_bitmap__init(&s->layer_bitmap);
    s->layer_bitmap.name = BYTES("monday");
    s->layer_bitmap_list[0] = &s->layer_bitmap;
    s->layer.virtual_size_bytes = 1;
    s->layer.bitmaps = s->layer_bitmap_list;
    s->layer.n_bitmaps = 1;
    for (unsigned i = 0; i <= BF_RPC_LAYERS_MAX; i++)
        s->layer_list[i] = &s->layer;
    s->disks[0].below = s->layer_list;
}

void sample_fill(struct sample *s)
{
    memset(s, 0, sizeof *s);
    bitferry__envelope__init(&s->envelope);
    bitferry__hello__init(&s->hello);
    bitferry__heartbeat__init(&s->heartbeat);
    bitferry__word__init(&s->word);
    bitferry__placement__init(&s->placement);
    bitferry__placed_disk__init(&s->placed);
    bitferry__reason__init(&s->reason);
    s->hello.version_min = s->hello.version_max = 1;
    s->hello.program = (char *)(uintptr_t) "bitferry-source 0.1.0";
    s->hello.boot_id = ID;
    s->hello.role = BITFERRY__ROLE__ROLE_SOURCE;
    s->placed.virtual_size_bytes = INT64_MAX;
    s->placed_list[0] = &s->placed;
    s->placement.n_disks = 1;
    s->placement.disks = s->placed_list;
    s->reason.code = (char *)(uintptr_t) "BITMAP_BUSY_2";
    s->reason.text = (char *)(uintptr_t) "a backup läuft";
    fill_offer(s);
    fill_below(s);
    fill_checkpoint(s);
    fill_exports(s);
}

static void say(struct sample *s, Bitferry__Step step)
{
    s->envelope.body_case = BITFERRY__ENVELOPE__BODY_WORD;
    s->envelope.word = &s->word;
    s->envelope.move_id = ID;
    s->envelope.epoch = 1;
    s->word.step = step;
}

static void carry(struct sample *s, Bitferry__Word__PayloadCase kind, void *payload)
{
    s->word.payload_case = kind;
    s->word.offer = payload;
}

#define STEP(name)         say(s, BITFERRY__STEP__STEP_##name)
#define CARRY(name, field) carry(s, BITFERRY__WORD__PAYLOAD_##name, &s->field)

void as_hello(struct sample *s)
{
    s->envelope.body_case = BITFERRY__ENVELOPE__BODY_HELLO;
    s->envelope.hello = &s->hello;
}

void as_heartbeat(struct sample *s)
{
    s->envelope.body_case = BITFERRY__ENVELOPE__BODY_HEARTBEAT;
    s->envelope.heartbeat = &s->heartbeat;
}

void as_offer(struct sample *s)
{
    STEP(OFFER);
    CARRY(OFFER, offer);
}

void as_placement(struct sample *s)
{
    STEP(OFFER);
    CARRY(PLACEMENT, placement);
}

void as_exports(struct sample *s)
{
    STEP(RECORDING);
    CARRY(EXPORTS, exports);
}

void as_deltas(struct sample *s)
{
    STEP(DELTA);
    CARRY(EXPORTS, exports);
}

void as_results(struct sample *s)
{
    STEP(SEAL);
    CARRY(RESULTS, results);
}

void as_abort(struct sample *s)
{
    STEP(ABORT);
    CARRY(REASON, reason);
}

void as_arm(struct sample *s)
{
    STEP(ARM);
}

void as_seal(struct sample *s)
{
    STEP(SEAL);
    s->word.with_delta = true;
    s->word.drops = FILLED(2);
}
