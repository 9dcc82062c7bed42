#include "migrate_told.h"

#include "daemon_link.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The one of @array that has @value at @key. */
static const json_t *find(const json_t *array, const char *key, const char *value)
{
    const json_t *each;
    size_t i;

    json_array_foreach(array, i, each)
    {
        if (strcmp(bf_daemon_text(each, key), value) == 0)
            return each;
    }
    return NULL;
}

static bool is_one_of(const char *text, const char *const *words)
{
    while (*words && strcmp(text, *words) != 0)
        words++;
    return *words != NULL;
}

/* By what it was proven: "bits", "digest" or "count". */
static const char *proof_of(const json_t *move, const struct bf_verdict_disk *disk)
{
    const json_t *row;
    size_t i;

    json_array_foreach(json_object_get(move, "bitmaps"), i, row)
    {
        if (strcmp(bf_daemon_text(row, "disk"), disk->target) == 0 &&
            strcmp(bf_daemon_text(row, "bitmap"), disk->bitmap) == 0)
            return bf_daemon_text(row, "proof");
    }
    return "";
}

static void judge_disk(struct bf_verdict_disk *disk, const json_t *told, const json_t *move)
{
    static const char *const there[] = {"carried", "widened", "native", NULL};
    const json_t *reason = json_object_get(told, "reason");
    const char *outcome = bf_daemon_text(told, "outcome");

    if (is_one_of(outcome, there)) {
        (void)snprintf(disk->by, sizeof disk->by, "%s", proof_of(move, disk));
        disk->proof = strcmp(disk->by, "digest") == 0 ? BF_PROOF_IDENTICAL : BF_PROOF_COVERS;
    } else if (strcmp(outcome, "dropped") == 0) {
        disk->proof = BF_PROOF_NONE;
        disk->reason = BF_E_COVERAGE_MISSING;
        (void)snprintf(disk->why, sizeof disk->why, "%s: %s", bf_daemon_text(reason, "code"),
                       bf_daemon_text(reason, "message"));
    } else {
        disk->proof = BF_PROOF_UNSEEN;
        (void)snprintf(disk->why, sizeof disk->why, "it is not decided yet");
    }
}

static enum bf_verdict_fate fate_of(const json_t *told)
{
    static const struct {
        const char *definition;
        enum bf_verdict_fate fate;
    } fates[] = {
        {"defined", BF_VERDICT_REDEFINED},
        {"partly", BF_VERDICT_PARTLY},
        {"dropped", BF_VERDICT_DROPPED},
        {"missing", BF_VERDICT_METADATA_MISSING},
    };

    for (size_t i = 0; i < sizeof fates / sizeof fates[0]; i++) {
        if (strcmp(bf_daemon_text(told, "definition"), fates[i].definition) == 0)
            return fates[i].fate;
    }
    return BF_VERDICT_UNPROVEN;
}

/* Why it is not all there: what libvirt said, or what became of the first disk that is missing. */
static void explain(struct bf_verdict *verdict, const json_t *told, const json_t *move)
{
    const char *message = bf_daemon_text(json_object_get(told, "reason"), "message");

    if (verdict->fate == BF_VERDICT_METADATA_MISSING) {
        verdict->reason = BF_E_INVALID;
        (void)snprintf(verdict->why, sizeof verdict->why, "%s", message);
        return;
    }
    for (size_t i = 0; i < verdict->nr_disks; i++) {
        const struct bf_verdict_disk *disk = &verdict->disks[i];

        if (disk->proof != BF_PROOF_NONE)
            continue;
        verdict->reason = disk->reason;
        (void)snprintf(verdict->why, sizeof verdict->why, "disk %s: %s", disk->target, disk->why);
        return;
    }
    (void)snprintf(verdict->why, sizeof verdict->why, "the daemons' move is %s: %s",
                   bf_daemon_text(move, "state"), bf_daemon_text(move, "phase"));
}

static int judge_one(struct bf_verdict *verdict, const struct bf_virt_checkpoint *checkpoint,
                     const json_t *move, struct bf_error *err)
{
    const json_t *list = json_object_get(json_object_get(move, "checkpoints"), "checkpoints");
    const json_t *told = find(list, "name", checkpoint->name);

    verdict->checkpoint = checkpoint;
    verdict->disks = calloc(checkpoint->nr_disks + 1, sizeof *verdict->disks);
    if (!verdict->disks)
        return bf_error_set(err, BF_E_NO_MEMORY, "out of memory");
    for (size_t i = 0; i < checkpoint->nr_disks; i++) {
        struct bf_verdict_disk *disk = &verdict->disks[verdict->nr_disks++];

        disk->target = checkpoint->disks[i].target;
        disk->bitmap = checkpoint->disks[i].bitmap;
        judge_disk(disk, find(json_object_get(told, "disks"), "disk", disk->target), move);
    }
    verdict->fate = fate_of(told);
    if (verdict->fate != BF_VERDICT_REDEFINED)
        explain(verdict, told, move);
    return 0;
}

int bf_told_judge(const struct bf_virt_checkpoints *checkpoints, const json_t *move,
                  struct bf_verdicts *ret_verdicts, struct bf_error *err)
{
    struct bf_verdicts verdicts = {.items =
                                       calloc(checkpoints->nr_items + 1, sizeof *verdicts.items)};
    int r = verdicts.items ? 0 : bf_error_set(err, BF_E_NO_MEMORY, "out of memory");

    for (size_t i = 0; r == 0 && i < checkpoints->nr_items; i++)
        r = judge_one(&verdicts.items[verdicts.nr_items++], &checkpoints->items[i], move, err);
    if (r < 0)
        bf_verdicts_release(&verdicts);
    else
        *ret_verdicts = verdicts;
    return r;
}
