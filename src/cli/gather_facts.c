#include "gather_facts.h"

#include "base/cleanup.h"
#include "facts/facts.h"

#include <stdlib.h>
#include <string.h>

enum {
    DEADLINE_MS = 30000,
    DISKS_MAX = 256,
};

/** One connection, from its opening to its end. */
struct gathering {
    uv_loop_t loop;
    struct bf_live *live;
    const json_t *wanted;
    json_t *document;
    struct bf_error *err;
    bool failed;
};

static void end(struct gathering *gathering, const struct bf_error *err)
{
    if (err) {
        gathering->failed = true;
        (void)bf_error_set(gathering->err, err->code, "%s", err->text);
    }
    uv_stop(&gathering->loop);
}

static void on_facts(void *ctx, json_t *document, const struct bf_error *err)
{
    struct gathering *gathering = ctx;

    gathering->document = document;
    end(gathering, err);
}

static void check_nodes(const struct bf_live_survey *survey, struct bf_error *err)
{
    for (uint32_t i = 0; i < survey->nr_disks; i++) {
        if (survey->disks[i].node[0] == '\0')
            (void)bf_error_set(err, BF_E_NOT_FOUND, "QEMU has no node for the disk %s",
                               survey->disks[i].name);
    }
    if (survey->nr_disks == 0)
        (void)bf_error_set(err, BF_E_NOT_FOUND,
                           "QEMU has no writable disk of a machine: name its nodes");
}

static void on_surveyed(void *ctx, struct bf_live_survey *survey, const struct bf_error *err)
{
    struct gathering *gathering = ctx;
    BF_CLEANUP(bf_freep) struct bf_live_disk_wish *disks = NULL;
    struct bf_error why = BF_ERROR_INIT;

    if (err) {
        end(gathering, err);
        return;
    }
    check_nodes(survey, &why);
    disks = calloc(survey->nr_disks + 1U, sizeof *disks);
    for (uint32_t i = 0; disks && i < survey->nr_disks; i++)
        disks[i] = (struct bf_live_disk_wish){survey->disks[i].name, survey->disks[i].node};
    if (!disks)
        (void)bf_error_set(&why, BF_E_NO_MEMORY, "out of memory");
    if (why.code != BF_E_NONE || bf_facts_ask(gathering->live, disks, survey->nr_disks, DEADLINE_MS,
                                              on_facts, gathering, &why) < 0)
        end(gathering, &why);
}

static int survey(struct gathering *gathering, struct bf_error *err)
{
    struct bf_live_disk_wish disks[DISKS_MAX];
    size_t nr_disks = json_array_size(gathering->wanted);

    if (nr_disks > DISKS_MAX)
        return bf_error_set(err, BF_E_LIMIT, "a machine has at most %d disks", DISKS_MAX);
    for (size_t i = 0; i < nr_disks; i++) {
        const json_t *disk = json_array_get(gathering->wanted, i);

        disks[i] = (struct bf_live_disk_wish){json_string_value(json_object_get(disk, "name")),
                                              json_string_value(json_object_get(disk, "node"))};
    }
    return bf_live_survey(gathering->live, disks, (uint32_t)nr_disks, DEADLINE_MS, on_surveyed,
                          gathering, err);
}

static void on_ready(void *ctx, const struct bf_live_identity *identity, const struct bf_error *err)
{
    struct gathering *gathering = ctx;
    struct bf_error why = BF_ERROR_INIT;

    (void)identity;
    if (err)
        end(gathering, err);
    else if (survey(gathering, &why) < 0)
        end(gathering, &why);
}

static void on_closed(void *ctx, const struct bf_error *err)
{
    end(ctx, err);
}

int bf_gather_facts(const char *qmp_path, const json_t *disks, json_t **ret_document,
                    struct bf_error *err)
{
    struct gathering gathering = {.wanted = disks, .err = err};
    struct bf_live_target target = {.socket_path = qmp_path,
                                    .tag = "00000000000000000000000000000000"};
    struct bf_live_handlers handlers = {.ready = on_ready, .closed = on_closed, .ctx = &gathering};
    int r;

    (void)uv_loop_init(&gathering.loop);
    r = bf_live_open(&gathering.loop, &target, DEADLINE_MS, &handlers, &gathering.live, err);
    if (r == 0) {
        (void)uv_run(&gathering.loop, UV_RUN_DEFAULT);
        bf_live_close(gathering.live);
    }
    (void)uv_run(&gathering.loop, UV_RUN_DEFAULT);
    (void)uv_loop_close(&gathering.loop);
    if (r == 0 && gathering.failed) {
        json_decref(gathering.document);
        return -1;
    }
    *ret_document = gathering.document;
    return r;
}

int bf_read_facts(const char *path, json_t **ret_document, struct bf_error *err)
{
    bool from_stdin = strcmp(path, "-") == 0;
    json_error_t why;
    json_t *document = from_stdin ? json_loadf(stdin, JSON_REJECT_DUPLICATES, &why)
                                  : json_load_file(path, JSON_REJECT_DUPLICATES, &why);

    if (!document)
        return bf_error_set(err, BF_E_INVALID, "%.200s: %s", path, why.text);
    *ret_document = document;
    return 0;
}
