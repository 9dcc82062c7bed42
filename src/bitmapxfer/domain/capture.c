/* What libvirt knows at the source, while it still does. */
#include "connect.h"

#include "libvirt/domain_checkpoints.h"

#include <string.h>

static int add_one(const struct bf_virt_checkpoint *from, struct bf_checkpoints *checkpoints,
                   struct bf_error *err)
{
    struct bf_checkpoint *to;
    int r =
        bf_checkpoints_add(checkpoints, from->name, from->parent, from->created_unix_s, &to, err);

    for (size_t i = 0; r == 0 && i < from->nr_disks; i++)
        r = bf_checkpoint_add_disk(to, from->disks[i].target, from->disks[i].bitmap, err);
    return r;
}

static size_t sum_up(const struct bf_virt_checkpoints *found)
{
    size_t nr_bytes = 0;

    for (size_t i = 0; i < found->nr_items; i++)
        nr_bytes += strlen(found->items[i].xml);
    return nr_bytes;
}

/* As it is, or without its <domain>. */
static int dump(const struct bf_virt_checkpoint *checkpoint, bool whole, char **ret_xml,
                struct bf_error *err)
{
    struct bf_virt_adaptation bare = {.parent = checkpoint->parent};

    if (!whole)
        return bf_virt_checkpoint_adapt(checkpoint, &bare, ret_xml, err);
    *ret_xml = strdup(checkpoint->xml);
    return *ret_xml ? 0 : bf_error_set(err, BF_E_NO_MEMORY, "no memory for a checkpoint");
}

static void free_definitions(char **definitions, size_t nr)
{
    for (size_t i = 0; definitions && i < nr; i++)
        free(definitions[i]);
    free(definitions);
}

static int dump_all(const struct bf_virt_checkpoints *found,
                    const struct bf_checkpoints *checkpoints, char ***ret_definitions,
                    struct bf_error *err)
{
    char **definitions = calloc(checkpoints->nr_items + 1, sizeof *definitions);
    bool whole = sum_up(found) <= BF_DOMAIN_DEFINITIONS_MAX_BYTES;
    size_t nr_bytes = 0;
    int r = definitions ? 0 : bf_error_set(err, BF_E_NO_MEMORY, "no memory for checkpoints");

    for (size_t i = 0; r == 0 && i < checkpoints->nr_items; i++) {
        r = dump(bf_virt_checkpoints_find(found, checkpoints->items[i].name), whole,
                 &definitions[i], err);
        nr_bytes += r == 0 ? strlen(definitions[i]) : 0;
    }
    if (r == 0 && nr_bytes > BF_DOMAIN_DEFINITIONS_MAX_BYTES)
        r = bf_error_set(err, BF_E_LIMIT,
                         "the definitions of %zu checkpoints are too long for a move: delete old "
                         "ones ('virsh checkpoint-delete')",
                         checkpoints->nr_items);
    if (r < 0)
        free_definitions(definitions, checkpoints->nr_items);
    else
        *ret_definitions = definitions;
    return r;
}

int bf_domain_capture(const struct bf_domain_name *domain, struct bf_checkpoints *ret_checkpoints,
                      char ***ret_definitions, struct bf_error *err)
{
    BF_CLEANUP(bf_domain_link_close) struct bf_domain_link link = {.virt = NULL};
    BF_CLEANUP(bf_virt_checkpoints_release) struct bf_virt_checkpoints found = {.nr_items = 0};
    struct bf_checkpoints checkpoints = {.style = BF_CHAIN_NESTED};
    int r = bf_domain_link_open(domain, &link, err);

    if (r == 0)
        r = bf_virt_domain_checkpoints(link.domain, &found, err);
    for (size_t i = 0; r == 0 && i < found.nr_items; i++)
        r = add_one(&found.items[i], &checkpoints, err);
    if (r == 0)
        r = bf_checkpoints_settle(&checkpoints, err);
    if (r == 0)
        r = dump_all(&found, &checkpoints, ret_definitions, err);
    if (r < 0)
        bf_checkpoints_release(&checkpoints);
    else
        *ret_checkpoints = checkpoints;
    return r;
}
