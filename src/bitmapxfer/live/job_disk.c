#include "job_disk.h"

#include <string.h>

static const char *text_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));

    return text ? text : "";
}

static const json_t *node_of_id(const json_t *graph, const json_t *id)
{
    size_t i;
    json_t *node;

    json_array_foreach(json_object_get(graph, "nodes"), i, node)
    {
        if (json_equal(json_object_get(node, "id"), id))
            return node;
    }
    return NULL;
}

static const json_t *find_job(const json_t *graph, const char *id)
{
    size_t i;
    json_t *node;

    json_array_foreach(json_object_get(graph, "nodes"), i, node)
    {
        if (strcmp(text_of(node, "type"), "block-job") == 0 &&
            strcmp(text_of(node, "name"), id) == 0)
            return json_object_get(node, "id");
    }
    return NULL;
}

static struct bf_live_mirror *disk_of_node(struct bf_live_watch *watch, const json_t *node)
{
    for (uint32_t i = 0; i < watch->nr_disks; i++) {
        if (strcmp(text_of(node, "type"), "block-driver") == 0 &&
            strcmp(text_of(node, "name"), watch->mirrors[i].node) == 0)
            return &watch->mirrors[i];
    }
    return NULL;
}

static bool is_among(const json_t *ids, const json_t *id)
{
    size_t i;
    json_t *other;

    json_array_foreach(ids, i, other)
    {
        if (json_equal(other, id))
            return true;
    }
    return false;
}

static void append_children(json_t *ids, const json_t *graph, const json_t *parent, bool is_job)
{
    size_t i;
    json_t *edge;

    json_array_foreach(json_object_get(graph, "edges"), i, edge)
    {
        json_t *child = json_object_get(edge, "child");

        if (child && json_equal(json_object_get(edge, "parent"), parent) &&
            !(is_job && strcmp(text_of(edge, "name"), "target") == 0) && !is_among(ids, child))
            (void)json_array_append(ids, child);
    }
}

/* Breadth first: the list of ids grows while it is walked. */
struct bf_live_mirror *bf_live_job_disk(struct bf_live_watch *watch, const json_t *graph,
                                        const char *id)
{
    const json_t *job = find_job(graph, id);
    struct bf_live_mirror *found = NULL;
    json_t *ids = json_array();

    if (job)
        (void)json_array_append(ids, (json_t *)job);
    for (size_t i = 0; !found && i < json_array_size(ids); i++) {
        const json_t *current = json_array_get(ids, i);

        found = disk_of_node(watch, node_of_id(graph, current));
        append_children(ids, graph, current, i == 0);
    }
    json_decref(ids);
    return found;
}
