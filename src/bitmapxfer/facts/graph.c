/* Reading x-debug-query-block-graph: nodes with ids, edges with names. */
#include "private.h"

#include <string.h>

enum { DEPTH_MAX = 64 };

const char *bf_facts_text(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));

    return text ? text : "";
}

const json_t *bf_list_find(const json_t *list, const char *key, const char *value)
{
    const json_t *item;
    size_t i;

    json_array_foreach(list, i, item)
    {
        if (strcmp(bf_facts_text(item, key), value) == 0)
            return item;
    }
    return NULL;
}

static const json_t *find(const json_t *graph, const char *type, const char *name)
{
    const json_t *item;
    size_t i;

    json_array_foreach(json_object_get(graph, "nodes"), i, item)
    {
        if (strcmp(bf_facts_text(item, "type"), type) == 0 &&
            strcmp(bf_facts_text(item, "name"), name) == 0)
            return json_object_get(item, "id");
    }
    return NULL;
}

static const char *name_of(const json_t *graph, const json_t *id)
{
    const json_t *item;
    size_t i;

    json_array_foreach(json_object_get(graph, "nodes"), i, item)
    {
        if (id && json_equal(json_object_get(item, "id"), id))
            return bf_facts_text(item, "name");
    }
    return NULL;
}

/* The child of @parent by an edge of this name; NULL: none. */
static const json_t *child(const json_t *graph, const json_t *parent, const char *name)
{
    const json_t *edge;
    size_t i;

    json_array_foreach(json_object_get(graph, "edges"), i, edge)
    {
        if (parent && json_equal(json_object_get(edge, "parent"), parent) &&
            strcmp(bf_facts_text(edge, "name"), name) == 0)
            return json_object_get(edge, "child");
    }
    return NULL;
}

const char *bf_graph_below(const json_t *graph, const char *node, bool filter)
{
    const json_t *from = find(graph, "block-driver", node);
    const json_t *below = child(graph, from, "backing");

    return name_of(graph, below || !filter ? below : child(graph, from, "file"));
}

static bool reaches(const json_t *graph, const json_t *from, const json_t *to, unsigned depth)
{
    const json_t *edge;
    size_t i;

    if (json_equal(from, to))
        return true;
    json_array_foreach(json_object_get(graph, "edges"), i, edge)
    {
        if (depth > 0 && json_equal(json_object_get(edge, "parent"), from) &&
            strcmp(bf_facts_text(edge, "name"), "target") != 0 &&
            reaches(graph, json_object_get(edge, "child"), to, depth - 1))
            return true;
    }
    return false;
}

bool bf_graph_reaches(const json_t *graph, const char *upper, const char *lower)
{
    const json_t *from = find(graph, "block-driver", upper);
    const json_t *to = find(graph, "block-driver", lower);

    return strcmp(upper, lower) == 0 || (from && to && reaches(graph, from, to, DEPTH_MAX));
}

/* A job stands on the disk's node, by way of a filter, and has a target. */
const char *bf_graph_mirror_target(const json_t *graph, const json_t *jobs, const char *node)
{
    const json_t *disk = find(graph, "block-driver", node);
    const json_t *job;
    size_t i;

    json_array_foreach(jobs, i, job)
    {
        const json_t *id = find(graph, "block-job", bf_facts_text(job, "device"));

        if (disk && id && strcmp(bf_facts_text(job, "type"), "mirror") == 0 &&
            reaches(graph, id, disk, DEPTH_MAX))
            return name_of(graph, child(graph, id, "target"));
    }
    return NULL;
}
