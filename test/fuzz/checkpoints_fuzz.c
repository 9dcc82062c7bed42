/* Any bytes as a description of checkpoints: what is accepted is in order, can be shown as JSON and
 * is accepted again, and every question about its coverage has an answer. */
#include "base/cleanup.h"
#include "catalog/checkpoints.h"
#include "model/coverage.h"

#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_coverage(const struct bf_checkpoints *checkpoints)
{
    struct bf_catalog catalog = {0};
    struct bf_catalog_bitmap bitmap = {
        .name = "c2", .granularity_bytes = 65536, .recording = true, .consistent = true};
    struct bf_catalog_disk *layer;
    struct bf_coverage_disk disk = {.name = "vda", .nr_layers = 1};

    if (bf_catalog_add_disk(&catalog, "top", 1 << 20, &layer, NULL) < 0 ||
        bf_catalog_add_bitmap(layer, &bitmap, NULL) < 0)
        __builtin_trap();
    disk.layers = catalog.disks;
    for (size_t i = 0; i < checkpoints->nr_items; i++) {
        struct bf_coverage coverage;

        if (bf_coverage_since(checkpoints, i, &disk, &coverage, NULL) < 0 ||
            (coverage.reason == BF_COVERAGE_NONE && coverage.nr_parts == 0))
            __builtin_trap();
        bf_coverage_release(&coverage);
    }
    bf_catalog_release(&catalog);
}

static void check_accepted(const struct bf_checkpoints *checkpoints)
{
    BF_CLEANUP(bf_checkpoints_release) struct bf_checkpoints again = {.nr_items = 0};
    json_t *json = bf_checkpoints_to_json(checkpoints);

    for (size_t i = 0; i < checkpoints->nr_items; i++) {
        size_t parent = checkpoints->items[i].parent_index;

        if (parent != BF_NO_CHECKPOINT && parent >= i)
            __builtin_trap();
    }
    if (!json || bf_checkpoints_from_json(json, &again, NULL) < 0 ||
        again.nr_items != checkpoints->nr_items)
        __builtin_trap();
    json_decref(json);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    BF_CLEANUP(bf_checkpoints_release) struct bf_checkpoints checkpoints = {.nr_items = 0};
    struct bf_error err = BF_ERROR_INIT;

    if (bf_checkpoints_parse((const char *)data, size, &checkpoints, &err) == 0) {
        check_accepted(&checkpoints);
        check_coverage(&checkpoints);
    } else if (err.code == BF_E_NONE || err.text[0] == '\0' || checkpoints.items) {
        __builtin_trap();
    }
    return 0;
}
