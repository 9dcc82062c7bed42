/** `bitferry inspect`: which bitmaps there are, how dirty, and where. */
#include "catalog/json.h"
#include "commands.h"
#include "inspect_table.h"
#include "inspect_timeline.h"
#include "options.h"
#include "output.h"
#include "target.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
    OPT_DISK,
    OPT_BITMAP,
    OPT_NO_DIGEST,
    OPT_FORCE_SHARE,
    OPT_TLS,
    OPT_DEADLINE,
    OPT_TIMELINE,
    OPT_SVG,
    OPT_DOMAIN,
    OPT_CONNECT,
    OPT_QMP,
    OPT_CHECKPOINTS,
    NR_OPTIONS,
};

static const struct bf_option options[NR_OPTIONS] = {
    [OPT_DISK] = BF_OPTION_DISK,
    [OPT_BITMAP] = BF_OPTION_BITMAP,
    [OPT_NO_DIGEST] = {.name = "no-digest",
                       .letter = 'n',
                       .help = "do not read the bits: names, sizes and states only"},
    [OPT_FORCE_SHARE] = BF_OPTION_FORCE_SHARE,
    [OPT_TLS] = BF_OPTION_TLS,
    [OPT_DEADLINE] = BF_OPTION_DEADLINE,
    [OPT_TIMELINE] = {.name = "timeline",
                      .letter = 't',
                      .help = "draw the chain of the checkpoints, disk by disk, and the size of "
                              "each bitmap"},
    [OPT_SVG] = {.name = "svg",
                 .placeholder = "FILE",
                 .kind = BF_ARGUMENT_FILE,
                 .help = "the timeline as a picture, into this file"},
    [OPT_DOMAIN] = BF_SUBJECT_OPTION_DOMAIN,
    [OPT_CONNECT] = BF_SUBJECT_OPTION_CONNECT,
    [OPT_QMP] = BF_SUBJECT_OPTION_QMP,
    [OPT_CHECKPOINTS] = BF_SUBJECT_OPTION_CHECKPOINTS,
};

static const char description[] =
    "Shows, per disk, its size and its bitmaps: name, granularity (how much of the disk one bit "
    "stands for), whether it is recording or frozen, how much of the disk is dirty, and the "
    "first digits (all with *--verbose*) of the SHA-256 over its bits, which equals QEMU's "
    "_x-debug-block-dirty-bitmap-sha256_. Under each bitmap a strip shows where on the disk the "
    "dirty blocks lie: blank is clean, full is all dirty.\n\n"
    "A bitmap that is _inconsistent_ was not closed cleanly, or cannot be read for the reason "
    "given; its bits must not be used, and the next backup has to be a full one.\n\n"
    "The images that an image stands on are shown as _NAME[1]_ and so on: a checkpoint needs the "
    "bitmaps of all of them that were written since.\n\n"
    "An image that a running VM writes to is refused, as the bitmaps in the file are then stale; "
    "*--force-share* reads it all the same.\n\n"
    "With *--timeline* it draws the chain of checkpoints instead, one picture a disk: time goes "
    "from left to right, and each bitmap is a bar over the time that it stands for, with its "
    "size beside it; one of no use is dashed, with the reason (see *doctor*).  That goes for a "
    "libvirt domain and a running QEMU too (_--domain_, _--qmp_), and as an SVG picture (_--svg_). "
    " Then targets may be NAME=FILE, and all of them are disks of one VM.\n\n"
    "With *--json*: {\"schema\": 1, \"disks\": [{\"name\", \"target\", \"virtual_size_bytes\", "
    "\"bitmaps\": [{\"name\", \"granularity_bytes\", \"dirty_bytes\", \"sha256\", \"recording\", "
    "\"persistent\", \"consistent\"}]}]}. An inconsistent bitmap has a \"problem\" and neither "
    "\"dirty_bytes\" nor \"sha256\".  With *--timeline*: {\"schema\": 1, \"subject\", \"style\", "
    "\"disks\": [{\"name\", \"virtual_size_bytes\", \"bars\": [{\"bitmap\", \"from\", \"to\", "
    "\"state\", \"reason\", \"recording\", \"images\", \"dirty_bytes\"}]}]}; \"to\" is null where "
    "it goes on until now.";

static const char examples[] =
    "bitferry inspect vda.qcow2\n"
    "What is in this image?\n"
    "bitferry inspect --json /var/backups/archive | jq '.disks[].bitmaps[].name'\n"
    "The names of all bitmaps in an archive.\n"
    "bitferry inspect --timeline --domain web1 --svg web1.svg\n"
    "The checkpoints of a domain, as a picture.\n"
    "bitferry inspect nbds://host.example/ --tls-certificates /etc/pki/bitferry\n"
    "What does that server offer?\n";

static int open_target(const struct bf_arguments *args, const char *text,
                       struct bf_target **ret_target, struct bf_error *err)
{
    BF_CLEANUP(bf_target_freep) struct bf_target *target = NULL;
    struct bf_target_options target_options = {
        .args = args,
        .tls_certificates = bf_option_value(args, OPT_TLS),
        .force_share = bf_option_given(args, OPT_FORCE_SHARE),
        .chain = true,
    };
    int ret = bf_option_deadline(args, OPT_DEADLINE, &target_options.deadline_ms, err);

    if (ret == 0)
        ret = bf_target_open(text, &target_options, &target, err);
    if (ret == 0)
        ret = bf_target_select(target, &args->options[OPT_DISK], &args->options[OPT_BITMAP], err);
    if (ret == 0 && !bf_option_given(args, OPT_NO_DIGEST))
        ret = bf_target_summarize(target, err);
    if (ret == 0)
        *ret_target = bf_steal_ptr(&target);
    return ret;
}

/* Append the disks of @target to @disks, each with the target's text. */
static int append_disks(json_t *disks, const char *text, struct bf_target *target,
                        struct bf_error *err)
{
    json_t *catalog = bf_catalog_to_json(bf_target_catalog(target), err);
    json_t *disk;
    size_t i;
    int ret = 0;

    if (!catalog)
        return -ENOMEM;
    json_array_foreach(json_object_get(catalog, "disks"), i, disk)
    {
        ret |= json_object_set_new(disk, "target", bf_text_to_json(text));
        ret |= json_array_append(disks, disk);
    }
    json_decref(catalog);
    return ret == 0 ? 0 : bf_error_set(err, BF_E_NO_MEMORY, "out of memory");
}

static int inspect_json(const struct bf_arguments *args, struct bf_error *err)
{
    json_t *disks = json_array();
    int ret = disks ? 0 : bf_error_set(err, BF_E_NO_MEMORY, "out of memory");

    for (size_t i = 0; ret == 0 && i < args->nr_operands; i++) {
        BF_CLEANUP(bf_target_freep) struct bf_target *target = NULL;

        ret = open_target(args, args->operands[i], &target, err);
        if (ret == 0)
            ret = append_disks(disks, args->operands[i], target, err);
    }
    if (ret < 0) {
        json_decref(disks);
        return ret;
    }
    return bf_print_json(json_pack("{s:i, s:o}", "schema", BF_CATALOG_SCHEMA, "disks", disks), err);
}

static int inspect_text(const struct bf_arguments *args, struct bf_error *err)
{
    const struct bf_inspect_view view = {
        .args = args,
        .screen = bf_screen_of(stdout),
        .heat = !bf_option_given(args, OPT_NO_DIGEST),
    };
    int ret = 0;

    for (size_t i = 0; ret == 0 && i < args->nr_operands; i++) {
        BF_CLEANUP(bf_target_freep) struct bf_target *target = NULL;

        ret = open_target(args, args->operands[i], &target, err);
        if (ret == 0 && i > 0)
            (void)putchar('\n');
        if (ret == 0)
            ret = bf_inspect_print(&view, args->operands[i], target, err);
    }
    return ret;
}

static bool wants_timeline(const struct bf_arguments *args)
{
    return bf_option_given(args, OPT_TIMELINE) || bf_option_given(args, OPT_SVG) ||
           bf_option_given(args, OPT_DOMAIN) || bf_option_given(args, OPT_QMP) ||
           bf_option_given(args, OPT_CHECKPOINTS);
}

static int inspect_timeline(const struct bf_arguments *args, struct bf_error *err)
{
    struct bf_subject_request request = {
        .args = args,
        .domain = bf_option_value(args, OPT_DOMAIN),
        .connect = bf_option_value(args, OPT_CONNECT),
        .qmp = bf_option_value(args, OPT_QMP),
        .checkpoints = bf_option_value(args, OPT_CHECKPOINTS),
        .disk_option = OPT_DISK,
        .tls_certificates = bf_option_value(args, OPT_TLS),
    };
    int ret = bf_option_deadline(args, OPT_DEADLINE, &request.deadline_ms, err);

    if (ret == 0 && bf_option_given(args, OPT_DISK) && !request.qmp)
        ret = bf_error_set(err, BF_E_USAGE,
                           "inspect: with --timeline, --disk NAME=NODE goes with --qmp");
    return ret < 0 ? ret : bf_inspect_timeline(&request, bf_option_value(args, OPT_SVG), err);
}

static int run(const struct bf_arguments *args, struct bf_error *err)
{
    if (wants_timeline(args))
        return inspect_timeline(args, err);
    if (args->nr_operands == 0)
        return bf_error_set(err, BF_E_USAGE,
                            "inspect: give a TARGET: an image, an archive folder or an NBD URI");
    return args->json ? inspect_json(args, err) : inspect_text(args, err);
}

const struct bf_command bf_inspect_command = {
    .name = "inspect",
    .summary = "Show the bitmaps of images, archives and servers",
    .operands = "[TARGET...]",
    .operand_kind = BF_ARGUMENT_FILE,
    .max_operands = SIZE_MAX,
    .options = options,
    .nr_options = NR_OPTIONS,
    .description = description,
    .examples = examples,
    .run = run,
};
