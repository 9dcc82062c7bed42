#include "migrate_repair.h"

#include "base/name.h"
#include "migrate_monitor.h"

#include <stdio.h>
#include <string.h>

static const char temporary_prefix[] = "bitferry-repair-";

enum { TEMPORARY_MAX = sizeof temporary_prefix + BF_BITMAP_NAME_MAX };

/* Actions of a transaction */

static void add(json_t *actions, const char *node, const char *name, uint64_t granularity_bytes,
                bool persistent)
{
    (void)json_array_append_new(
        actions, json_pack("{s:s, s:{s:s, s:s, s:I, s:b}}", "type", "block-dirty-bitmap-add",
                           "data", "node", node, "name", name, "granularity",
                           (json_int_t)granularity_bytes, "persistent", persistent));
}

static void merge(json_t *actions, const char *node, const char *target, const char *source)
{
    (void)json_array_append_new(actions, json_pack("{s:s, s:{s:s, s:s, s:[s]}}", "type",
                                                   "block-dirty-bitmap-merge", "data", "node", node,
                                                   "target", target, "bitmaps", source));
}

static void drop(json_t *actions, const char *node, const char *name)
{
    (void)json_array_append_new(actions, json_pack("{s:s, s:{s:s, s:s}}", "type",
                                                   "block-dirty-bitmap-remove", "data", "node",
                                                   node, "name", name));
}

static int commit(struct bf_monitor *monitor, json_t *actions, struct bf_error *err)
{
    if (json_array_size(actions) == 0) {
        json_decref(actions);
        return 0;
    }
    return bf_monitor_call(monitor, "transaction", json_pack("{s:o}", "actions", actions), NULL,
                           err);
}

/* Which bitmaps, and what becomes of each */

typedef void (*step_fn)(json_t *actions, const char *node, const struct bf_look_bitmap *bitmap);

static bool is_temporary(const char *name)
{
    return strncmp(name, temporary_prefix, sizeof temporary_prefix - 1) == 0;
}

static bool may_be_mute(const struct bf_look_bitmap *bitmap)
{
    return bitmap->persistent && bitmap->recording && bitmap->consistent && !bitmap->busy &&
           !is_temporary(bitmap->name) &&
           strlen(bitmap->name) + sizeof temporary_prefix - 1 <= BF_BITMAP_NAME_MAX;
}

static void save(json_t *actions, const char *node, const struct bf_look_bitmap *bitmap)
{
    char temporary[TEMPORARY_MAX];

    (void)snprintf(temporary, sizeof temporary, "%s%s", temporary_prefix, bitmap->name);
    add(actions, node, temporary, bitmap->granularity_bytes, false);
    merge(actions, node, temporary, bitmap->name);
}

static void take_away(json_t *actions, const char *node, const struct bf_look_bitmap *bitmap)
{
    drop(actions, node, bitmap->name);
}

static void put_back(json_t *actions, const char *node, const struct bf_look_bitmap *bitmap)
{
    char temporary[TEMPORARY_MAX];

    (void)snprintf(temporary, sizeof temporary, "%s%s", temporary_prefix, bitmap->name);
    add(actions, node, bitmap->name, bitmap->granularity_bytes, true);
    merge(actions, node, bitmap->name, temporary);
    drop(actions, node, temporary);
}

static size_t each(const struct bf_look *look, step_fn step, json_t *actions)
{
    size_t nr = 0;

    for (size_t i = 0; i < look->nr_disks; i++) {
        const struct bf_look_layer *top = &look->disks[i].layers[0];

        for (size_t j = 0; look->disks[i].seen && j < top->nr_bitmaps; j++) {
            if (!may_be_mute(&top->bitmaps[j]))
                continue;
            step(actions, top->node, &top->bitmaps[j]);
            nr++;
        }
    }
    return nr;
}

int bf_repair(struct bf_virt_domain *domain, size_t *ret_nr, struct bf_error *err)
{
    static const step_fn steps[] = {save, take_away, put_back};
    BF_CLEANUP(bf_monitor_closep) struct bf_monitor *monitor = NULL;
    BF_CLEANUP(bf_look_release) struct bf_look look = {.nr_disks = 0};
    int r = bf_look_running(domain, &look, err);

    *ret_nr = 0;
    if (r == 0)
        r = bf_monitor_open(domain, &monitor, err);
    for (size_t i = 0; r == 0 && i < sizeof steps / sizeof steps[0]; i++) {
        json_t *actions = json_array();

        *ret_nr = each(&look, steps[i], actions);
        r = commit(monitor, actions, err);
    }
    return r;
}

int bf_repair_drop_inconsistent(struct bf_virt_domain *domain, const struct bf_look *look,
                                struct bf_error *err)
{
    BF_CLEANUP(bf_monitor_closep) struct bf_monitor *monitor = NULL;
    json_t *actions = json_array();
    int r;

    for (size_t i = 0; i < look->nr_disks; i++) {
        const struct bf_look_layer *top = &look->disks[i].layers[0];

        for (size_t j = 0; j < top->nr_bitmaps; j++) {
            if (!top->bitmaps[j].consistent)
                drop(actions, top->node, top->bitmaps[j].name);
        }
    }
    r = bf_monitor_open(domain, &monitor, err);
    if (r < 0) {
        json_decref(actions);
        return r;
    }
    return commit(monitor, actions, err);
}
