/* ARM: a recording, transient tracker on each disk that needs one, all in one transaction.
 *
 *     query-block-exports  ->  the node graph  ->  transaction  ->  query-status
 *
 * A tracker is of use only where the mirror writes through it: the NBD export must stand on the
 * node that has the tracker, or above it.
 */
#include "drive.h"

#include "base/fail_point.h"
#include "daemon/log.h"

#include <string.h>

static const char *text_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));

    return text ? text : "";
}

/* --- does the mirror write through the node? --- */

static json_int_t id_of_node(const json_t *graph, const char *node)
{
    const json_t *item;
    size_t i;

    json_array_foreach(json_object_get(graph, "nodes"), i, item)
    {
        if (strcmp(text_of(item, "type"), "block-driver") == 0 &&
            strcmp(text_of(item, "name"), node) == 0)
            return json_integer_value(json_object_get(item, "id"));
    }
    return 0;
}

/* From @from downwards; the graph has no circles, and QEMU's chains are short. */
static bool reaches(const json_t *graph, json_int_t from, json_int_t to, unsigned depth)
{
    const json_t *edge;
    size_t i;

    if (from == to)
        return true;
    if (depth == 0)
        return false;
    json_array_foreach(json_object_get(graph, "edges"), i, edge)
    {
        if (json_integer_value(json_object_get(edge, "parent")) == from &&
            reaches(graph, json_integer_value(json_object_get(edge, "child")), to, depth - 1))
            return true;
    }
    return false;
}

static bool is_written_through(const json_t *exports, const json_t *graph, const char *node)
{
    enum { DEPTH_MAX = 16 };
    json_int_t to = id_of_node(graph, node);
    const json_t *item;
    size_t i;

    json_array_foreach(exports, i, item)
    {
        json_int_t from = id_of_node(graph, text_of(item, "node-name"));

        if (from != 0 && to != 0 && reaches(graph, from, to, DEPTH_MAX))
            return true;
    }
    return false;
}

/* A QEMU that tells nothing of its graph (an x- command may go): only exports of the node itself.
 */
static bool is_exported(const json_t *exports, const char *node)
{
    const json_t *item;
    size_t i;

    json_array_foreach(exports, i, item)
    {
        if (strcmp(text_of(item, "node-name"), node) == 0)
            return true;
    }
    return false;
}

/* @graph may be NULL. */
static void judge_exports(struct dest_drive *drive, const json_t *graph)
{
    const struct bf_offer *offer = &drive->offer;

    for (uint32_t i = 0; i < offer->nr_bitmaps; i++) {
        const char *node = dest_node_of(drive, i);

        if (offer->states[i].drop != BF_DROP_NONE || !offer->states[i].recording ||
            (graph ? is_written_through(drive->exports_seen, graph, node)
                   : is_exported(drive->exports_seen, node)))
            continue;
        bf_log(BF_LOG_WARNING,
               "move %s: no NBD export of this QEMU writes through node '%s': a tracker there "
               "would miss the mirror's writes; use 'bitferry start --handover freeze'",
               drive->move->id, node);
        drive->drops[i] = BF_DROP_TRACKER_REFUSED;
    }
}

/* --- the transaction --- */

static void on_status(void *ctx, const json_t *result, const struct bf_error *err)
{
    struct dest_drive *drive = ctx;

    if (!dest_op_ended(drive))
        return;
    if (err)
        dest_doubt(drive);
    else
        dest_answer_armed(drive, !dest_may_have_run(drive, text_of(result, "status")));
}

static void on_armed(void *ctx, enum bf_live_end end, const struct bf_error *err)
{
    struct dest_drive *drive = ctx;

    if (!dest_op_ended(drive))
        return;
    if (end == BF_LIVE_REFUSED) {
        bf_log(BF_LOG_WARNING, "move %s: adding trackers: %s", drive->move->id, err->text);
        dest_answer(drive, BF_DEST_REFUSED);
    } else if (end == BF_LIVE_UNKNOWN || !dest_query_status(drive, on_status)) {
        dest_doubt(drive);
    }
}

/* A disk whose recording bitmaps are all being dropped has none. */
static bool needs_tracker(const struct dest_drive *drive, uint32_t disk)
{
    for (uint32_t i = 0; i < drive->offer.nr_bitmaps; i++) {
        if (drive->offer.states[i].disk == disk && drive->offer.states[i].recording &&
            drive->offer.states[i].drop == BF_DROP_NONE && drive->drops[i] == BF_DROP_NONE)
            return true;
    }
    return false;
}

static void add_trackers(struct dest_drive *drive)
{
    const struct bf_offer *offer = &drive->offer;
    char name[BF_TEMPORARY_NAME_MAX + 1];
    struct bf_live_actions actions;

    bf_fail_point("dest.arming");
    bf_live_actions_begin(&actions);
    for (uint32_t i = 0; i < offer->nr_disks; i++) {
        if (needs_tracker(drive, i))
            bf_live_actions_record(
                &actions, offer->disks[i].node,
                bf_offer_temporary(offer, drive->wish.epoch, BF_TEMPORARY_TRACKER, i, name),
                bf_offer_finest(offer, i));
    }
    if (bf_live_run(bf_qemu_live(drive->qemu), &actions, BF_QEMU_DEADLINE_MS, on_armed, drive,
                    NULL) == 0)
        dest_op_began(drive);
    else
        dest_answer(drive, BF_DEST_REFUSED);
}

/* --- looking --- */

static void forget_exports(struct dest_drive *drive)
{
    json_decref(drive->exports_seen);
    drive->exports_seen = NULL;
}

static bool ask(struct dest_drive *drive, const char *command, bf_qmp_reply_fn reply)
{
    struct bf_live *live = bf_qemu_live(drive->qemu);

    if (!live ||
        bf_qmp_send(bf_live_qmp(live), command, NULL, BF_QEMU_DEADLINE_MS, reply, drive, NULL) < 0)
        return false;
    dest_op_began(drive);
    return true;
}

static const char graph_command[] = "x-debug-query-block-graph";

static bool has_no_graph(const struct dest_drive *drive)
{
    struct bf_live *live = bf_qemu_live(drive->qemu);

    return live && !bf_qmp_has_command(bf_live_qmp(live), graph_command);
}

static void on_graph(void *ctx, const json_t *graph, const struct bf_error *err)
{
    struct dest_drive *drive = ctx;

    if (dest_op_ended(drive)) {
        if (err) {
            bf_log(BF_LOG_WARNING, "move %s: looking at the nodes: %s", drive->move->id, err->text);
            dest_repeat(drive);
        } else {
            judge_exports(drive, graph);
            add_trackers(drive);
        }
    }
    forget_exports(drive);
}

static void on_exports(void *ctx, const json_t *exports, const struct bf_error *err)
{
    struct dest_drive *drive = ctx;

    if (!dest_op_ended(drive))
        return;
    forget_exports(drive);
    drive->exports_seen = err ? NULL : json_deep_copy(exports);
    if (drive->exports_seen && has_no_graph(drive)) {
        judge_exports(drive, NULL);
        add_trackers(drive);
    } else if (!drive->exports_seen || !ask(drive, graph_command, on_graph)) {
        dest_repeat(drive);
    }
}

void dest_arm(struct dest_drive *drive)
{
    if (drive->offer.kind == BF_HANDOFF_FREEZE)
        add_trackers(drive); /* the copy is not our matter: only the guest's writes count */
    else if (!ask(drive, "query-block-exports", on_exports))
        dest_repeat(drive);
}
