#include "install_load.h"

#include "base/text.h"

#include <string.h>

static const char target_node[] = "target";
static const char carrier_node[] = "carrier";

int bf_load_open_carrier(struct bf_storage_daemon *daemon, const char *path, struct bf_error *err)
{
    json_t *node = json_pack("{s:s, s:s, s:b, s:n, s:{s:s, s:s, s:b}}", "driver", "qcow2",
                             "node-name", carrier_node, "read-only", 1, "backing", "file", "driver",
                             "file", "filename", path, "read-only", 1);

    return bf_storage_daemon_call(daemon, "blockdev-add", node, NULL, err);
}

int bf_load_open_target(struct bf_storage_daemon *daemon, json_t *target, struct bf_error *err)
{
    if (!target)
        return bf_error_set(err, BF_E_NO_MEMORY, "no memory");
    (void)json_object_set_new(target, "node-name", json_string(target_node));
    return bf_storage_daemon_call(daemon, "blockdev-add", target, NULL, err);
}

static json_t *action(const char *type, json_t *data)
{
    return json_pack("{s:s, s:o}", "type", type, "data", data);
}

static json_t *on_target(const struct bf_load_item *item)
{
    return json_pack("{s:s, s:s}", "node", target_node, "name", item->name);
}

static void append_actions(json_t *actions, const struct bf_load_item *item)
{
    if (item->exists) {
        (void)json_array_append_new(actions, action("block-dirty-bitmap-clear", on_target(item)));
        (void)json_array_append_new(actions, action(item->recording ? "block-dirty-bitmap-enable"
                                                                    : "block-dirty-bitmap-disable",
                                                    on_target(item)));
    } else {
        (void)json_array_append_new(
            actions,
            action("block-dirty-bitmap-add",
                   json_pack("{s:s, s:s, s:I, s:b, s:b}", "node", target_node, "name", item->name,
                             "granularity", (json_int_t)item->granularity_bytes, "persistent", 1,
                             "disabled", !item->recording)));
    }
    (void)json_array_append_new(
        actions,
        action("block-dirty-bitmap-merge",
               json_pack("{s:s, s:s, s:[{s:s, s:s}]}", "node", target_node, "target", item->name,
                         "bitmaps", "node", carrier_node, "name", item->carrier_name)));
}

int bf_load_purge(struct bf_storage_daemon *daemon, const struct bf_load_item *items,
                  size_t nr_items, struct bf_error *err)
{
    int r = 0;

    for (size_t i = 0; r == 0 && i < nr_items; i++) {
        if (items[i].stale)
            r = bf_storage_daemon_call(daemon, "block-dirty-bitmap-remove", on_target(&items[i]),
                                       NULL, err);
    }
    return r;
}

int bf_load_merge(struct bf_storage_daemon *daemon, const struct bf_load_item *items,
                  size_t nr_items, struct bf_error *err)
{
    json_t *actions = json_array();

    for (size_t i = 0; i < nr_items; i++)
        append_actions(actions, &items[i]);
    /* a name that is not UTF-8 cannot be said in JSON: jansson refused to make its action */
    if (json_array_size(actions) < 2 * nr_items) {
        json_decref(actions);
        return bf_error_set(
            err, BF_E_UNSUPPORTED,
            "a bitmap name that is not UTF-8 cannot be given to QEMU: give it another "
            "one with --as");
    }
    return bf_storage_daemon_call(daemon, "transaction", json_pack("{s:o}", "actions", actions),
                                  NULL, err);
}

static int prove_digest(struct bf_storage_daemon *daemon, const struct bf_load_item *item,
                        struct bf_error *err)
{
    char expected[BF_HEX_SHA256_MAX];
    const char *digest;
    json_t *result = NULL;
    int r = bf_storage_daemon_call(daemon, "x-debug-block-dirty-bitmap-sha256", on_target(item),
                                   &result, err);

    if (r < 0)
        return r;
    bf_hex_encode(item->expected.sha256, BF_SHA256_BYTES, expected);
    digest = json_string_value(json_object_get(result, "sha256"));
    if (!digest || strcmp(digest, expected) != 0)
        r = bf_error_set(
            err, BF_E_DIGEST_MISMATCH,
            "bitmap '%s' is not what it should be: QEMU's digest is %.64s instead of %s",
            item->name, digest ? digest : "(none)", expected);
    json_decref(result);
    return r;
}

/* The description of the item's bitmap in what query-named-block-nodes says (borrowed), or NULL. */
static const json_t *find_bitmap(const json_t *nodes, const char *name)
{
    size_t i;
    size_t j;
    json_t *node;
    json_t *bitmap;

    json_array_foreach(nodes, i, node)
    {
        const char *node_name = json_string_value(json_object_get(node, "node-name"));

        if (!node_name || strcmp(node_name, target_node) != 0)
            continue;
        json_array_foreach(json_object_get(node, "dirty-bitmaps"), j, bitmap)
        {
            const char *bitmap_name = json_string_value(json_object_get(bitmap, "name"));

            if (bitmap_name && strcmp(bitmap_name, name) == 0)
                return bitmap;
        }
    }
    return NULL;
}

static int prove_state(const json_t *nodes, const struct bf_load_item *item, struct bf_error *err)
{
    const json_t *bitmap = find_bitmap(nodes, item->name);
    uint64_t dirty_bytes = item->expected.nr_dirty_bits * item->granularity_bytes;

    if (!bitmap)
        return bf_error_set(err, BF_E_DIGEST_MISMATCH,
                            "bitmap '%s' is not in the image QEMU stored", item->name);
    if ((uint64_t)json_integer_value(json_object_get(bitmap, "count")) != dirty_bytes ||
        (uint64_t)json_integer_value(json_object_get(bitmap, "granularity")) !=
            item->granularity_bytes ||
        json_is_true(json_object_get(bitmap, "recording")) != item->recording ||
        !json_is_true(json_object_get(bitmap, "persistent")) ||
        json_is_true(json_object_get(bitmap, "inconsistent")))
        return bf_error_set(
            err, BF_E_DIGEST_MISMATCH,
            "bitmap '%s' is not what it should be: QEMU's count, granularity or state "
            "is another",
            item->name);
    return 0;
}

int bf_load_prove(struct bf_storage_daemon *daemon, const struct bf_load_item *items,
                  size_t nr_items, struct bf_error *err)
{
    json_t *nodes = NULL;
    int r = bf_storage_daemon_call(daemon, "query-named-block-nodes", NULL, &nodes, err);

    for (size_t i = 0; r == 0 && i < nr_items; i++) {
        r = prove_state(nodes, &items[i], err);
        if (r == 0)
            r = prove_digest(daemon, &items[i], err);
    }
    json_decref(nodes);
    return r;
}

int bf_load_close(struct bf_storage_daemon *daemon, const char *name, struct bf_error *err)
{
    return bf_storage_daemon_call(daemon, "blockdev-del", json_pack("{s:s}", "node-name", name),
                                  NULL, err);
}
