/* One question after the other; some may fail, and then their answers are just not known.  The last
 * are for the serial of each disk's device, where the answers before tell of one. */
#include "private.h"

#include "base/cleanup.h"

#include <stdlib.h>
#include <string.h>

static const struct {
    const char *command;
    bool needed;
} questions[] = {
    {"query-block", true},
    {"query-named-block-nodes", true},
    {"x-debug-query-block-graph", false},
    {"query-block-jobs", true},
    {"query-block-exports", true},
    {"query-migrate-capabilities", false}, /* a qemu-storage-daemon does not migrate */
    {"query-migrate-parameters", false},
};

enum { NR_QUESTIONS = sizeof questions / sizeof questions[0] };

struct asking {
    struct bf_live *live;
    uint64_t deadline_ms;
    struct bf_live_disk_wish *disks; /* their texts are owned */
    uint32_t nr_disks;
    json_t *answers[NR_QUESTIONS];
    unsigned nr_answers;
    json_t *serials; /* of as many disks as have been asked for, null for none */
    bf_facts_fn done;
    void *ctx;
};

static void asking_free(struct asking *asking)
{
    for (uint32_t i = 0; i < asking->nr_disks; i++) {
        free((char *)(uintptr_t)asking->disks[i].name);
        free((char *)(uintptr_t)asking->disks[i].node);
    }
    for (unsigned i = 0; i < NR_QUESTIONS; i++)
        json_decref(asking->answers[i]);
    json_decref(asking->serials);
    free(asking->disks);
    free(asking);
}

static struct bf_answers answers_of(const struct asking *asking)
{
    return (struct bf_answers){asking->answers[0], asking->answers[1], asking->answers[2],
                               asking->answers[3], asking->answers[4], asking->answers[5],
                               asking->answers[6], asking->serials};
}

static void finish(struct asking *asking, const struct bf_error *reply_err)
{
    struct bf_answers answers = answers_of(asking);
    struct bf_error err = BF_ERROR_INIT;
    json_t *document =
        reply_err ? NULL : bf_facts_assemble(&answers, asking->disks, asking->nr_disks);
    bf_facts_fn done = asking->done;
    void *ctx = asking->ctx;

    if (reply_err)
        err = *reply_err;
    else if (!document)
        (void)bf_error_set(&err, BF_E_NO_MEMORY, "no memory for what QEMU says");
    asking_free(asking);
    done(ctx, document, document ? NULL : &err);
}

static int ask_serials(struct asking *asking, struct bf_error *err);

/* Not every device has the property. */
static void on_serial(void *ctx, const json_t *result, const struct bf_error *err)
{
    struct asking *asking = ctx;
    struct bf_error why = BF_ERROR_INIT;

    if (err && err->code != BF_E_QMP_ERROR) {
        finish(asking, err);
        return;
    }
    (void)json_array_append_new(asking->serials, result ? json_deep_copy(result) : json_null());
    if (ask_serials(asking, &why) < 0)
        finish(asking, &why);
}

/* Of the next disk that has a device; without one all is known. */
static int ask_serials(struct asking *asking, struct bf_error *err)
{
    struct bf_answers answers = answers_of(asking);
    BF_CLEANUP(bf_freep) char *path = NULL;

    while (json_array_size(asking->serials) < asking->nr_disks) {
        path = bf_serial_path(&answers, asking->disks[json_array_size(asking->serials)].node);
        if (path)
            return bf_qmp_send(bf_live_qmp(asking->live), "qom-get",
                               json_pack("{s:s, s:s}", "path", path, "property", "serial"),
                               asking->deadline_ms, on_serial, asking, err);
        if (json_array_append_new(asking->serials, json_null()) < 0)
            return bf_error_set(err, BF_E_NO_MEMORY, "no memory for what QEMU says");
    }
    finish(asking, NULL);
    return 0;
}

static int ask(struct asking *asking, struct bf_error *err);

static void on_answer(void *ctx, const json_t *result, const struct bf_error *err)
{
    struct asking *asking = ctx;
    struct bf_error why = BF_ERROR_INIT;

    if (err && (questions[asking->nr_answers].needed || err->code != BF_E_QMP_ERROR)) {
        finish(asking, err);
        return;
    }
    asking->answers[asking->nr_answers++] =
        result ? json_incref((json_t *)(uintptr_t)result) : NULL;
    if ((asking->nr_answers == NR_QUESTIONS ? ask_serials(asking, &why) : ask(asking, &why)) < 0)
        finish(asking, &why);
}

static int ask(struct asking *asking, struct bf_error *err)
{
    const char *command = questions[asking->nr_answers].command;
    json_t *arguments =
        strcmp(command, "query-named-block-nodes") == 0 ? json_pack("{s:b}", "flat", 1) : NULL;

    return bf_qmp_send(bf_live_qmp(asking->live), command, arguments, asking->deadline_ms,
                       on_answer, asking, err);
}

static bool copy_disks(struct asking *asking, const struct bf_live_disk_wish *disks,
                       uint32_t nr_disks)
{
    asking->disks = calloc(nr_disks + 1U, sizeof *asking->disks);
    for (uint32_t i = 0; asking->disks && i < nr_disks; i++) {
        struct bf_live_disk_wish *copy = &asking->disks[asking->nr_disks++];

        copy->name = strdup(disks[i].name);
        copy->node = strdup(disks[i].node);
        if (!copy->name || !copy->node)
            return false;
    }
    return asking->disks != NULL;
}

int bf_facts_ask(struct bf_live *live, const struct bf_live_disk_wish *disks, uint32_t nr_disks,
                 uint64_t deadline_ms, bf_facts_fn done, void *ctx, struct bf_error *err)
{
    struct asking *asking = calloc(1, sizeof *asking);
    int r;

    if (!asking)
        return bf_error_set(err, BF_E_NO_MEMORY, "no memory to ask QEMU");
    asking->live = live;
    asking->deadline_ms = deadline_ms;
    asking->done = done;
    asking->ctx = ctx;
    asking->serials = json_array();
    r = asking->serials && copy_disks(asking, disks, nr_disks)
            ? ask(asking, err)
            : bf_error_set(err, BF_E_NO_MEMORY, "no memory to ask QEMU");
    if (r < 0)
        asking_free(asking);
    return r;
}
