/* `bitferry plan`: what a move would do with each bitmap, and why; `bitferry facts`: what it is
 * planned by. */
#include "base/cleanup.h"
#include "command.h"
#include "gather_facts.h"
#include "output.h"
#include "pairs.h"
#include "plan_view.h"

#include <string.h>

enum { OPT_QMP, OPT_DISK, NR_FACTS_OPTIONS };
enum {
    OPT_FACTS = NR_FACTS_OPTIONS,
    OPT_DEST_QMP,
    OPT_DEST_DISK,
    OPT_DEST_FACTS,
    OPT_MODE,
    OPT_NO_PAUSE,
    NR_PLAN_OPTIONS
};

#define QMP_OPTIONS                                                                                \
    [OPT_QMP] = {.name = "qmp",                                                                    \
                 .placeholder = "PATH",                                                            \
                 .kind = BF_ARGUMENT_FILE,                                                         \
                 .help = "a QMP socket of the machine's QEMU; it is only asked"},                  \
    [OPT_DISK] = {.name = "disk",                                                                  \
                  .letter = 'd',                                                                   \
                  .placeholder = "NAME=NODE",                                                      \
                  .kind = BF_ARGUMENT_TEXT,                                                        \
                  .repeatable = true,                                                              \
                  .help = "a disk and the name of its block node; without any, all disks of the "  \
                          "machine under the names of their devices"}

static const struct bf_option facts_options[NR_FACTS_OPTIONS] = {QMP_OPTIONS};

static const struct bf_option plan_options[NR_PLAN_OPTIONS] = {
    QMP_OPTIONS,
    [OPT_FACTS] = {.name = "facts",
                   .placeholder = "FILE",
                   .kind = BF_ARGUMENT_FILE,
                   .help = "instead of *--qmp*: what *bitferry facts* has printed on the source"},
    [OPT_DEST_QMP] = {.name = "dest-qmp",
                      .placeholder = "PATH",
                      .kind = BF_ARGUMENT_FILE,
                      .help = "a QMP socket of the QEMU that the machine is to go to"},
    [OPT_DEST_DISK] = {.name = "dest-disk",
                       .placeholder = "NAME=NODE",
                       .kind = BF_ARGUMENT_TEXT,
                       .repeatable = true,
                       .help = "likewise, a disk there and the name of its block node"},
    [OPT_DEST_FACTS] = {.name = "dest-facts",
                        .placeholder = "FILE",
                        .kind = BF_ARGUMENT_FILE,
                        .help = "instead of *--dest-qmp*: what *bitferry facts* has printed there"},
    [OPT_MODE] = {.name = "mode",
                  .placeholder = "DISK=MODE",
                  .kind = BF_ARGUMENT_TEXT,
                  .repeatable = true,
                  .help = "as of *bitferry start*: *shared*, *stream* or *nbd*, whatever is found"},
    [OPT_NO_PAUSE] = {.name = "no-pause",
                      .help = "whoever migrates the machine does not pause it before the "
                              "switchover (capability _pause-before-switchover_)"},
};

/* --- one side --- */

/* Who names disks takes it on himself that they are the right ones. */
static void mark_named(json_t *document)
{
    json_t *disk;
    size_t i;

    json_array_foreach(json_object_get(document, "disks"), i, disk)
    {
        (void)json_object_set_new(disk, "named", json_true());
    }
}

static int gather(const struct bf_arguments *args, size_t qmp, size_t disk, json_t **ret_document,
                  struct bf_error *err)
{
    BF_CLEANUP(json_decrefp) json_t *disks = NULL;
    int r = bf_pairs_to_json(args, disk, "name", "node", &disks, err);

    if (r == 0)
        r = bf_gather_facts(bf_option_value(args, qmp), disks, ret_document, err);
    if (r == 0 && json_array_size(disks) > 0)
        mark_named(*ret_document);
    return r;
}

/* Of the options at @qmp, @disk and @facts. */
static int get_side(const struct bf_arguments *args, size_t qmp, size_t disk, size_t facts,
                    struct bf_facts *ret_facts, struct bf_error *err)
{
    BF_CLEANUP(json_decrefp) json_t *document = NULL;
    const struct bf_option *options = args->command->options;
    bool from_file = bf_option_given(args, facts);
    int r;

    if (from_file == bf_option_given(args, qmp))
        return bf_error_set(err, BF_E_USAGE, "plan: give --%s or --%s", options[qmp].name,
                            options[facts].name);
    r = from_file ? bf_read_facts(bf_option_value(args, facts), &document, err)
                  : gather(args, qmp, disk, &document, err);
    return r < 0 ? r : bf_facts_read(document, ret_facts, err);
}

/* --- plan --- */

static int set_wishes(const struct bf_arguments *args, struct bf_facts *source,
                      struct bf_error *err)
{
    BF_CLEANUP(json_decrefp) json_t *wishes = NULL;
    int r = bf_pairs_to_json(args, OPT_MODE, "disk", "mode", &wishes, err);
    const json_t *wish;
    size_t i;

    if (r < 0)
        return r;
    json_array_foreach(wishes, i, wish)
    {
        const char *name = json_string_value(json_object_get(wish, "disk"));
        const char *mode = json_string_value(json_object_get(wish, "mode"));
        bool known = false;

        for (uint32_t j = 0; j < source->vm.nr_disks; j++) {
            if (strcmp(source->disks[j].name, name) != 0)
                continue;
            known = true;
            if (!bf_mode_find(mode, &source->disks[j].wish))
                return bf_error_set(err, BF_E_USAGE,
                                    "plan: a mode is auto, shared, stream or nbd, not '%.100s'",
                                    mode);
        }
        if (!known)
            return bf_error_set(err, BF_E_USAGE, "plan: the source has no disk '%.100s'", name);
    }
    return 0;
}

static int show(const struct bf_arguments *args, const struct bf_plan_view *view,
                struct bf_error *err)
{
    struct bf_screen screen = bf_screen_of(stdout);
    int r;

    if (args->json)
        r = bf_print_json(bf_plan_view_json(view), err);
    else
        r = bf_plan_view_print(view, &screen, stdout, err);
    if (r == 0 && !args->json && view->plan->kind == BF_HANDOFF_FREEZE && !view->source->vm.pauses)
        bf_note(args, "the plan counts on a pause before the switchover (capability "
                      "pause-before-switchover), which is not set yet");
    return r < 0 ? r : bf_plan_view_exit(view);
}

static int plan_and_show(const struct bf_arguments *args, const struct bf_facts *source,
                         const struct bf_facts *dest, struct bf_error *err)
{
    struct bf_vm_facts assumed = source->vm;
    struct bf_mode_plan plan;
    struct bf_plan_view view = {source, dest, &plan};
    int r;

    assumed.pauses = !bf_option_given(args, OPT_NO_PAUSE);
    r = bf_mode_plan_make(&assumed, &dest->vm, &plan, err);
    if (r < 0)
        return r;
    r = show(args, &view, err);
    bf_mode_plan_release(&plan);
    return r;
}

static int run_plan(const struct bf_arguments *args, struct bf_error *err)
{
    struct bf_facts source = {.document = NULL};
    struct bf_facts dest = {.document = NULL};
    int r = get_side(args, OPT_QMP, OPT_DISK, OPT_FACTS, &source, err);

    if (r == 0)
        r = get_side(args, OPT_DEST_QMP, OPT_DEST_DISK, OPT_DEST_FACTS, &dest, err);
    if (r == 0)
        r = set_wishes(args, &source, err);
    if (r == 0)
        r = plan_and_show(args, &source, &dest, err);
    bf_facts_release(&source);
    bf_facts_release(&dest);
    return r;
}

const struct bf_command bf_plan_command = {
    .name = "plan",
    .summary = "Say what a move would do with each bitmap, and why",
    .operands = "",
    .options = plan_options,
    .nr_options = NR_PLAN_OPTIONS,
    .description =
        "Asks the QEMU that the machine runs in and the one that it is to go to, and decides as "
        "the daemons would: how each disk goes, what becomes of each bitmap, and why.  Nothing is "
        "changed anywhere.\n"
        "\n"
        "*shared*: both have the same image open, and QEMU stores persistent bitmaps in it.  "
        "*stream*: QEMU's migration stream carries the bitmaps.  *nbd*: a mirror carries the data, "
        "and bitferry the bitmaps.\n"
        "\n"
        "Where the two hosts cannot be asked from one place, *bitferry facts* prints on each what "
        "is known there.  An image is recognized as the same only under the paths that QEMU uses, "
        "so each side must be asked on its own host.\n"
        "\n"
        "Where an image below is there as a copy without its bitmaps, two commands are printed "
        "that put them in: *bitferry serve* on the source, beside the running QEMU, and *bitferry "
        "pull --into* at the destination, before QEMU there has the image open.\n"
        "\n"
        "The exit status is that of such a move: 0 if every bitmap is carried, 3 if some are "
        "dropped, 4 if all are.",
    .examples = "bitferry plan --qmp /run/web1.qmp --dest-qmp /run/web1-in.qmp\n"
                "two QEMUs on one host\n"
                "ssh host2 bitferry facts --qmp /run/web1.qmp | bitferry plan --qmp /run/web1.qmp "
                "--dest-facts -\n"
                "on two\n",
    .run = run_plan,
};

/* --- facts --- */

static int run_facts(const struct bf_arguments *args, struct bf_error *err)
{
    json_t *document = NULL;
    int r;

    if (!bf_option_given(args, OPT_QMP))
        return bf_error_set(err, BF_E_USAGE, "facts: --qmp is needed");
    r = gather(args, OPT_QMP, OPT_DISK, &document, err);
    return r < 0 ? r : bf_print_json(document, err);
}

const struct bf_command bf_facts_command = {
    .name = "facts",
    .summary = "Print what 'bitferry plan' needs to know of a QEMU on this host",
    .operands = "",
    .options = facts_options,
    .nr_options = NR_FACTS_OPTIONS,
    .description =
        "Asks a QEMU for its disks, images, bitmaps, mirrors, exports and the settings of its "
        "migration, and prints one JSON object, with or without *--json*.  Nothing is changed.",
    .examples = "bitferry facts --qmp /run/web1.qmp >web1.json\n"
                "for *bitferry plan --facts* on another host\n",
    .run = run_facts,
};
