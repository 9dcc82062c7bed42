#include "plan_view.h"

#include "base/error.h"
#include "handoff/drop.h"
#include "table.h"

#include <string.h>

enum { COLUMN_BITMAP, COLUMN_LAYER, COLUMN_STATE, COLUMN_FATE, COLUMN_REMARK, NR_COLUMNS };

static const struct bf_layer_facts *layer_of(const struct bf_plan_view *view, uint32_t disk,
                                             const struct bf_bitmap_plan *plan)
{
    return &view->source->vm.disks[disk].layers[plan->layer];
}

static const struct bf_bitmap_facts *facts_of(const struct bf_plan_view *view, uint32_t disk,
                                              const struct bf_bitmap_plan *plan)
{
    return &layer_of(view, disk, plan)->bitmaps[plan->bitmap];
}

/* --- remarks: what else is to be known of one bitmap --- */

static const struct {
    const char *key;
    const char *text;
} remarks[] = {
    {"becomes_transient", "transient there: that image cannot store it"},
    {"widens", "all behind the source's end counts as dirty"},
    {"waits", "in use now: it must be free when the move begins"},
    {"replaces", "replaces one that a former visit left"},
};

enum { NR_REMARKS = sizeof remarks / sizeof remarks[0] };

static bool has_remark(const struct bf_bitmap_plan *plan, size_t remark)
{
    const bool flags[NR_REMARKS] = {plan->becomes_transient, plan->widens, plan->waits,
                                    plan->replaces};

    return flags[remark];
}

static const char *why_of(const struct bf_bitmap_plan *plan)
{
    return plan->fate == BF_FATE_DROP ? bf_drop_text(plan->drop) : bf_mode_fate_text(plan->fate);
}

/* --- JSON --- */

static json_t *bitmap_to_json(const struct bf_plan_view *view, uint32_t disk,
                              const struct bf_bitmap_plan *plan)
{
    const struct bf_bitmap_facts *facts = facts_of(view, disk, plan);
    json_t *object = json_pack("{s:o, s:i, s:o, s:b, s:b, s:s, s:s}", "bitmap",
                               bf_text_to_json(facts->name), "layer", (int)plan->layer, "node",
                               bf_text_to_json(layer_of(view, disk, plan)->node), "recording",
                               facts->recording, "persistent", facts->persistent, "fate",
                               bf_mode_fate_name(plan->fate), "why", why_of(plan));

    if (object && plan->fate == BF_FATE_DROP)
        (void)json_object_set_new(object, "reason", json_string(bf_drop_name(plan->drop)));
    for (size_t i = 0; object && i < NR_REMARKS; i++) {
        if (has_remark(plan, i))
            (void)json_object_set_new(object, remarks[i].key, json_true());
    }
    return object;
}

static json_t *bitmaps_to_json(const struct bf_plan_view *view, uint32_t disk)
{
    const struct bf_disk_plan *plan = &view->plan->disks[disk];
    BF_CLEANUP(json_decrefp) json_t *array = json_array();

    for (uint32_t i = 0; array && i < plan->nr_bitmaps; i++) {
        if (json_array_append_new(array, bitmap_to_json(view, disk, &plan->bitmaps[i])) < 0)
            return NULL;
    }
    return bf_steal_ptr(&array);
}

/* What can be put into layer @layer's partner before the move; false: nothing. */
static bool find_install(const struct bf_plan_view *view, uint32_t disk, uint32_t layer,
                         struct bf_install_commands *ret_commands)
{
    const struct bf_disk_plan *plan = &view->plan->disks[disk];
    const struct bf_disk_facts *source = &view->source->vm.disks[disk];
    const struct bf_disk_facts *dest;
    uint32_t dest_layer = 0;

    if (plan->partner == BF_NO_PARTNER)
        return false;
    dest = &view->dest->vm.disks[plan->partner];
    return bf_layer_awaits_install(source, dest, plan, layer, &dest_layer) &&
           bf_install_commands_make(&source->layers[layer], &dest->layers[dest_layer],
                                    ret_commands);
}

static json_t *installs_to_json(const struct bf_plan_view *view, uint32_t disk)
{
    BF_CLEANUP(json_decrefp) json_t *array = json_array();
    struct bf_install_commands commands;

    for (uint32_t i = 1; array && i < view->source->vm.disks[disk].nr_layers; i++) {
        if (find_install(view, disk, i, &commands) &&
            json_array_append_new(array, json_pack("{s:i, s:o, s:o}", "layer", (int)i, "serve",
                                                   bf_text_to_json(commands.serve), "pull",
                                                   bf_text_to_json(commands.pull))) < 0)
            return NULL;
    }
    return bf_steal_ptr(&array);
}

static json_t *disk_to_json(const struct bf_plan_view *view, uint32_t disk)
{
    const struct bf_disk_plan *plan = &view->plan->disks[disk];
    bool placed = plan->partner != BF_NO_PARTNER;

    return json_pack(
        "{s:o, s:o, s:s, s:s, s:b, s:i, s:o, s:o}", "disk",
        bf_text_to_json(view->source->vm.disks[disk].name), "partner",
        placed ? bf_text_to_json(view->dest->vm.disks[plan->partner].name) : json_null(), "mode",
        bf_mode_name(plan->mode), "why", bf_why_text(plan->why), "contradicted", plan->contradicted,
        "merged_layers", (int)plan->nr_merged, "bitmaps", bitmaps_to_json(view, disk), "install",
        installs_to_json(view, disk));
}

static json_t *warnings_to_json(const struct bf_mode_plan *plan)
{
    BF_CLEANUP(json_decrefp) json_t *array = json_array();

    for (unsigned i = 0; array && i < BF_NR_WARNINGS; i++) {
        if (plan->warnings & UINT32_C(1) << i &&
            json_array_append_new(array, json_pack("{s:s, s:s}", "code", bf_warning_name(i), "text",
                                                   bf_warning_text(i))) < 0)
            return NULL;
    }
    return bf_steal_ptr(&array);
}

json_t *bf_plan_view_json(const struct bf_plan_view *view)
{
    BF_CLEANUP(json_decrefp) json_t *disks = json_array();
    const struct bf_mode_plan *plan = view->plan;

    for (uint32_t i = 0; disks && i < plan->nr_disks; i++) {
        if (json_array_append_new(disks, disk_to_json(view, i)) < 0)
            return NULL;
    }
    return json_pack("{s:i, s:s, s:o, s:o, s:i}", "schema", 1, "handover",
                     plan->kind == BF_HANDOFF_FREEZE ? "freeze" : "tracker", "disks",
                     bf_steal_ptr(&disks), "warnings", warnings_to_json(plan), "exit",
                     bf_plan_view_exit(view));
}

/* --- text --- */

static const char *state_text(const struct bf_bitmap_facts *facts)
{
    if (facts->inconsistent)
        return "inconsistent";
    if (!facts->persistent)
        return facts->recording ? "recording, transient" : "frozen, transient";
    return facts->recording ? "recording" : "frozen";
}

static char *remark_text(const struct bf_bitmap_plan *plan)
{
    char *text = NULL;
    size_t nr_bytes = 0;
    FILE *out = open_memstream(&text, &nr_bytes);

    if (!out)
        return NULL;
    (void)fputs(why_of(plan), out);
    if (plan->fate == BF_FATE_DROP)
        (void)fprintf(out, " (%s)", bf_drop_name(plan->drop));
    for (size_t i = 0; i < NR_REMARKS; i++) {
        if (has_remark(plan, i))
            (void)fprintf(out, "; %s", remarks[i].text);
    }
    return fclose(out) == 0 ? text : NULL;
}

static int add_bitmap(const struct bf_plan_view *view, uint32_t disk,
                      const struct bf_bitmap_plan *plan, struct bf_table *table,
                      struct bf_error *err)
{
    const struct bf_bitmap_facts *facts = facts_of(view, disk, plan);
    BF_CLEANUP(bf_freep) char *name = bf_escape(facts->name);
    BF_CLEANUP(bf_freep) char *node = bf_escape(layer_of(view, disk, plan)->node);
    BF_CLEANUP(bf_freep) char *remark = remark_text(plan);
    const char *cells[NR_COLUMNS] = {
        [COLUMN_BITMAP] = name,
        [COLUMN_LAYER] = node,
        [COLUMN_STATE] = state_text(facts),
        [COLUMN_FATE] = bf_mode_fate_name(plan->fate),
        [COLUMN_REMARK] = remark,
    };

    if (!name || !node || !remark)
        return bf_error_set(err, BF_E_NO_MEMORY, "out of memory");
    return bf_table_add(table, cells, NULL, err);
}

static int print_bitmaps(const struct bf_plan_view *view, uint32_t disk, bool colour, FILE *out,
                         struct bf_error *err)
{
    static const char *const head[NR_COLUMNS] = {"BITMAP", "NODE", "STATE", "FATE", "BECAUSE"};
    const struct bf_disk_plan *plan = &view->plan->disks[disk];
    struct bf_table table = {.nr_columns = NR_COLUMNS};
    int r = bf_table_add(&table, head, NULL, err);

    for (uint32_t i = 0; r == 0 && i < plan->nr_bitmaps; i++)
        r = add_bitmap(view, disk, &plan->bitmaps[i], &table, err);
    if (r == 0 && plan->nr_bitmaps > 0)
        bf_table_print(&table, 2, colour, out);
    bf_table_release(&table);
    return r;
}

static void print_installs(const struct bf_plan_view *view, uint32_t disk, FILE *out)
{
    struct bf_install_commands commands;

    for (uint32_t i = 1; i < view->source->vm.disks[disk].nr_layers; i++) {
        if (!find_install(view, disk, i, &commands))
            continue;
        (void)fprintf(out,
                      "  the image %u below is there without these bitmaps: if it is a copy, put "
                      "them in before QEMU there has it open\n"
                      "    at the source:      %s\n    at the destination: %s\n",
                      (unsigned)i, commands.serve, commands.pull);
    }
}

static void print_disk(const struct bf_plan_view *view, uint32_t disk, FILE *out)
{
    const struct bf_disk_plan *plan = &view->plan->disks[disk];
    BF_CLEANUP(bf_freep) char *name = bf_escape(view->source->vm.disks[disk].name);

    if (plan->partner == BF_NO_PARTNER) {
        (void)fprintf(out, "%s: not at the destination: %s (%s)\n", name ? name : "?",
                      bf_drop_text(plan->drop), bf_drop_name(plan->drop));
        return;
    }
    (void)fprintf(out, "%s: %s, because %s\n", name ? name : "?", bf_mode_name(plan->mode),
                  bf_why_text(plan->why));
    if (plan->contradicted)
        (void)fputs("  asked for, but what is found says otherwise\n", out);
    if (plan->nr_merged > 1 && !plan->chain_broken)
        (void)fprintf(out, "  %u images end in one\n", (unsigned)plan->nr_merged);
}

int bf_plan_view_print(const struct bf_plan_view *view, const struct bf_screen *screen, FILE *out,
                       struct bf_error *err)
{
    int r = 0;

    for (uint32_t i = 0; r == 0 && i < view->plan->nr_disks; i++) {
        print_disk(view, i, out);
        r = print_bitmaps(view, i, screen->colour, out, err);
        print_installs(view, i, out);
    }
    (void)fputs(view->plan->kind == BF_HANDOFF_FREEZE
                    ? "hand-over: freeze: the last writes travel while the machine is paused\n"
                    : "hand-over: tracker: nothing travels while the machine is paused\n",
                out);
    for (unsigned i = 0; i < BF_NR_WARNINGS; i++) {
        if (view->plan->warnings & UINT32_C(1) << i)
            (void)fprintf(out, "warning: %s (%s)\n", bf_warning_text(i), bf_warning_name(i));
    }
    return r;
}

int bf_plan_view_exit(const struct bf_plan_view *view)
{
    size_t nr_bitmaps = 0;
    size_t nr_dropped = 0;

    for (uint32_t i = 0; i < view->plan->nr_disks; i++) {
        const struct bf_disk_plan *disk = &view->plan->disks[i];

        nr_bitmaps += disk->nr_bitmaps;
        for (uint32_t j = 0; j < disk->nr_bitmaps; j++)
            nr_dropped += disk->bitmaps[j].fate == BF_FATE_DROP;
    }
    if (nr_dropped == 0)
        return BF_EXIT_OK;
    return nr_dropped == nr_bitmaps ? BF_EXIT_NONE_CARRIED : BF_EXIT_SOME_DROPPED;
}
