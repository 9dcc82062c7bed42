#include "plan_modes.h"

#include "base/cleanup.h"
#include "base/name.h"
#include "modes/plan.h"

#include <stdlib.h>
#include <string.h>

static int read_mode(const json_t *object, struct bf_plan *plan, struct bf_error *err)
{
    const char *disk = json_string_value(json_object_get(object, "disk"));
    const char *name = json_string_value(json_object_get(object, "mode"));
    struct bf_plan_mode *mode = &plan->modes[plan->nr_modes];

    if (!disk || !name || json_object_size(object) != 2 || disk[0] == '\0' ||
        strlen(disk) > BF_DISK_NAME_MAX)
        return bf_error_set(err, BF_E_INVALID, "a mode is an object with 'disk' and 'mode'");
    if (!bf_mode_find(name, &mode->mode))
        return bf_error_set(err, BF_E_INVALID,
                            "a disk's mode is auto, shared, stream or nbd, not '%.32s'", name);
    for (size_t i = 0; i < plan->nr_modes; i++) {
        if (strcmp(plan->modes[i].disk, disk) == 0)
            return bf_error_set(err, BF_E_INVALID, "the disk '%s' is given two modes", disk);
    }
    mode->disk = strdup(disk);
    if (!mode->disk)
        return bf_error_set(err, BF_E_NO_MEMORY, "no memory");
    plan->nr_modes++;
    return 0;
}

int bf_plan_read_modes(const json_t *object, struct bf_plan *plan, struct bf_error *err)
{
    const json_t *modes = json_object_get(object, "modes");
    size_t nr_modes = json_array_size(modes);
    int r = 0;

    if (!modes)
        return 0;
    if (!json_is_array(modes) || nr_modes > BF_PLAN_DISKS_MAX)
        return bf_error_set(err, BF_E_INVALID, "'modes' must be an array of at most %d",
                            BF_PLAN_DISKS_MAX);
    plan->modes = calloc(nr_modes + 1, sizeof *plan->modes);
    if (!plan->modes)
        return bf_error_set(err, BF_E_NO_MEMORY, "no memory");
    for (size_t i = 0; i < nr_modes && r == 0; i++)
        r = read_mode(json_array_get(modes, i), plan, err);
    return r;
}

json_t *bf_plan_modes_to_json(const struct bf_plan *plan)
{
    BF_CLEANUP(json_decrefp) json_t *modes = json_array();

    for (size_t i = 0; modes && i < plan->nr_modes; i++) {
        if (json_array_append_new(modes, json_pack("{s:s, s:s}", "disk", plan->modes[i].disk,
                                                   "mode", bf_mode_name(plan->modes[i].mode))) < 0)
            return NULL;
    }
    return bf_steal_ptr(&modes);
}

enum bf_mode bf_plan_mode(const struct bf_plan *plan, const char *disk)
{
    for (size_t i = 0; i < plan->nr_modes; i++) {
        if (strcmp(plan->modes[i].disk, disk) == 0)
            return plan->modes[i].mode;
    }
    return BF_MODE_AUTO;
}
