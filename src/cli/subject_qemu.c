/* A running QEMU or qemu-storage-daemon. */
#include "subject_qemu.h"
#include "gather_facts.h"
#include "pairs.h"
#include "qmp/call.h"
#include "subject_build.h"

#include <stdio.h>
#include <string.h>

enum { DEADLINE_MS = 60000 }; /* libvirt itself waits 30 s for another job of the domain */

static const char *text_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));

    return text ? text : "";
}

/* An old QEMU, or a storage daemon, may not know the question: then there is no such thing. */
static json_t *ask(struct bf_qmp *qmp, const char *command)
{
    json_t *result = NULL;

    if (bf_qmp_has_command(qmp, command))
        (void)bf_qmp_call(qmp, command, NULL, DEADLINE_MS, &result, NULL);
    return result;
}

/* --- what holds a bitmap --- */

static int add_holder(struct bf_subject_disk *disk, const char *what, const char *id,
                      struct bf_error *err)
{
    char *holders = NULL;

    if (asprintf(&holders, "%s%s%s '%s'", disk->holders ? disk->holders : "",
                 disk->holders ? ", " : "", what, id) < 0)
        return bf_error_set(err, BF_E_NO_MEMORY, "out of memory");
    free(disk->holders);
    disk->holders = holders;
    return 0;
}

static bool has_node(const struct bf_subject_disk *disk, const char *node)
{
    for (size_t i = 0; i < disk->layers.nr_disks; i++) {
        if (strcmp(disk->images[i].node, node) == 0)
            return true;
    }
    return false;
}

static int find_holders(struct bf_qmp *qmp, struct bf_subject *subject, struct bf_error *err)
{
    BF_CLEANUP(json_decrefp) json_t *exports = ask(qmp, "query-block-exports");
    BF_CLEANUP(json_decrefp) json_t *jobs = ask(qmp, "query-block-jobs");
    int r = 0;

    for (size_t i = 0; i < subject->nr_disks; i++) {
        struct bf_subject_disk *disk = &subject->disks[i];
        const json_t *item;
        size_t j;

        json_array_foreach(exports, j, item)
        {
            if (r == 0 && has_node(disk, text_of(item, "node-name")))
                r = add_holder(disk, "export", text_of(item, "id"), err);
        }
        json_array_foreach(jobs, j, item)
        {
            if (r == 0)
                r = add_holder(disk, "job", text_of(item, "device"), err);
        }
    }
    return r;
}

/* --- the VM --- */

/* After a migration that failed with `dirty-bitmaps` on, QEMU shows its bitmaps as persistent and
 * stores them no more (measured on 7.2 and 10.0). */
static int find_failed_migration(struct bf_qmp *qmp, const json_t *facts,
                                 struct bf_subject *subject, struct bf_error *err)
{
    BF_CLEANUP(json_decrefp) json_t *migration = ask(qmp, "query-migrate");
    const char *status = text_of(migration, "status");

    if (!json_is_true(json_object_get(facts, "dirty-bitmaps")) ||
        (strcmp(status, "failed") != 0 && strcmp(status, "cancelled") != 0))
        return 0;
    return bf_subject_set(&subject->migration, status, err);
}

static int find_name(struct bf_qmp *qmp, struct bf_subject *subject, struct bf_error *err)
{
    BF_CLEANUP(json_decrefp) json_t *name = ask(qmp, "query-name");

    if (subject->title || !text_of(name, "name")[0])
        return 0;
    return bf_subject_set(&subject->title, text_of(name, "name"), err);
}

/* What the facts do not have. */
static int ask_more(const char *socket, const json_t *facts, struct bf_subject *subject,
                    struct bf_error *err)
{
    struct bf_qmp *qmp = NULL;
    uv_loop_t loop;
    int r;

    if (uv_loop_init(&loop) < 0)
        return bf_error_set(err, BF_E_NO_MEMORY, "out of memory");
    r = bf_qmp_open_path(&loop, socket, DEADLINE_MS, NULL, &qmp, err);
    if (r == 0)
        r = bf_qmp_wait_ready(qmp, err);
    if (r == 0)
        r = find_name(qmp, subject, err);
    if (r == 0)
        r = find_holders(qmp, subject, err);
    if (r == 0)
        r = find_failed_migration(qmp, facts, subject, err);
    if (qmp)
        bf_qmp_close_wait(qmp);
    (void)uv_run(&loop, UV_RUN_DEFAULT);
    (void)uv_loop_close(&loop);
    return r;
}

int bf_subject_socket(const char *socket, const json_t *disks, struct bf_subject *subject,
                      struct bf_error *err)
{
    BF_CLEANUP(json_decrefp) json_t *facts = NULL;
    int r = bf_gather_facts(socket, disks, &facts, err);

    subject->kind = BF_SUBJECT_OF_QEMU;
    if (r == 0)
        r = bf_subject_read_disks(facts, subject, err);
    return r < 0 ? r : ask_more(socket, facts, subject, err);
}

int bf_subject_qemu(const struct bf_subject_request *request, struct bf_subject *subject,
                    struct bf_error *err)
{
    BF_CLEANUP(json_decrefp) json_t *disks = NULL;
    int r = bf_pairs_to_json(request->args, request->disk_option, "name", "node", &disks, err);

    if (r == 0)
        r = bf_subject_socket(request->qmp, disks, subject, err);
    if (r == 0 && !subject->title)
        r = bf_subject_set(&subject->title, request->qmp, err);
    return r;
}
