#include "move_checkpoints.h"

#include "base/cleanup.h"
#include "catalog/checkpoints.h"
#include "move_words.h"

#include <string.h>

/* What a backup since a checkpoint would find on one disk. */
struct finding {
    enum bf_row_outcome outcome;
    const struct bf_move_row *row; /* of what was dropped, or NULL: there is no such bitmap */
    const char *needs;             /* another checkpoint, whose bitmap it is; or NULL */
};

static const struct bf_move_row *find_row(const struct bf_move *move, const char *disk,
                                          const char *bitmap)
{
    for (size_t i = 0; i < move->nr_rows; i++) {
        if (strcmp(move->rows[i].disk, disk) == 0 && strcmp(move->rows[i].bitmap, bitmap) == 0)
            return &move->rows[i];
    }
    return NULL;
}

/* Before the source has looked nobody knows which bitmaps there are. */
static struct finding find_bitmap(const struct bf_move *move, const char *disk, const char *bitmap)
{
    struct finding finding = {.row = find_row(move, disk, bitmap)};

    if (finding.row)
        finding.outcome = finding.row->outcome;
    else if (move->nr_rows > 0 || move->state != BF_MOVE_UNDER_WAY)
        finding.outcome = BF_ROW_DROPPED;
    if (finding.outcome == BF_ROW_PENDING && move->state != BF_MOVE_UNDER_WAY)
        finding.outcome = BF_ROW_DROPPED;
    return finding;
}

/* The worse of two: what is dropped stays so, and nothing is said of what is not decided. */
static bool is_worse(enum bf_row_outcome outcome, enum bf_row_outcome than)
{
    if (than == BF_ROW_DROPPED)
        return false;
    return outcome == BF_ROW_DROPPED || (outcome == BF_ROW_PENDING && than != BF_ROW_PENDING);
}

/* Of links, a backup needs every one from the checkpoint on. */
static struct finding judge(const struct bf_move *move, const struct bf_checkpoint *checkpoint,
                            const struct bf_checkpoint_disk *disk)
{
    const struct bf_checkpoints *all = &move->checkpoints;
    struct finding finding = find_bitmap(move, disk->disk, disk->bitmap);
    size_t at = all->style == BF_CHAIN_LINKS ? checkpoint->next_index : BF_NO_CHECKPOINT;

    for (; at != BF_NO_CHECKPOINT; at = all->items[at].next_index) {
        const char *bitmap = bf_checkpoint_bitmap(&all->items[at], disk->disk);
        struct finding next = {.outcome = BF_ROW_DROPPED};

        if (bitmap)
            next = find_bitmap(move, disk->disk, bitmap);
        if (!is_worse(next.outcome, finding.outcome))
            continue;
        finding = next;
        finding.needs = all->items[at].name;
    }
    return finding;
}

static bool put_reason(const struct bf_move *move, const struct finding *finding, json_t *disk)
{
    enum bf_code code = BF_E_BITMAP_NOT_FOUND;
    const char *message =
        finding->needs ? "it has no bitmap of the disk" : "the source has no such bitmap";

    if (finding->row && finding->row->reason != BF_E_NONE)
        return json_object_set_new(disk, "reason", bf_move_row_reason_to_json(finding->row)) == 0;
    if (finding->row) { /* the move ended before it was decided */
        code = move->error.code;
        message = move->error.text;
    }
    return json_object_set_new(disk, "reason", bf_move_reason_to_json(code, message)) == 0;
}

static bool put_finding(const struct bf_move *move, const struct finding *finding, json_t *disk)
{
    return json_object_set_new(disk, "outcome",
                               json_string(bf_row_outcome_name(finding->outcome))) == 0 &&
           (finding->outcome != BF_ROW_DROPPED || put_reason(move, finding, disk)) &&
           (!finding->needs ||
            json_object_set_new(disk, "needs", json_string(finding->needs)) == 0);
}

static const char *status_of(size_t nr_pending, size_t nr_dropped, size_t nr_disks)
{
    if (nr_pending > 0)
        return "pending";
    if (nr_dropped == 0)
        return "carried";
    return nr_dropped < nr_disks ? "partly" : "dropped";
}

static bool put_findings(const struct bf_move *move, const struct bf_checkpoint *checkpoint,
                         json_t *object)
{
    json_t *disks = json_object_get(object, "disks");
    size_t nr_pending = 0;
    size_t nr_dropped = 0;

    for (size_t i = 0; i < checkpoint->nr_disks; i++) {
        struct finding finding = judge(move, checkpoint, &checkpoint->disks[i]);

        nr_pending += finding.outcome == BF_ROW_PENDING;
        nr_dropped += finding.outcome == BF_ROW_DROPPED;
        if (!put_finding(move, &finding, json_array_get(disks, i)))
            return false;
    }
    return json_object_set_new(
               object, "status",
               json_string(status_of(nr_pending, nr_dropped, checkpoint->nr_disks))) == 0;
}

static const char *const definition_names[BF_NR_DEFINITIONS] = {
    [BF_DEFINITION_DEFINED] = "defined",
    [BF_DEFINITION_PARTLY] = "partly",
    [BF_DEFINITION_DROPPED] = "dropped",
    [BF_DEFINITION_MISSING] = "missing",
};

static bool put_definition(const struct bf_move *move, size_t index, json_t *object)
{
    enum bf_definition definition =
        move->definitions ? move->definitions[index] : BF_DEFINITION_NONE;
    const char *why = move->definition_whys ? move->definition_whys[index] : NULL;

    if (definition == BF_DEFINITION_NONE)
        return true;
    if (json_object_set_new(object, "definition", json_string(definition_names[definition])) < 0)
        return false;
    return definition != BF_DEFINITION_MISSING ||
           (json_object_set_new(object, "status", json_string("metadata_missing")) == 0 &&
            json_object_set_new(object, "reason", bf_move_reason_to_json(BF_E_INVALID, why)) == 0);
}

json_t *bf_move_checkpoints_to_json(const struct bf_move *move)
{
    BF_CLEANUP(json_decrefp) json_t *object = bf_checkpoints_to_json(&move->checkpoints);
    const json_t *items = json_object_get(object, "checkpoints");

    for (size_t i = 0; i < json_array_size(items); i++) {
        if (!put_findings(move, &move->checkpoints.items[i], json_array_get(items, i)) ||
            !put_definition(move, i, json_array_get(items, i)))
            return NULL;
    }
    return bf_steal_ptr(&object);
}
