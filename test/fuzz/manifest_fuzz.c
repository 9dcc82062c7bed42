/* Any bytes as a manifest: what is accepted can be packed, accepted again, and shown as JSON. */
#include "catalog/manifest.h"

#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_accepted(const struct bf_manifest *manifest)
{
    BF_CLEANUP(bf_manifest_release) struct bf_manifest again = {0};
    BF_CLEANUP(bf_freep) uint8_t *bytes = NULL;
    size_t nr_bytes = 0;
    json_t *json = bf_manifest_to_json(manifest, NULL);

    if (!json || bf_manifest_pack(manifest, &bytes, &nr_bytes, NULL) < 0 ||
        bf_manifest_unpack(bytes, nr_bytes, &again, NULL) < 0)
        __builtin_trap();
    if (again.catalog.nr_disks != manifest->catalog.nr_disks ||
        again.nr_files != manifest->nr_files)
        __builtin_trap();
    json_decref(json);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    BF_CLEANUP(bf_manifest_release) struct bf_manifest manifest = {0};
    struct bf_error err = BF_ERROR_INIT;

    if (bf_manifest_unpack(data, size, &manifest, &err) == 0)
        check_accepted(&manifest);
    else if (err.code == BF_E_NONE || err.text[0] == '\0' || manifest.catalog.disks)
        __builtin_trap();
    return 0;
}
