#include "migrate_late.h"

#include "base/text.h"
#include "migrate_monitor.h"

#include <string.h>

static const json_t *find(const json_t *list, const char *key, const char *name)
{
    size_t i;
    json_t *item;

    json_array_foreach(list, i, item)
    {
        const char *found = json_string_value(json_object_get(item, key));

        if (found && strcmp(found, name) == 0)
            return item;
    }
    return NULL;
}

static void note(struct bf_look_layer *layer, const json_t *nodes)
{
    const json_t *node = find(nodes, "node-name", layer->node);
    const json_t *bitmaps = json_object_get(node, "dirty-bitmaps");

    for (size_t i = 0; i < layer->nr_bitmaps; i++) {
        struct bf_look_bitmap *bitmap = &layer->bitmaps[i];
        json_int_t now =
            json_integer_value(json_object_get(find(bitmaps, "name", bitmap->name), "count"));

        if (now <= 0 || (uint64_t)now <= bitmap->dirty_bytes)
            continue;
        bitmap->dirty_bytes = (uint64_t)now;
        bitmap->digested = false;
    }
}

static bool ask(struct bf_late *late, struct bf_virt_domain *domain, json_t **ret_nodes)
{
    struct bf_error ignored = BF_ERROR_INIT;

    if (!late->monitor && bf_monitor_open(domain, &late->monitor, &ignored) < 0)
        return false;
    return bf_monitor_call(late->monitor, "query-named-block-nodes", json_pack("{s:b}", "flat", 1),
                           ret_nodes, &ignored) == 0;
}

void bf_late_look(struct bf_late *late, struct bf_virt_domain *domain, struct bf_look *before)
{
    BF_CLEANUP(json_decrefp) json_t *nodes = NULL;

    if (late->over)
        return;
    if (!ask(late, domain, &nodes)) {
        bf_late_end(late);
        return;
    }
    for (size_t i = 0; i < before->nr_disks; i++) {
        if (before->disks[i].seen)
            note(&before->disks[i].layers[0], nodes);
    }
}

void bf_late_end(struct bf_late *late)
{
    if (late->monitor)
        bf_monitor_close(late->monitor);
    late->monitor = NULL;
    late->over = true;
}
