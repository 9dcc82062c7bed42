/* Any bytes as the definition of a checkpoint and as a domain's XML.  What is taken can be adapted,
 * and what was adapted is taken again, under the same name. */
#include "libvirt/checkpoint.h"
#include "libvirt/description.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static const char dest_domain[] =
    "<domain type='kvm'><name>moved</name><uuid>u</uuid><devices><emulator>/q</emulator>"
    "<disk type='block'><driver type='qcow2'/><source dev='/d'/><target dev='vda'/></disk>"
    "</devices></domain>";

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void expect(int is_true)
{
    if (!is_true)
        __builtin_trap();
}

static void adapt(const struct bf_virt_checkpoint *checkpoint)
{
    struct bf_virt_adaptation adaptation = {.parent = "older", .domain_xml = dest_domain};
    struct bf_virt_checkpoints again = {.nr_items = 0};
    struct bf_error err = BF_ERROR_INIT;
    char *xml = NULL;

    if (bf_virt_checkpoint_adapt(checkpoint, &adaptation, &xml, &err) < 0)
        return;
    if (bf_virt_checkpoints_add(&again, xml, &err) == 0) {
        expect(strcmp(again.items[0].name, checkpoint->name) == 0);
        expect(again.items[0].nr_disks == checkpoint->nr_disks);
        expect(strcmp(again.items[0].parent, "older") == 0);
    } else {
        expect(err.code == BF_E_LIMIT); /* it has grown */
    }
    bf_virt_checkpoints_release(&again);
    free(xml);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bf_virt_checkpoints checkpoints = {.nr_items = 0};
    struct bf_virt_description description;
    char *xml = malloc(size + 1);

    if (!xml)
        return 0;
    memcpy(xml, data, size);
    xml[size] = '\0';
    if (bf_virt_checkpoints_add(&checkpoints, xml, NULL) == 0)
        adapt(&checkpoints.items[0]);
    bf_virt_checkpoints_release(&checkpoints);
    if (bf_virt_description_parse(xml, &description, NULL) == 0)
        bf_virt_description_release(&description);
    free(xml);
    return 0;
}
