#include "live/survey.h"

#include "op.h"
#include "survey_read.h"

#include <string.h>

struct survey_op {
    struct bf_live_op op;
    struct bf_live_disk_wish *wishes; /* their texts are owned */
    uint32_t nr_wishes;
    json_t *devices;
    bf_live_survey_fn done;
    void *ctx;
};

static void release(struct bf_live_op *op)
{
    struct survey_op *survey_op = (struct survey_op *)op;

    for (uint32_t i = 0; i < survey_op->nr_wishes; i++) {
        free((char *)survey_op->wishes[i].name);
        free((char *)survey_op->wishes[i].node);
    }
    free(survey_op->wishes);
    json_decref(survey_op->devices);
    free(survey_op);
}

static void finish(struct survey_op *survey_op, struct bf_live_survey *survey,
                   const struct bf_error *err)
{
    bf_live_survey_fn done = survey_op->done;
    void *ctx = survey_op->ctx;

    release(&survey_op->op);
    done(ctx, err ? NULL : survey, err);
    bf_live_survey_release(survey);
}

static void on_nodes(struct bf_live_op *op, const json_t *nodes, const struct bf_error *reply_err)
{
    struct survey_op *survey_op = (struct survey_op *)op;
    struct bf_live_survey survey = {.nr_disks = 0};
    struct bf_error err = BF_ERROR_INIT;
    int r = 0;

    if (!reply_err)
        r = bf_live_survey_read(&survey, survey_op->devices, nodes, survey_op->wishes,
                                survey_op->nr_wishes, &err);
    finish(survey_op, &survey, reply_err ? reply_err : r < 0 ? &err : NULL);
}

static void on_devices(struct bf_live_op *op, const json_t *devices, const struct bf_error *err)
{
    struct survey_op *survey_op = (struct survey_op *)op;
    struct bf_live_survey none = {.nr_disks = 0};

    if (err) {
        finish(survey_op, &none, err);
        return;
    }
    survey_op->devices = json_incref((json_t *)devices);
    bf_live_op_call(op, "query-named-block-nodes", json_pack("{s:b}", "flat", 1), on_nodes);
}

static bool copy_wishes(struct survey_op *survey_op, const struct bf_live_disk_wish *wishes,
                        uint32_t nr_wishes)
{
    survey_op->wishes = calloc((size_t)nr_wishes + 1, sizeof *survey_op->wishes);
    if (!survey_op->wishes)
        return false;
    for (uint32_t i = 0; i < nr_wishes; i++) {
        struct bf_live_disk_wish *copy = &survey_op->wishes[survey_op->nr_wishes++];

        copy->name = strdup(wishes[i].name);
        copy->node = strdup(wishes[i].node);
        if (!copy->name || !copy->node)
            return false;
    }
    return true;
}

int bf_live_survey(struct bf_live *live, const struct bf_live_disk_wish *disks, uint32_t nr_disks,
                   uint64_t deadline_ms, bf_live_survey_fn done, void *ctx, struct bf_error *err)
{
    struct survey_op *survey_op = calloc(1, sizeof *survey_op);

    if (!survey_op)
        return bf_error_set(err, BF_E_NO_MEMORY, "no memory to look at QEMU's disks");
    bf_live_op_init(&survey_op->op, live, deadline_ms, release);
    survey_op->done = done;
    survey_op->ctx = ctx;
    if (!copy_wishes(survey_op, disks, nr_disks)) {
        release(&survey_op->op);
        return bf_error_set(err, BF_E_NO_MEMORY, "no memory to look at QEMU's disks");
    }
    return bf_live_op_start(&survey_op->op, "query-block", NULL, on_devices, err);
}

static void release_disk(struct bf_live_disk *disk)
{
    for (uint32_t i = 0; i < disk->nr_bitmaps; i++)
        free(disk->bitmaps[i].name);
    free(disk->bitmaps);
    free(disk->name);
    free(disk->node);
    free(disk->format);
    free(disk->file);
}

void bf_live_survey_release(struct bf_live_survey *survey)
{
    for (uint32_t i = 0; i < survey->nr_disks; i++)
        release_disk(&survey->disks[i]);
    free(survey->disks);
    *survey = (struct bf_live_survey){.nr_disks = 0};
}

const struct bf_live_disk *bf_live_survey_disk(const struct bf_live_survey *survey,
                                               const char *name)
{
    for (uint32_t i = 0; i < survey->nr_disks; i++) {
        if (strcmp(survey->disks[i].name, name) == 0)
            return &survey->disks[i];
    }
    return NULL;
}

const struct bf_live_bitmap *bf_live_disk_bitmap(const struct bf_live_disk *disk, const char *name)
{
    for (uint32_t i = 0; i < disk->nr_bitmaps; i++) {
        if (strcmp(disk->bitmaps[i].name, name) == 0)
            return &disk->bitmaps[i];
    }
    return NULL;
}

enum bf_live_change bf_live_bitmap_change(const struct bf_live_bitmap *before,
                                          const struct bf_live_bitmap *now)
{
    if (!now || now->granularity_bytes != before->granularity_bytes)
        return BF_LIVE_VANISHED;
    if (now->inconsistent && !before->inconsistent)
        return BF_LIVE_INCONSISTENT;
    if (now->recording != before->recording)
        return now->recording ? BF_LIVE_SWITCHED_ON : BF_LIVE_SWITCHED_OFF;
    if (now->dirty_bytes < before->dirty_bytes)
        return BF_LIVE_CLEARED;
    if (now->dirty_bytes > before->dirty_bytes && !now->recording)
        return BF_LIVE_CHANGED;
    return BF_LIVE_SAME;
}
