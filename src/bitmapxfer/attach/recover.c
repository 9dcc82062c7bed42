#include "attach/recover.h"

#include "attach/child.h"
#include "publish.h"
#include "storage_daemon.h"
#include "target_image.h"

#include <stdio.h>

/* `qemu-img check` takes the staged image as a json: file name, and a key as an object. */
static int check_leaks(const struct bf_stage *stage, const char *key_file, const char *json,
                       struct bf_error *err)
{
    BF_CLEANUP(bf_freep) char *name = NULL;
    BF_CLEANUP(bf_freep) char *secret = NULL;
    const char *argv[] = {"qemu-img", "check", "-q", "-r", "leaks", NULL, NULL, NULL, NULL};
    size_t nr = 5;

    if (asprintf(&name, "json:%s", json) < 0)
        return bf_error_set(err, BF_E_NO_MEMORY, "no memory");
    if (key_file) {
        secret = bf_secret_object(key_file);
        if (!secret)
            return bf_error_set(err, BF_E_NO_MEMORY, "no memory");
        argv[nr++] = "--object";
        argv[nr++] = secret;
    }
    argv[nr] = name;
    return bf_child_run(argv, stage->log_path, stage->deadline_ms, err);
}

static int free_leaks(struct bf_work_folder *folder, const struct bf_target_image *image,
                      const char *key_file, uint64_t deadline_ms, struct bf_error *err)
{
    BF_CLEANUP(bf_stage_closep) struct bf_stage *stage = NULL;
    BF_CLEANUP(bf_freep) char *json = NULL;
    json_t *target;
    int r = bf_stage_open(folder, image->growth_bytes, deadline_ms, &stage, err);

    if (r < 0)
        return r;
    target = bf_stage_target(stage, image->encryption, image->external_data_bytes, false);
    json = target ? json_dumps(target, JSON_COMPACT) : NULL;
    json_decref(target);
    if (!json)
        return bf_error_set(err, BF_E_NO_MEMORY, "no memory");
    r = check_leaks(stage, key_file, json, err);
    return r < 0 ? r : bf_publish(stage, err);
}

int bf_recover(struct bf_work_folder *folder, const char *key_file, uint64_t deadline_ms,
               struct bf_error *err)
{
    struct bf_target_image image;
    int r;

    if (!folder->interrupted)
        return 0;
    r = bf_target_image_look(folder->image_path, key_file, 0, &image, err);
    if (r == 0)
        r = free_leaks(folder, &image, key_file, deadline_ms, err);
    if (r < 0)
        return bf_error_prefix(err, "a former run on %s was killed, and tidying up after it failed",
                               folder->image_path);
    return bf_work_folder_unmark(folder, err);
}
