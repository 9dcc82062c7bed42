/* Every limit of every field: what is just within it passes, what is just beyond is refused by
 * name. */
#include "rpc_message_sample.h"

#include "base/endian.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

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
SPOIL(max_vm_name, (memset(sample_many, 'x', sizeof sample_many), s->offer.vm_name = FILLED(255)))
SPOIL(long_vm_name, (memset(sample_many, 'x', sizeof sample_many), s->offer.vm_name = FILLED(256)))
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
SPOIL(max_bitmap_name,
      (memset(sample_many, 'x', sizeof sample_many), s->bitmaps[0].name = FILLED(1023)))
SPOIL(long_bitmap_name,
      (memset(sample_many, 'x', sizeof sample_many), s->bitmaps[0].name = FILLED(1024)))
SPOIL(nul_bitmap, s->bitmaps[0].name = BYTES("mon\0day"))
SPOIL(same_bitmap, s->bitmaps[0].name = BYTES("monday"))
SPOIL(granularity_0, s->bitmaps[0].granularity_bytes = 0)
SPOIL(granularity_odd, s->bitmaps[0].granularity_bytes = 65537)
SPOIL(granularity_min, s->bitmaps[0].granularity_bytes = 512)
SPOIL(granularity_max, s->bitmaps[0].granularity_bytes = UINT64_C(1) << 31)
SPOIL(granularity_huge, s->bitmaps[0].granularity_bytes = UINT64_C(1) << 32)
SPOIL(too_many_bits, (s->disks[0].virtual_size_bytes = UINT64_C(1) << 62))
SPOIL(max_identity,
      (memset(sample_many, 'x', sizeof sample_many), s->disks[0].identity = FILLED(1023)))
SPOIL(long_identity,
      (memset(sample_many, 'x', sizeof sample_many), s->disks[0].identity = FILLED(1024)))
SPOIL(control_alias, s->disks[0].alias = BYTES("a\n"))
SPOIL(long_alias, (memset(sample_many, 'x', sizeof sample_many), s->disks[0].alias = FILLED(256)))
SPOIL(control_serial, s->disks[0].serial = BYTES("a\n"))
SPOIL(max_serial, (memset(sample_many, 'x', sizeof sample_many), s->disks[0].serial = FILLED(255)))
SPOIL(long_serial, (memset(sample_many, 'x', sizeof sample_many), s->disks[0].serial = FILLED(256)))
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
SPOIL(long_below_node, (s->disks[0].n_below = 1, memset(sample_many, 'x', sizeof sample_many),
                        s->layer.node_name = FILLED(256)))
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
SPOIL(long_host, (memset(sample_many, 'x', sizeof sample_many), s->exports.host = FILLED(256)))
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
SPOIL(long_export_name,
      (memset(sample_many, 'x', sizeof sample_many), s->export[1].name = FILLED(3968)))
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

static void make_row(const struct row *row, struct sample *s)
{
    memset(sample_many, 0, sizeof sample_many);
    sample_fill(s);
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
        check_row(i, bf_rpc_envelope_check(&s.envelope, ANYBODY, &err), &err);
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
        r = bf_rpc_message_unpack(bytes, nr_bytes, BF_RPC_MEMORY_MAX_BYTES, ANYBODY, &message,
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
        assert_int_equal(bf_rpc_frame_pack(&s.envelope, ANYBODY, &frame, &frame_bytes, NULL), 0);
        assert_int_equal(bf_be32_get(frame), frame_bytes - 4);
        assert_int_equal(bf_rpc_message_unpack(frame + 4, frame_bytes - 4, BF_RPC_MEMORY_MAX_BYTES,
                                               ANYBODY, &message, NULL),
                         0);
        assert_int_equal(bf_rpc_frame_pack(message.envelope, ANYBODY, &again, &again_bytes, NULL),
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
        assert_int_equal(bf_rpc_frame_pack(&s.envelope, ANYBODY, &frame, &frame_bytes, NULL),
                         -bf_code_errno(BF_E_PROTOCOL));
        assert_null(frame);
    }
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
        if (bf_rpc_message_unpack(bytes, nr_bytes, BF_RPC_MEMORY_MAX_BYTES, ANYBODY, &message,
                                  &err) == 0)
            assert_int_equal(bf_rpc_envelope_check(message.envelope, ANYBODY, NULL), 0);
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
        cmocka_unit_test(no_damage_gets_past_the_check),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
