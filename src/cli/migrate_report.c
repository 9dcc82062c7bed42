#include "migrate_report.h"

#include "base/text.h"
#include "output.h"
#include "table.h"

#include <inttypes.h>
#include <string.h>

enum { SHA256_SHOWN = 12 }; /* digits in the table; JSON has them all */

/* The last two only where this program has looked itself. */
enum { COLUMN_CHECKPOINT, COLUMN_DISK, COLUMN_OUTCOME, COLUMN_DIRTY, COLUMN_SHA256, NR_COLUMNS };
enum { OUTCOME_MAX = 64 };

static const char *const proof_texts[] = {
    [BF_PROOF_NONE] = "not there",
    [BF_PROOF_UNSEEN] = "not seen",
    [BF_PROOF_COVERS] = "there, covers the source's",
    [BF_PROOF_IDENTICAL] = "there, identical",
};

static const char *const proof_names[] = {
    [BF_PROOF_NONE] = "none",
    [BF_PROOF_UNSEEN] = "unseen",
    [BF_PROOF_COVERS] = "covers",
    [BF_PROOF_IDENTICAL] = "identical",
};

static const char *consequence_of(enum bf_verdict_fate fate)
{
    switch (fate) {
    case BF_VERDICT_PARTLY:
        return "the next backup of that disk from it is full";
    case BF_VERDICT_METADATA_MISSING:
    case BF_VERDICT_UNPROVEN:
        return "until it is defined the next backup from it is full";
    case BF_VERDICT_DROPPED:
        return "the next backup from it is full";
    case BF_VERDICT_REDEFINED:
        break;
    }
    return "";
}

static const char *remedy_of(const struct bf_verdict *verdict, const struct bf_report *report)
{
    bool can_retry =
        verdict->fate == BF_VERDICT_METADATA_MISSING || verdict->fate == BF_VERDICT_UNPROVEN;

    return can_retry && report->retry ? report->retry : "take a full backup";
}

/* Text */

static bool says_by(const struct bf_verdict_disk *disk)
{
    return disk->by[0] && disk->proof != BF_PROOF_IDENTICAL; /* which says it */
}

static int add_row(struct bf_table *table, const struct bf_verdict *verdict, size_t index,
                   struct bf_error *err)
{
    const struct bf_verdict_disk *disk = &verdict->disks[index];
    BF_CLEANUP(bf_freep) char *name = bf_escape(index == 0 ? verdict->checkpoint->name : "");
    BF_CLEANUP(bf_freep) char *target = bf_escape(disk->target);
    char dirty[BF_SIZE_TEXT_MAX] = "";
    char sha256[BF_HEX_SHA256_MAX] = "";
    char outcome[OUTCOME_MAX];
    const char *cells[NR_COLUMNS] = {
        [COLUMN_CHECKPOINT] = name, [COLUMN_DISK] = target,     [COLUMN_DIRTY] = dirty,
        [COLUMN_SHA256] = sha256,   [COLUMN_OUTCOME] = outcome,
    };

    if (!name || !target)
        return bf_error_set(err, BF_E_NO_MEMORY, "out of memory");
    (void)snprintf(outcome, sizeof outcome, says_by(disk) ? "%s, by %s" : "%s",
                   proof_texts[disk->proof], disk->by);
    if (disk->found)
        bf_size_text(disk->found->dirty_bytes, dirty);
    if (disk->found && disk->found->digested) {
        bf_hex_encode(disk->found->sha256, BF_SHA256_BYTES, sha256);
        sha256[SHA256_SHOWN] = '\0';
    }
    return bf_table_add(table, cells, NULL, err);
}

static bool any_by_count(const struct bf_verdicts *verdicts)
{
    for (size_t i = 0; i < verdicts->nr_items; i++) {
        for (size_t j = 0; j < verdicts->items[i].nr_disks; j++) {
            if (strcmp(verdicts->items[i].disks[j].by, "count") == 0)
                return true;
        }
    }
    return false;
}

static bool any_measured(const struct bf_verdicts *verdicts)
{
    for (size_t i = 0; i < verdicts->nr_items; i++) {
        for (size_t j = 0; j < verdicts->items[i].nr_disks; j++) {
            if (verdicts->items[i].disks[j].found)
                return true;
        }
    }
    return false;
}

static const char *const headlines[] = {
    [BF_VERDICT_REDEFINED] = "Defined",
    [BF_VERDICT_PARTLY] = "Defined in part",
    [BF_VERDICT_METADATA_MISSING] = "Not defined, its bitmaps are kept",
    [BF_VERDICT_UNPROVEN] = "Not defined yet",
    [BF_VERDICT_DROPPED] = "Dropped",
};

static void print_loss(const struct bf_verdict *verdict, const struct bf_report *report)
{
    BF_CLEANUP(bf_freep) char *name = bf_escape(verdict->checkpoint->name);
    BF_CLEANUP(bf_freep) char *why = bf_escape(verdict->why);

    (void)printf("\n%s: %s, %s: %s.\n  Consequence: %s.\n  Remedy: %s\n", headlines[verdict->fate],
                 name ? name : "?",
                 verdict->reason ? bf_code_name(verdict->reason)
                                 : bf_verdict_fate_name(verdict->fate),
                 why ? why : "?", consequence_of(verdict->fate), remedy_of(verdict, report));
}

int bf_report_print(const struct bf_report *report, struct bf_error *err)
{
    static const char *const head[NR_COLUMNS] = {"CHECKPOINT", "DISK", "BITMAP", "DIRTY",
                                                 "SHA-256"};
    BF_CLEANUP(bf_table_release)
    struct bf_table table = {.nr_columns =
                                 any_measured(report->verdicts) ? NR_COLUMNS : COLUMN_DIRTY,
                             .right = {[COLUMN_DIRTY] = true}};
    const struct bf_verdicts *verdicts = report->verdicts;
    int r = bf_table_add(&table, head, NULL, err);

    if (verdicts->nr_items == 0)
        return 0;
    for (size_t i = 0; i < verdicts->nr_items; i++) {
        for (size_t j = 0; r == 0 && j < verdicts->items[i].nr_disks; j++)
            r = add_row(&table, &verdicts->items[i], j, err);
    }
    if (r < 0)
        return r;
    bf_table_print(&table, 0, bf_screen_of(stdout).colour, stdout);
    if (any_by_count(verdicts))
        (void)printf(
            "\nBy count: no fewer blocks are dirty than were at the source, but the guest may "
            "have made up for\nsome that are missing.  bitferry-source and bitferry-dest on "
            "both hosts prove what is copied bit by bit.\n");
    for (size_t i = 0; i < verdicts->nr_items; i++) {
        if (verdicts->items[i].fate != BF_VERDICT_REDEFINED)
            print_loss(&verdicts->items[i], report);
    }
    return 0;
}

/* JSON */

static json_t *disk_to_json(const struct bf_verdict_disk *disk)
{
    json_t *object = json_pack("{s:s, s:s, s:s}", "disk", disk->target, "bitmap", disk->bitmap,
                               "proof", proof_names[disk->proof]);
    char sha256[BF_HEX_SHA256_MAX];

    if (disk->proof == BF_PROOF_NONE)
        (void)json_object_set_new(object, "reason", json_string(bf_code_name(disk->reason)));
    if (disk->by[0])
        (void)json_object_set_new(object, "by", json_string(disk->by));
    if (disk->why[0])
        (void)json_object_set_new(object, "detail", bf_text_to_json(disk->why));
    if (disk->found)
        (void)json_object_set_new(object, "dirty_bytes",
                                  json_integer((json_int_t)disk->found->dirty_bytes));
    if (disk->found && disk->found->digested) {
        bf_hex_encode(disk->found->sha256, BF_SHA256_BYTES, sha256);
        (void)json_object_set_new(object, "sha256", json_string(sha256));
    }
    return object;
}

static json_t *verdict_to_json(const struct bf_verdict *verdict, const struct bf_report *report)
{
    json_t *disks = json_array();
    json_t *object =
        json_pack("{s:s, s:s*, s:s}", "name", verdict->checkpoint->name, "parent",
                  verdict->checkpoint->parent, "status", bf_verdict_fate_name(verdict->fate));

    for (size_t i = 0; i < verdict->nr_disks; i++)
        (void)json_array_append_new(disks, disk_to_json(&verdict->disks[i]));
    (void)json_object_set_new(object, "disks", disks);
    if (verdict->fate == BF_VERDICT_REDEFINED)
        return object;
    if (verdict->reason)
        (void)json_object_set_new(object, "reason", json_string(bf_code_name(verdict->reason)));
    (void)json_object_set_new(object, "detail", bf_text_to_json(verdict->why));
    (void)json_object_set_new(object, "consequence", json_string(consequence_of(verdict->fate)));
    (void)json_object_set_new(object, "remedy", bf_text_to_json(remedy_of(verdict, report)));
    return object;
}

json_t *bf_report_to_json(const struct bf_report *report)
{
    json_t *array = json_array();

    for (size_t i = 0; i < report->verdicts->nr_items; i++) {
        if (json_array_append_new(array, verdict_to_json(&report->verdicts->items[i], report)) <
            0) {
            json_decref(array);
            return NULL;
        }
    }
    return array;
}
