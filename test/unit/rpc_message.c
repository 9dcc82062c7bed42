/* Every limit of every field: what is just within it passes, what is just beyond is refused by
 * name. */
#include "rpc/message.h"

#include "base/endian.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static uint8_t id[BF_RPC_ID_BYTES] = {1, 2, 3};
static uint8_t digest[32] = {0xab};
static uint8_t many[BF_RPC_BITMAPS_MAX + 1];

#define BYTES(text)   ((ProtobufCBinaryData){sizeof(text) - 1, (uint8_t *)(uintptr_t)(text)})
#define FILLED(count) ((ProtobufCBinaryData){(count), many})
#define ID            ((ProtobufCBinaryData){sizeof id, id})

/* A message of each kind with everything in it; a test spoils one field. */
struct sample {
    Bitferry__Envelope envelope;
    Bitferry__Hello hello;
    Bitferry__Heartbeat heartbeat;
    Bitferry__Word word;
    Bitferry__Offer offer;
    Bitferry__OfferedDisk disks[2], *disk_list[2];
    Bitferry__OfferedBitmap bitmaps[2], *bitmap_list[2];
    Bitferry__OfferedCheckpoint checkpoint, *checkpoint_list[1];
    Bitferry__CheckpointDisk covered, *covered_list[1];
    Bitferry__OfferedLayer layer, *layer_list[BF_RPC_LAYERS_MAX + 1];
    Bitferry__LayerBitmap layer_bitmap, *layer_bitmap_list[1];
    Bitferry__Placement placement;
    Bitferry__PlacedDisk placed, *placed_list[1];
    Bitferry__Exports exports;
    Bitferry__Export export[2], *export_list[2];
    Bitferry__Results results;
    Bitferry__Result result[2], *result_list[2];
    Bitferry__Reason reason;
};

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

static void fill_sample(struct sample *s)
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

static void as_hello(struct sample *s)
{
    s->envelope.body_case = BITFERRY__ENVELOPE__BODY_HELLO;
    s->envelope.hello = &s->hello;
}

static void as_heartbeat(struct sample *s)
{
    s->envelope.body_case = BITFERRY__ENVELOPE__BODY_HEARTBEAT;
    s->envelope.heartbeat = &s->heartbeat;
}

static void as_offer(struct sample *s)
{
    STEP(OFFER);
    CARRY(OFFER, offer);
}

static void as_placement(struct sample *s)
{
    STEP(OFFER);
    CARRY(PLACEMENT, placement);
}

static void as_exports(struct sample *s)
{
    STEP(RECORDING);
    CARRY(EXPORTS, exports);
}

static void as_deltas(struct sample *s)
{
    STEP(DELTA);
    CARRY(EXPORTS, exports);
}

static void as_results(struct sample *s)
{
    STEP(SEAL);
    CARRY(RESULTS, results);
}

static void as_abort(struct sample *s)
{
    STEP(ABORT);
    CARRY(REASON, reason);
}

static void as_arm(struct sample *s)
{
    STEP(ARM);
}

static void as_seal(struct sample *s)
{
    STEP(SEAL);
    s->word.with_delta = true;
    s->word.drops = FILLED(2);
}

/* @spoil is done to a good message; @refusal is a part of the error, NULL: it is still good. */
struct row {
    void (*make)(struct sample *s);
    void (*spoil)(struct sample *s);
    const char *refusal;
};

#define SPOIL(name, statement)                                                                     \
    static void name(struct sample *s)                                                             \
    {                                                                                              \
        statement;                                                                                 \
    }

SPOIL(nothing, (void)s)
SPOIL(no_move, s->envelope.move_id.len = 0)
SPOIL(long_move, s->envelope.move_id = FILLED(17))
SPOIL(no_epoch, s->envelope.epoch = 0)
SPOIL(hello_with_move, s->envelope.move_id = ID)
SPOIL(hello_with_epoch, s->envelope.epoch = 1)
SPOIL(no_boot_id, s->hello.boot_id.len = 0)
SPOIL(no_program, s->hello.program = (char *)(uintptr_t) "")
SPOIL(control_program, s->hello.program = (char *)(uintptr_t) "a\033[2J")
SPOIL(torn_program, s->hello.program = (char *)(uintptr_t) "\xc3")
SPOIL(version_0, s->hello.version_min = 0)
SPOIL(version_range, s->hello.version_min = 2)
SPOIL(future_version, s->hello.version_max = UINT32_MAX)
SPOIL(no_role, s->hello.role = BITFERRY__ROLE__ROLE_UNSPECIFIED)
SPOIL(role_3, s->hello.role = (Bitferry__Role)3)
SPOIL(role_negative, s->hello.role = (Bitferry__Role)-1)
SPOIL(no_step, s->word.step = BITFERRY__STEP__STEP_UNSPECIFIED)
SPOIL(step_10, s->word.step = (Bitferry__Step)10)
SPOIL(step_negative, s->word.step = (Bitferry__Step)-1)
SPOIL(other_step, s->word.step = BITFERRY__STEP__STEP_ARM)
SPOIL(no_payload, s->word.payload_case = BITFERRY__WORD__PAYLOAD__NOT_SET)
SPOIL(delta_flag, s->word.with_delta = true)
SPOIL(max_drops, s->word.drops = FILLED(BF_RPC_BITMAPS_MAX))
SPOIL(many_drops, s->word.drops = FILLED(BF_RPC_BITMAPS_MAX + 1))
SPOIL(no_vm_name, s->offer.vm_name.len = 0)
SPOIL(nul_vm_name, s->offer.vm_name = BYTES("a\0b"))
SPOIL(torn_vm_name, s->offer.vm_name = BYTES("a\xed\xa0\x80"))
SPOIL(control_vm_name, s->offer.vm_name = BYTES("a\nb"))
SPOIL(max_vm_name, (memset(many, 'x', sizeof many), s->offer.vm_name = FILLED(255)))
SPOIL(long_vm_name, (memset(many, 'x', sizeof many), s->offer.vm_name = FILLED(256)))
SPOIL(short_uuid, s->offer.vm_uuid.len = 15)
SPOIL(no_method, s->offer.method = BITFERRY__METHOD__METHOD_UNSPECIFIED)
SPOIL(method_5, s->offer.method = (Bitferry__Method)5)
SPOIL(still, s->offer.method = BITFERRY__METHOD__METHOD_STILL)
SPOIL(no_disks, s->offer.n_disks = 0)
SPOIL(many_disks, s->offer.n_disks = BF_RPC_DISKS_MAX + 1)
SPOIL(no_disk_name, s->disks[1].name.len = 0)
SPOIL(slash_disk, s->disks[1].name = BYTES("../vdb"))
SPOIL(nul_disk, s->disks[1].name = BYTES("vd\0"))
SPOIL(same_disk, s->disks[1].name = BYTES("vda"))
SPOIL(no_node, s->disks[0].node_name.len = 0)
SPOIL(below, s->disks[1].depth = 1)
SPOIL(below_none, s->disks[0].depth = 1)
SPOIL(below_a_gap, s->disks[1].depth = 2)
SPOIL(short_content, s->disks[0].content = BYTES("abc"))
SPOIL(control_node, s->disks[0].node_name = BYTES("\r"))
SPOIL(max_disk, (s->disks[1].virtual_size_bytes = INT64_MAX))
SPOIL(huge_disk, s->disks[1].virtual_size_bytes = (uint64_t)INT64_MAX + 1)
SPOIL(max_bitmap_name, (memset(many, 'x', sizeof many), s->bitmaps[0].name = FILLED(1023)))
SPOIL(long_bitmap_name, (memset(many, 'x', sizeof many), s->bitmaps[0].name = FILLED(1024)))
SPOIL(nul_bitmap, s->bitmaps[0].name = BYTES("mon\0day"))
SPOIL(same_bitmap, s->bitmaps[0].name = BYTES("monday"))
SPOIL(granularity_0, s->bitmaps[0].granularity_bytes = 0)
SPOIL(granularity_odd, s->bitmaps[0].granularity_bytes = 65537)
SPOIL(granularity_min, s->bitmaps[0].granularity_bytes = 512)
SPOIL(granularity_max, s->bitmaps[0].granularity_bytes = UINT64_C(1) << 31)
SPOIL(granularity_huge, s->bitmaps[0].granularity_bytes = UINT64_C(1) << 32)
SPOIL(too_many_bits, (s->disks[0].virtual_size_bytes = UINT64_C(1) << 62))
SPOIL(max_identity, (memset(many, 'x', sizeof many), s->disks[0].identity = FILLED(1023)))
SPOIL(long_identity, (memset(many, 'x', sizeof many), s->disks[0].identity = FILLED(1024)))
SPOIL(control_alias, s->disks[0].alias = BYTES("a\n"))
SPOIL(long_alias, (memset(many, 'x', sizeof many), s->disks[0].alias = FILLED(256)))
SPOIL(control_serial, s->disks[0].serial = BYTES("a\n"))
SPOIL(max_serial, (memset(many, 'x', sizeof many), s->disks[0].serial = FILLED(255)))
SPOIL(long_serial, (memset(many, 'x', sizeof many), s->disks[0].serial = FILLED(256)))
SPOIL(max_mode, s->disks[0].mode = BITFERRY__MODE__MODE_NBD)
SPOIL(mode_4, s->disks[0].mode = (Bitferry__Mode)4)
SPOIL(same_image, s->placed.image = BITFERRY__SAMENESS__SAMENESS_OTHER)
SPOIL(image_3, s->placed.image = (Bitferry__Sameness)3)
SPOIL(max_merged, s->placed.merged_layers = 64)
SPOIL(many_merged, s->placed.merged_layers = 65)
SPOIL(max_below, (s->disks[0].n_below = BF_RPC_LAYERS_MAX))
SPOIL(many_below, s->disks[0].n_below = BF_RPC_LAYERS_MAX + 1)
SPOIL(huge_below, (s->disks[0].n_below = 1, s->layer.virtual_size_bytes = UINT64_MAX))
SPOIL(nul_content, (s->disks[0].n_below = 1, s->layer.content = BYTES("a\0b")))
SPOIL(nul_bits, (s->disks[0].n_below = 1, s->layer.bits = BYTES("a\0b")))
SPOIL(nul_path, (s->disks[0].n_below = 1, s->layer.path = BYTES("a\0b")))
SPOIL(long_below_node,
      (s->disks[0].n_below = 1, memset(many, 'x', sizeof many), s->layer.node_name = FILLED(256)))
SPOIL(no_below_name, (s->disks[0].n_below = 1, s->layer_bitmap.name.len = 0))
SPOIL(placed_freeze, s->placement.method = BITFERRY__METHOD__METHOD_FREEZE)
SPOIL(digested, s->bitmaps[0].sha256 = FILLED(32))
SPOIL(short_offered_digest, s->bitmaps[0].sha256 = FILLED(31))
SPOIL(placed_method_5, s->placement.method = (Bitferry__Method)5)
SPOIL(placed_mode_4, s->placed.mode = (Bitferry__Mode)4)
SPOIL(style_2, s->offer.style = (Bitferry__ChainStyle)2)
SPOIL(no_checkpoints, s->offer.n_checkpoints = 0)
SPOIL(many_checkpoints, s->offer.n_checkpoints = BF_RPC_CHECKPOINTS_MAX + 1)
SPOIL(no_checkpoint_name, s->checkpoint.name.len = 0)
SPOIL(control_checkpoint, s->checkpoint.name = BYTES("mon\nday"))
SPOIL(no_parent, s->checkpoint.parent.len = 0)
SPOIL(nul_parent, s->checkpoint.parent = BYTES("\0"))
SPOIL(ancient_checkpoint, s->checkpoint.time_unix_s = -1)
SPOIL(covers_nothing, s->checkpoint.n_disks = 0)
SPOIL(covers_too_many, s->checkpoint.n_disks = BF_RPC_DISKS_MAX + 1)
SPOIL(covers_slash, s->covered.disk = BYTES("a/b"))
SPOIL(covers_by_nothing, s->covered.bitmap.len = 0)
SPOIL(no_definition, s->checkpoint.definition.len = 0)
SPOIL(nul_definition, s->checkpoint.definition = BYTES("<a/>\0"))
SPOIL(placed_none, s->placement.n_disks = 0)
SPOIL(placed_huge, s->placed.virtual_size_bytes = UINT64_MAX)
SPOIL(no_host, s->exports.host.len = 0)
SPOIL(uri_host, s->exports.host = BYTES("a/b?tls-certificates=/tmp"))
SPOIL(nul_host, s->exports.host = BYTES("a\0"))
SPOIL(long_host, (memset(many, 'x', sizeof many), s->exports.host = FILLED(256)))
SPOIL(port_0, s->exports.port = 0)
SPOIL(port_65536, s->exports.port = 65536)
SPOIL(short_token, s->exports.token = FILLED(15))
SPOIL(max_token, s->exports.token = FILLED(64))
SPOIL(long_token, s->exports.token = FILLED(65))
SPOIL(no_exports, s->exports.n_exports = 0)
SPOIL(same_index, s->export[1].index = 0)
SPOIL(falling_index, s->export[0].index = BF_RPC_DISKS_MAX)
SPOIL(bitmap_index, s->export[1].index = BF_RPC_BITMAPS_MAX - 1)
SPOIL(far_index, s->export[1].index = BF_RPC_BITMAPS_MAX)
SPOIL(disk_index, s->export[1].index = BF_RPC_DISKS_MAX)
SPOIL(wrapping_index, s->export[1].index = UINT32_MAX)
SPOIL(no_export_name, s->export[1].name.len = 0)
SPOIL(torn_export_name, s->export[1].name = BYTES("\xff"))
SPOIL(long_export_name, (memset(many, 'x', sizeof many), s->export[1].name = FILLED(3968)))
SPOIL(export_bits, s->export[1].nr_dirty_bits = 1026)
SPOIL(export_digest, s->export[1].sha256.len = 31)
SPOIL(export_size, s->export[1].disk_size_bytes = UINT64_MAX)
SPOIL(export_granularity, s->export[1].granularity_bytes = 3)
SPOIL(no_results, s->results.n_results = 0)
SPOIL(result_index, s->result[1].index = 0)
SPOIL(result_digest, s->result[1].sha256.len = 0)
SPOIL(result_bits, s->result[1].nr_dirty_bits = (UINT64_C(1) << 32) + 1)
SPOIL(result_max_bits, s->result[1].nr_dirty_bits = UINT64_C(1) << 32)
SPOIL(no_code, s->reason.code = (char *)(uintptr_t) "")
SPOIL(lower_code, s->reason.code = (char *)(uintptr_t) "Busy")
SPOIL(no_text, s->reason.text = (char *)(uintptr_t) "")
SPOIL(two_lines, s->reason.text = (char *)(uintptr_t) "a\nb")

static const struct row rows[] = {
    {as_hello, nothing, NULL},
    {as_hello, future_version, NULL},
    {as_hello, hello_with_move, "Hello: it belongs to no move and names one"},
    {as_hello, hello_with_epoch, "Hello: it belongs to no move and names one"},
    {as_hello, no_boot_id, "Hello: the boot id has 0 bytes instead of 16"},
    {as_hello, no_program, "Hello: the program's name has 0 bytes instead of 1 to 128"},
    {as_hello, control_program, "Hello: the program's name is not plain UTF-8"},
    {as_hello, torn_program, "Hello: the program's name is not plain UTF-8"},
    {as_hello, version_0, "Hello: the versions 0 to 1 are no range"},
    {as_hello, version_range, "Hello: the versions 2 to 1 are no range"},
    {as_hello, no_role, "Hello: there is no role 0"},
    {as_hello, role_3, "Hello: there is no role 3"},
    {as_hello, role_negative, "Hello: there is no role -1"},
    {as_heartbeat, nothing, NULL},
    {as_heartbeat, hello_with_move, "Heartbeat: it belongs to no move and names one"},
    {as_arm, nothing, NULL},
    {as_arm, no_move, "ARM: the move id has 0 bytes instead of 16"},
    {as_arm, long_move, "ARM: the move id has 17 bytes instead of 16"},
    {as_arm, no_epoch, "ARM: the epoch is missing"},
    {as_arm, no_step, "Word: there is no step 0"},
    {as_arm, step_10, "Word: there is no step 10"},
    {as_arm, step_negative, "Word: there is no step -1"},
    {as_arm, delta_flag, "ARM: it is not what either side says at this step"},
    {as_seal, nothing, NULL},
    {as_seal, max_drops, NULL},
    {as_seal, many_drops, "SEAL: it has 16385 drops, 16384 are allowed"},
    {as_offer, nothing, NULL},
    {as_offer, other_step, "ARM: it is not what either side says at this step"},
    {as_offer, no_payload, "OFFER: it is not what either side says at this step"},
    {as_offer, delta_flag, "OFFER: it is not what either side says at this step"},
    {as_offer, no_vm_name, "OFFER: the VM's name has 0 bytes instead of 1 to 255"},
    {as_offer, max_vm_name, NULL},
    {as_offer, long_vm_name, "OFFER: the VM's name has 256 bytes instead of 1 to 255"},
    {as_offer, nul_vm_name, "OFFER: the VM's name has a NUL in it"},
    {as_offer, torn_vm_name, "OFFER: the VM's name is not plain UTF-8"},
    {as_offer, control_vm_name, "OFFER: the VM's name is not plain UTF-8"},
    {as_offer, short_uuid, "OFFER: the VM's UUID has 15 bytes instead of 16"},
    {as_offer, no_method, "OFFER: there is no method 0"},
    {as_offer, method_5, "OFFER: there is no method 5"},
    {as_offer, still, NULL},
    {as_offer, no_disks, NULL},
    {as_offer, many_disks, "OFFER: it has 257 disks, 256 are allowed"},
    {as_offer, no_disk_name, "OFFER: the name of a disk has 0 bytes instead of 1 to 255"},
    {as_offer, slash_disk, "OFFER: the name of a disk has a '/' in it"},
    {as_offer, nul_disk, "OFFER: the name of a disk has a NUL in it"},
    {as_offer, same_disk, "OFFER: disk 'vda' is there twice"},
    {as_offer, no_node, NULL},
    {as_offer, below, NULL},
    {as_offer, below_none, "OFFER: an image of depth 1 stands below none"},
    {as_offer, below_a_gap, "OFFER: an image of depth 2 stands below none"},
    {as_offer, short_content, "OFFER: the SHA-256 has 3 bytes"},
    {as_offer, control_node, "OFFER: the name of a node is not plain UTF-8"},
    {as_offer, max_disk, NULL},
    {as_offer, huge_disk, "OFFER: the disk is larger than any disk"},
    {as_offer, max_bitmap_name, NULL},
    {as_offer, long_bitmap_name, "OFFER: the name of a bitmap has 1024 bytes instead of 1 to 1023"},
    {as_offer, nul_bitmap, "OFFER: the name of a bitmap has a NUL in it"},
    {as_offer, same_bitmap, "OFFER: bitmap 'monday' is there twice"},
    {as_offer, granularity_0, "OFFER: "},
    {as_offer, digested, NULL},
    {as_offer, short_offered_digest, "OFFER: "},
    {as_offer, style_2, "OFFER: there is no style 2 of checkpoints"},
    {as_offer, no_checkpoints, NULL},
    {as_offer, many_checkpoints, "OFFER: it has 4097 checkpoints, 4096 are allowed"},
    {as_offer, no_checkpoint_name,
     "OFFER: the name of a checkpoint has 0 bytes instead of 1 to 1023"},
    {as_offer, control_checkpoint, "OFFER: the name of a checkpoint is not plain UTF-8"},
    {as_offer, no_parent, NULL},
    {as_offer, nul_parent, "OFFER: the parent of a checkpoint has a NUL in it"},
    {as_offer, ancient_checkpoint, "OFFER: a checkpoint is older than 1970"},
    {as_offer, covers_nothing, NULL},
    {as_offer, covers_too_many, "OFFER: it has 257 disks in a checkpoint, 256 are allowed"},
    {as_offer, covers_slash, "OFFER: the name of a disk has a '/' in it"},
    {as_offer, covers_by_nothing,
     "OFFER: the bitmap of a checkpoint has 0 bytes instead of 1 to 1023"},
    {as_offer, no_definition, NULL},
    {as_offer, nul_definition, "OFFER: the definition of a checkpoint has a NUL in it"},
    {as_offer, granularity_odd, "OFFER: "},
    {as_offer, granularity_min, NULL},
    {as_offer, granularity_max, NULL},
    {as_offer, granularity_huge, "OFFER: "},
    {as_offer, too_many_bits, "OFFER: "},
    {as_placement, nothing, NULL},
    {as_offer, max_identity, NULL},
    {as_offer, long_identity,
     "OFFER: the identity of an image has 1024 bytes instead of 1 to 1023"},
    {as_offer, control_alias, "OFFER: the alias of a node is not plain UTF-8"},
    {as_offer, long_alias, "OFFER: the alias of a node has 256 bytes instead of 1 to 255"},
    {as_offer, control_serial, "OFFER: the serial of a disk is not plain UTF-8"},
    {as_offer, max_serial, NULL},
    {as_offer, long_serial, "OFFER: the serial of a disk has 256 bytes instead of 1 to 255"},
    {as_offer, max_mode, NULL},
    {as_offer, mode_4, "OFFER: there is no mode 4"},
    {as_offer, max_below, NULL},
    {as_offer, many_below, "OFFER: it has 64 images below a disk, 63 are allowed"},
    {as_offer, huge_below, "OFFER: the disk is larger than any disk"},
    {as_offer, nul_content, "OFFER: the content of an image"},
    {as_offer, nul_bits, "OFFER: the bitmaps of an image"},
    {as_offer, nul_path, "OFFER: the path of an image"},
    {as_offer, long_below_node, "OFFER: the name of a node has 256 bytes instead of 1 to 255"},
    {as_offer, no_below_name, "OFFER: the name of a bitmap has 0 bytes instead of 1 to 1023"},
    {as_placement, same_image, NULL},
    {as_placement, image_3, "OFFER: there is no sameness 3"},
    {as_placement, max_merged, NULL},
    {as_placement, many_merged, "OFFER: it has 65 images in one, 64 are allowed"},
    {as_placement, placed_freeze, NULL},
    {as_placement, placed_method_5, "OFFER: there is no method 5"},
    {as_placement, placed_mode_4, "OFFER: there is no mode 4"},
    {as_placement, placed_none, NULL},
    {as_placement, placed_huge, "OFFER: the disk is larger than any disk"},
    {as_exports, nothing, NULL},
    {as_exports, no_host, NULL},
    {as_exports, uri_host, "RECORDING: the host is neither a name nor an address"},
    {as_exports, nul_host, "RECORDING: the host is neither a name nor an address"},
    {as_exports, long_host, "RECORDING: the host has 256 bytes, 255 are allowed"},
    {as_exports, port_0, "RECORDING: there is no port 0"},
    {as_exports, port_65536, "RECORDING: there is no port 65536"},
    {as_exports, short_token, "RECORDING: the token has 15 bytes instead of 16 to 64"},
    {as_exports, max_token, NULL},
    {as_exports, long_token, "RECORDING: the token has 65 bytes instead of 16 to 64"},
    {as_exports, no_exports, NULL},
    {as_exports, same_index, "RECORDING: the index 0 is out of range, out of order or there twice"},
    {as_exports, falling_index, "RECORDING: the index 255 is out of range, out of order"},
    {as_exports, bitmap_index, NULL},
    {as_exports, far_index, "RECORDING: the index 16384 is out of range"},
    {as_exports, wrapping_index, "RECORDING: the index 4294967295 is out of range"},
    {as_deltas, nothing, NULL},
    {as_deltas, disk_index, "DELTA: the index 256 is out of range"},
    {as_exports, no_export_name, "RECORDING: the name of an export has 0 bytes"},
    {as_exports, torn_export_name, "RECORDING: the name of an export is not plain UTF-8"},
    {as_exports, long_export_name, "RECORDING: the name of an export has 3968 bytes"},
    {as_exports, export_bits, "RECORDING: an export has more dirty bits than bits"},
    {as_exports, export_digest, "RECORDING: the SHA-256 has 31 bytes"},
    {as_exports, export_size, "RECORDING: the disk is larger than any disk"},
    {as_exports, export_granularity, "RECORDING: "},
    {as_results, nothing, NULL},
    {as_results, no_results, NULL},
    {as_results, result_index, "SEAL: the index 0 is out of range, out of order or there twice"},
    {as_results, result_digest, "SEAL: the SHA-256 has 0 bytes"},
    {as_results, result_max_bits, NULL},
    {as_results, result_bits, "SEAL: a bitmap has more dirty bits than any can have"},
    {as_results, delta_flag, "SEAL: it is not what either side says at this step"},
    {as_abort, nothing, NULL},
    {as_abort, no_payload, "ABORT: it is not what either side says at this step"},
    {as_abort, no_code, "ABORT: the code of the reason is not 1 to 64 bytes of UPPER_SNAKE"},
    {as_abort, lower_code, "ABORT: the code of the reason is not 1 to 64 bytes of UPPER_SNAKE"},
    {as_abort, no_text, "ABORT: the text of the reason has 0 bytes instead of 1 to 1023"},
    {as_abort, two_lines, "ABORT: the text of the reason is not plain UTF-8"},
};

enum {
    NR_ROWS = sizeof rows / sizeof rows[0],
    MUTANTS = 20000,
};

static const Bitferry__Role anybody = BITFERRY__ROLE__ROLE_UNSPECIFIED;

static void make_row(const struct row *row, struct sample *s)
{
    memset(many, 0, sizeof many);
    fill_sample(s);
    row->make(s);
    row->spoil(s);
}

static void check_row(int nr, int r, const struct bf_error *err)
{
    const char *refusal = rows[nr].refusal;

    if (!refusal && r != 0)
        fail_msg("row %d is refused: %s", nr, err->text);
    if (refusal && (r != -bf_code_errno(BF_E_PROTOCOL) || err->code != BF_E_PROTOCOL ||
                    strncmp(err->text, refusal, strlen(refusal)) != 0))
        fail_msg("row %d: %d '%s' instead of '%s'", nr, r, err->text, refusal);
}

static void every_field_has_its_limits(void **state)
{
    struct sample s;

    (void)state;
    for (int i = 0; i < NR_ROWS; i++) {
        struct bf_error err = BF_ERROR_INIT;

        make_row(&rows[i], &s);
        check_row(i, bf_rpc_envelope_check(&s.envelope, anybody, &err), &err);
    }
}

/* Of more than there are in the sample, which cannot be packed. */
static bool says_too_many(const struct row *row)
{
    return row->spoil == many_disks || row->spoil == many_checkpoints ||
           row->spoil == covers_too_many;
}

/* Over the wire: the check stands behind unpacking as it stands before packing. */
static void what_a_peer_sent_is_judged_likewise(void **state)
{
    struct sample s;

    (void)state;
    for (int i = 0; i < NR_ROWS; i++) {
        BF_CLEANUP(bf_rpc_message_release) struct bf_rpc_message message = {0};
        BF_CLEANUP(bf_freep) uint8_t *bytes = NULL;
        struct bf_error err = BF_ERROR_INIT;
        size_t nr_bytes;
        int r;

        if (says_too_many(&rows[i]))
            continue;
        make_row(&rows[i], &s);
        nr_bytes = bitferry__envelope__get_packed_size(&s.envelope);
        bytes = malloc(nr_bytes);
        (void)bitferry__envelope__pack(&s.envelope, bytes);
        r = bf_rpc_message_unpack(bytes, nr_bytes, BF_RPC_MEMORY_MAX_BYTES, anybody, &message,
                                  &err);
        check_row(i, r, &err);
        assert_true((r == 0) == (message.envelope != NULL));
    }
}

static void a_packed_message_comes_back(void **state)
{
    struct sample s;

    (void)state;
    for (int i = 0; i < NR_ROWS; i++) {
        BF_CLEANUP(bf_rpc_message_release) struct bf_rpc_message message = {0};
        BF_CLEANUP(bf_freep) uint8_t *frame = NULL;
        BF_CLEANUP(bf_freep) uint8_t *again = NULL;
        size_t frame_bytes = 0;
        size_t again_bytes = 0;

        if (rows[i].refusal)
            continue;
        make_row(&rows[i], &s);
        assert_int_equal(bf_rpc_frame_pack(&s.envelope, anybody, &frame, &frame_bytes, NULL), 0);
        assert_int_equal(bf_be32_get(frame), frame_bytes - 4);
        assert_int_equal(bf_rpc_message_unpack(frame + 4, frame_bytes - 4, BF_RPC_MEMORY_MAX_BYTES,
                                               anybody, &message, NULL),
                         0);
        assert_int_equal(bf_rpc_frame_pack(message.envelope, anybody, &again, &again_bytes, NULL),
                         0);
        assert_int_equal(again_bytes, frame_bytes);
        assert_memory_equal(again, frame, frame_bytes);
    }
}

static void nothing_is_packed_that_would_be_refused(void **state)
{
    struct sample s;

    (void)state;
    for (int i = 0; i < NR_ROWS; i++) {
        uint8_t *frame = NULL;
        size_t frame_bytes = 0;

        if (!rows[i].refusal)
            continue;
        make_row(&rows[i], &s);
        assert_int_equal(bf_rpc_frame_pack(&s.envelope, anybody, &frame, &frame_bytes, NULL),
                         -bf_code_errno(BF_E_PROTOCOL));
        assert_null(frame);
    }
}

/* Which side may say what; the whole grammar, step by payload by sender. */
static void each_side_says_its_own_words(void **state)
{
    static const struct {
        void (*make)(struct sample *s);
        Bitferry__Step step;
        bool source, dest;
    } grammar[] = {
#define STEP_ROW(make, step, source, dest) {make, BITFERRY__STEP__STEP_##step, source, dest}
        STEP_ROW(as_offer, OFFER, true, false),
        STEP_ROW(as_placement, OFFER, false, true),
        STEP_ROW(as_exports, FROZEN, true, false),
        STEP_ROW(as_results, FROZEN, false, true),
        STEP_ROW(as_arm, ARM, true, true),
        STEP_ROW(as_exports, RECORDING, true, false),
        STEP_ROW(as_results, RECORDING, false, true),
        STEP_ROW(as_arm, ARM_PAUSED, true, true),
        STEP_ROW(as_deltas, DELTA, true, false),
        STEP_ROW(as_results, DELTA, false, true),
        STEP_ROW(as_seal, SEAL, true, false),
        STEP_ROW(as_arm, SEAL, true, false),
        STEP_ROW(as_results, SEAL, false, true),
        STEP_ROW(as_arm, RETIRED, true, false),
        STEP_ROW(as_abort, ABORT, true, true),
    };
    void (*const makes[])(struct sample *) = {as_offer,   as_placement, as_exports, as_deltas,
                                              as_results, as_abort,     as_arm,     as_seal};
    struct sample s;

    (void)state;
    for (size_t i = 0; i < sizeof makes / sizeof makes[0] * 9; i++) {
        Bitferry__Step step = (Bitferry__Step)(i % 9 + 1);
        bool source = false;
        bool dest = false;

        fill_sample(&s);
        makes[i / 9](&s);
        s.word.step = step;
        for (size_t j = 0; j < sizeof grammar / sizeof grammar[0]; j++) {
            struct sample model;

            fill_sample(&model);
            grammar[j].make(&model);
            if (grammar[j].step != step || model.word.payload_case != s.word.payload_case ||
                (s.word.with_delta && !model.word.with_delta))
                continue;
            source |= grammar[j].source;
            dest |= grammar[j].dest;
        }
        assert_int_equal(bf_rpc_envelope_check(&s.envelope, BITFERRY__ROLE__ROLE_SOURCE, NULL) == 0,
                         source);
        assert_int_equal(bf_rpc_envelope_check(&s.envelope, BITFERRY__ROLE__ROLE_DEST, NULL) == 0,
                         dest);
        assert_int_equal(bf_rpc_envelope_check(&s.envelope, anybody, NULL) == 0, source || dest);
    }
}

static int unpack(const uint8_t *bytes, size_t nr_bytes, size_t memory_max_bytes,
                  struct bf_rpc_message *message, struct bf_error *err)
{
    return bf_rpc_message_unpack(bytes, nr_bytes, memory_max_bytes, anybody, message, err);
}

static void unknown_bodies_and_fields_are_ignored(void **state)
{
    /* Body 31, with something in it; field 15 of the envelope; a Heartbeat with a field 1. */
    static const uint8_t body[] = {0xfa, 0x01, 0x02, 0x08, 0x01};
    static const uint8_t field[] = {0x78, 0x05, 0x8a, 0x01, 0x02, 0x08, 0x07};
    BF_CLEANUP(bf_rpc_message_release) struct bf_rpc_message first = {0};
    BF_CLEANUP(bf_rpc_message_release) struct bf_rpc_message second = {0};

    (void)state;
    assert_int_equal(unpack(body, sizeof body, 4096, &first, NULL), 0);
    assert_int_equal(first.envelope->body_case, BITFERRY__ENVELOPE__BODY__NOT_SET);
    assert_string_equal(bf_rpc_envelope_name(first.envelope), "unknown");
    assert_int_equal(unpack(field, sizeof field, 4096, &second, NULL), 0);
    assert_int_equal(second.envelope->body_case, BITFERRY__ENVELOPE__BODY_HEARTBEAT);
}

static void a_flood_of_empty_parts_is_cut_off(void **state)
{
    enum { NR_DISKS = 500000 };
    static uint8_t bytes[12 + NR_DISKS * 2];
    struct bf_rpc_message message = {0};
    struct bf_error err = BF_ERROR_INIT;
    size_t at = 0;

    (void)state;
    bytes[at++] = 0x92; /* Envelope.word, with the length of all that follows */
    bytes[at++] = 0x01;
    at += 4;
    bytes[at++] = 0x52; /* Word.offer */
    at += 4;
    for (size_t i = 0; i < NR_DISKS; i++) {
        bytes[at++] = 0x52; /* Offer.disks, empty */
        bytes[at++] = 0;
    }
    for (unsigned i = 0; i < 4; i++) {
        bytes[2 + i] = (uint8_t)((at - 6) >> (7 * i) | (i < 3 ? 0x80 : 0));
        bytes[7 + i] = (uint8_t)((at - 11) >> (7 * i) | (i < 3 ? 0x80 : 0));
    }
    assert_int_equal(unpack(bytes, at, BF_RPC_MEMORY_MAX_BYTES, &message, &err),
                     -bf_code_errno(BF_E_LIMIT));
    assert_string_equal(err.text, "the message takes more than 16777216 bytes of memory");
    assert_null(message.envelope);
}

static void names_end_with_a_nul(void **state)
{
    BF_CLEANUP(bf_rpc_message_release) struct bf_rpc_message message = {0};
    BF_CLEANUP(bf_freep) uint8_t *frame = NULL;
    size_t frame_bytes = 0;
    struct sample s;

    (void)state;
    fill_sample(&s);
    as_offer(&s);
    assert_int_equal(bf_rpc_frame_pack(&s.envelope, anybody, &frame, &frame_bytes, NULL), 0);
    assert_int_equal(unpack(frame + 4, frame_bytes - 4, BF_RPC_MEMORY_MAX_BYTES, &message, NULL),
                     0);
    assert_string_equal((char *)message.envelope->word->offer->disks[1]->name.data, "größe");
    assert_string_equal((char *)message.envelope->word->offer->disks[0]->bitmaps[1]->name.data,
                        "monday");
}

/* The largest offer that the limits allow fits into a frame and into memory. */
static void the_largest_move_fits(void **state)
{
    enum { NAME_BYTES = 200 };
    BF_CLEANUP(bf_rpc_message_release) struct bf_rpc_message message = {0};
    Bitferry__OfferedBitmap *list = calloc(BF_RPC_BITMAPS_MAX, sizeof *list);
    Bitferry__OfferedBitmap **pointers = calloc(BF_RPC_BITMAPS_MAX, sizeof *pointers);
    char(*names)[NAME_BYTES + 1] = calloc(BF_RPC_BITMAPS_MAX, sizeof *names);
    uint8_t *frame = NULL;
    size_t frame_bytes = 0;
    struct sample s;

    (void)state;
    fill_sample(&s);
    as_offer(&s);
    for (unsigned i = 0; i < BF_RPC_BITMAPS_MAX; i++) {
        (void)snprintf(names[i], sizeof names[i], "%0200u", i);
        list[i] = s.bitmaps[0];
        list[i].name = (ProtobufCBinaryData){NAME_BYTES, (uint8_t *)names[i]};
        pointers[i] = &list[i];
    }
    s.disks[0].bitmaps = pointers;
    s.disks[0].n_bitmaps = BF_RPC_BITMAPS_MAX;
    assert_int_equal(bf_rpc_frame_pack(&s.envelope, anybody, &frame, &frame_bytes, NULL), 0);
    assert_int_equal(unpack(frame + 4, frame_bytes - 4, BF_RPC_MEMORY_MAX_BYTES, &message, NULL),
                     0);
    free(frame);
    free(names);
    free(pointers);
    free(list);
}

/* Damaged messages are refused or make sense; the sanitizers watch. */
static void no_damage_gets_past_the_check(void **state)
{
    uint64_t seed = 88172645463325252U;
    struct sample s;

    (void)state;
    for (int i = 0; i < MUTANTS; i++) {
        BF_CLEANUP(bf_rpc_message_release) struct bf_rpc_message message = {0};
        BF_CLEANUP(bf_freep) uint8_t *bytes = NULL;
        struct bf_error err = BF_ERROR_INIT;
        size_t nr_bytes;

        make_row(&rows[i % NR_ROWS], &s);
        if (says_too_many(&rows[i % NR_ROWS]))
            continue;
        nr_bytes = bitferry__envelope__get_packed_size(&s.envelope);
        bytes = malloc(nr_bytes);
        (void)bitferry__envelope__pack(&s.envelope, bytes);
        for (int j = 0; j < 3; j++) {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            bytes[seed % nr_bytes] = (uint8_t)(seed >> 32);
        }
        if (unpack(bytes, nr_bytes, BF_RPC_MEMORY_MAX_BYTES, &message, &err) == 0)
            assert_int_equal(bf_rpc_envelope_check(message.envelope, anybody, NULL), 0);
        else
            assert_true(err.code != BF_E_NONE && err.text[0] != '\0');
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_field_has_its_limits),
        cmocka_unit_test(what_a_peer_sent_is_judged_likewise),
        cmocka_unit_test(a_packed_message_comes_back),
        cmocka_unit_test(nothing_is_packed_that_would_be_refused),
        cmocka_unit_test(each_side_says_its_own_words),
        cmocka_unit_test(unknown_bodies_and_fields_are_ignored),
        cmocka_unit_test(a_flood_of_empty_parts_is_cut_off),
        cmocka_unit_test(names_end_with_a_nul),
        cmocka_unit_test(the_largest_move_fits),
        cmocka_unit_test(no_damage_gets_past_the_check),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
