/* A running QEMU or qemu-storage-daemon. */
#include "subject_qemu.h"
#include "facts/facts.h"
#include "live/session.h"
#include "live/survey.h"
#include "output.h"
#include "qmp/call.h"
#include "subject_build.h"

#include <stdio.h>
#include <string.h>

enum { DEADLINE_MS = 60000 }; /* libvirt itself waits 30 s for another job of the domain */

/* One conversation: what was asked last is answered, or @err says why not. */
struct talk {
    uv_loop_t loop;
    struct bf_live *live;
    bool answered;
    struct bf_error err;
    struct bf_live_survey survey;
    json_t *facts;
};

static int wait_for_answer(struct talk *talk, struct bf_error *err)
{
    while (!talk->answered && uv_run(&talk->loop, UV_RUN_ONCE) != 0)
        continue;
    if (talk->answered && talk->err.code == BF_E_NONE)
        return 0;
    return bf_error_set(err, talk->err.code == BF_E_NONE ? BF_E_PEER : talk->err.code, "%s",
                        talk->err.code == BF_E_NONE ? "QEMU does not answer" : talk->err.text);
}

static void take(struct talk *talk, const struct bf_error *err)
{
    talk->answered = true;
    if (err)
        talk->err = *err;
}

static void on_ready(void *ctx, const struct bf_live_identity *identity, const struct bf_error *err)
{
    (void)identity;
    take(ctx, err);
}

static void on_closed(void *ctx, const struct bf_error *err)
{
    take(ctx, err);
}

static void on_survey(void *ctx, struct bf_live_survey *survey, const struct bf_error *err)
{
    struct talk *talk = ctx;

    if (survey) {
        talk->survey = *survey;
        *survey = (struct bf_live_survey){.nr_disks = 0};
    }
    take(talk, err);
}

static void on_facts(void *ctx, json_t *document, const struct bf_error *err)
{
    struct talk *talk = ctx;

    talk->facts = document;
    take(talk, err);
}

/* --- what is asked --- */

static int begin(struct talk *talk, const char *socket, struct bf_error *err)
{
    /* No node is made here that would bear the tag. */
    struct bf_live_target target = {.socket_path = socket,
                                    .tag = "00000000000000000000000000000000"};
    struct bf_live_handlers handlers = {.ready = on_ready, .closed = on_closed, .ctx = talk};

    if (bf_live_open(&talk->loop, &target, DEADLINE_MS, &handlers, &talk->live, err) < 0 ||
        wait_for_answer(talk, err) < 0)
        return bf_error_prefix(err, "%.200s", socket);
    return 0;
}

static int ask_survey(struct talk *talk, struct bf_error *err)
{
    talk->answered = false;
    if (bf_live_survey(talk->live, NULL, 0, DEADLINE_MS, on_survey, talk, err) < 0)
        return -1;
    return wait_for_answer(talk, err);
}

static int ask_facts(struct talk *talk, const struct bf_live_disk_wish *wishes, uint32_t nr_wishes,
                     struct bf_error *err)
{
    talk->answered = false;
    if (bf_facts_ask(talk->live, wishes, nr_wishes, DEADLINE_MS, on_facts, talk, err) < 0)
        return -1;
    return wait_for_answer(talk, err);
}

/* The disks of the guest, under the names of their devices. */
static int ask_all(struct talk *talk, struct bf_error *err)
{
    BF_CLEANUP(bf_freep) struct bf_live_disk_wish *wishes = NULL;

    if (ask_survey(talk, err) < 0)
        return -1;
    if (talk->survey.nr_disks == 0)
        return bf_error_set(err, BF_E_USAGE,
                            "this QEMU has no disk that a guest can write to (a "
                            "qemu-storage-daemon has no guest): name its disks with --disk "
                            "NAME=NODE");
    wishes = calloc(talk->survey.nr_disks, sizeof *wishes);
    if (!wishes)
        return bf_error_set(err, BF_E_NO_MEMORY, "out of memory");
    for (uint32_t i = 0; i < talk->survey.nr_disks; i++)
        wishes[i] = (struct bf_live_disk_wish){.name = talk->survey.disks[i].name,
                                               .node = talk->survey.disks[i].node};
    return ask_facts(talk, wishes, talk->survey.nr_disks, err);
}

/* --- what holds a bitmap, and what may have spoiled it --- */

static const char *text_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));

    return text ? text : "";
}

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

/* An old QEMU, or a storage daemon, may not know the question: then there is no such thing. */
static json_t *ask(struct talk *talk, const char *command)
{
    struct bf_qmp *qmp = bf_live_qmp(talk->live);
    json_t *result = NULL;

    if (bf_qmp_has_command(qmp, command))
        (void)bf_qmp_call(qmp, command, NULL, DEADLINE_MS, &result, NULL);
    return result;
}

static int find_holders(struct talk *talk, struct bf_subject *subject, struct bf_error *err)
{
    BF_CLEANUP(json_decrefp) json_t *exports = ask(talk, "query-block-exports");
    BF_CLEANUP(json_decrefp) json_t *jobs = ask(talk, "query-block-jobs");
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

/* After a migration that failed with `dirty-bitmaps` on, QEMU shows its bitmaps as persistent and
 * stores them no more (measured on 7.2 and 10.0). */
static int find_failed_migration(struct talk *talk, struct bf_subject *subject,
                                 struct bf_error *err)
{
    BF_CLEANUP(json_decrefp) json_t *migration = ask(talk, "query-migrate");
    const char *status = text_of(migration, "status");

    if (!json_is_true(json_object_get(talk->facts, "dirty-bitmaps")) ||
        (strcmp(status, "failed") != 0 && strcmp(status, "cancelled") != 0))
        return 0;
    return bf_subject_set(&subject->migration, status, err);
}

static int converse(struct talk *talk, const char *socket, const struct bf_live_disk_wish *wishes,
                    uint32_t nr_wishes, struct bf_subject *subject, struct bf_error *err)
{
    int r = begin(talk, socket, err);

    if (r == 0)
        r = nr_wishes > 0 ? ask_facts(talk, wishes, nr_wishes, err) : ask_all(talk, err);
    if (r == 0)
        r = bf_subject_read_disks(talk->facts, wishes, nr_wishes, subject, err);
    if (r == 0)
        r = find_holders(talk, subject, err);
    if (r == 0)
        r = find_failed_migration(talk, subject, err);
    if (r == 0 && !subject->title && bf_live_identity(talk->live)->name[0])
        r = bf_subject_set(&subject->title, bf_live_identity(talk->live)->name, err);
    return r;
}

int bf_subject_socket(const char *socket, const struct bf_live_disk_wish *wishes,
                      uint32_t nr_wishes, struct bf_subject *subject, struct bf_error *err)
{
    struct talk talk = {.err = BF_ERROR_INIT};
    int r;

    if (uv_loop_init(&talk.loop) < 0)
        return bf_error_set(err, BF_E_NO_MEMORY, "out of memory");
    subject->kind = BF_SUBJECT_OF_QEMU;
    r = converse(&talk, socket, wishes, nr_wishes, subject, err);
    if (talk.live)
        bf_live_close(talk.live);
    (void)uv_run(&talk.loop, UV_RUN_DEFAULT);
    (void)uv_loop_close(&talk.loop);
    bf_live_survey_release(&talk.survey);
    json_decref(talk.facts);
    return r;
}

/* NAME=NODE; @copies hold the names. */
static int read_wishes(const struct bf_subject_request *request, struct bf_live_disk_wish *wishes,
                       char **copies, struct bf_error *err)
{
    for (size_t i = 0; i < request->disks->nr_values; i++) {
        const char *value = request->disks->values[i];
        const char *equals = strchr(value, '=');

        if (!equals || equals == value || !equals[1])
            return bf_error_set(err, BF_E_USAGE, "%s: --disk takes NAME=NODE, not '%.200s'",
                                request->args->command->name, value);
        copies[i] = strndup(value, (size_t)(equals - value));
        if (!copies[i])
            return bf_error_set(err, BF_E_NO_MEMORY, "out of memory");
        wishes[i] = (struct bf_live_disk_wish){.name = copies[i], .node = equals + 1};
    }
    return 0;
}

int bf_subject_qemu(const struct bf_subject_request *request, struct bf_subject *subject,
                    struct bf_error *err)
{
    size_t nr_wishes = request->disks->nr_values;
    BF_CLEANUP(bf_freep) struct bf_live_disk_wish *wishes = calloc(nr_wishes + 1, sizeof *wishes);
    BF_CLEANUP(bf_freep) char **copies = calloc(nr_wishes + 1, sizeof *copies);
    int r = wishes && copies ? bf_subject_set(&subject->qmp, request->qmp, err)
                             : bf_error_set(err, BF_E_NO_MEMORY, "out of memory");

    if (r == 0)
        r = read_wishes(request, wishes, copies, err);
    if (r == 0)
        r = bf_subject_socket(request->qmp, wishes, (uint32_t)nr_wishes, subject, err);
    if (r == 0 && !subject->title)
        r = bf_subject_set(&subject->title, request->qmp, err);
    for (size_t i = 0; copies && i < nr_wishes; i++)
        free(copies[i]);
    return r;
}
