/* `bitferry start` and `bitferry expect`: the two ends of a move are told of it. */
#include "archive_files.h"
#include "catalog/checkpoints.h"
#include "daemon_link.h"
#include "output.h"
#include "pairs.h"
#include "vm_choice.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

enum {
    OPT_VM,
    OPT_UUID,
    OPT_QMP,
    OPT_DOMAIN,
    OPT_CONNECT,
    OPT_DISK,
    OPT_IMAGE,
    OPT_MODE,
    OPT_SOCKET,
    NR_EXPECT_OPTIONS
};
enum {
    OPT_PEER = NR_EXPECT_OPTIONS,
    OPT_READ,
    OPT_SNAPSHOTS,
    OPT_HANDOVER,
    OPT_NO_REPAIR,
    OPT_NO_HOLD,
    OPT_CHECKPOINTS,
    NR_START_OPTIONS
};

enum { PREPARED_TIMEOUT_MS = 2000, SLACK_MS = 1000 };

#define PLAN_OPTIONS                                                                               \
    [OPT_VM] = {.name = "vm",                                                                      \
                .placeholder = "NAME",                                                             \
                .kind = BF_ARGUMENT_TEXT,                                                          \
                .help = "the virtual machine's name"},                                             \
    [OPT_UUID] = {.name = "uuid",                                                                  \
                  .placeholder = "UUID",                                                           \
                  .kind = BF_ARGUMENT_TEXT,                                                        \
                  .help = "its UUID, the same on both hosts: by it the two ends find each other"}, \
    [OPT_QMP] = {.name = "qmp",                                                                    \
                 .placeholder = "PATH",                                                            \
                 .kind = BF_ARGUMENT_FILE,                                                         \
                 .help = "a QMP socket of its QEMU on this host, for the daemon alone"},           \
    [OPT_DOMAIN] = {.name = "domain",                                                              \
                    .placeholder = "NAME",                                                         \
                    .kind = BF_ARGUMENT_TEXT,                                                      \
                    .help = "a libvirt domain in place of --qmp, by name or UUID: its QEMU is "    \
                            "reached through libvirt, and its checkpoints come along; --vm and "   \
                            "--uuid are libvirt's where it knows the domain already"},             \
    [OPT_CONNECT] = {.name = "connect",                                                            \
                     .letter = 'c',                                                                \
                     .placeholder = "URI",                                                         \
                     .kind = BF_ARGUMENT_TEXT,                                                     \
                     .help = "libvirt on this host, for --domain (libvirt's default)"},            \
    [OPT_DISK] = {.name = "disk",                                                                  \
                  .letter = 'd',                                                                   \
                  .placeholder = "NAME=NODE",                                                      \
                  .kind = BF_ARGUMENT_TEXT,                                                        \
                  .repeatable = true,                                                              \
                  .help = "a disk and the name of its block node here; without any, all disks "    \
                          "of the machine under the names of their devices"},                      \
    [OPT_IMAGE] = {.name = "image",                                                                \
                   .placeholder = "NAME=FILE",                                                     \
                   .kind = BF_ARGUMENT_TEXT,                                                       \
                   .repeatable = true,                                                             \
                   .help =                                                                         \
                       "instead of --qmp, of a machine that is shut off: a disk and its qcow2 "    \
                       "image here, with the images that it stands on"},                           \
    [OPT_MODE] = {.name = "mode",                                                                  \
                  .placeholder = "DISK=MODE",                                                      \
                  .kind = BF_ARGUMENT_TEXT,                                                        \
                  .repeatable = true,                                                              \
                  .help = "how this disk goes, where that is not to be decided by what is "        \
                          "found: *shared*, *stream* (QEMU's own transfer of bitmaps, which "      \
                          "bitferry sets up) or *nbd* (a mirror); see *bitferry plan*"},           \
    [OPT_SOCKET] = BF_OPTION_SOCKET

static const struct bf_option expect_options[NR_EXPECT_OPTIONS] = {PLAN_OPTIONS};

static const struct bf_option start_options[NR_START_OPTIONS] = {
    PLAN_OPTIONS,
    [OPT_PEER] = {.name = "peer",
                  .placeholder = "HOST",
                  .kind = BF_ARGUMENT_TEXT,
                  .required = true,
                  .help = "the host that the machine goes to, where bitferry-dest listens"},
    [OPT_READ] = {.name = "read",
                  .placeholder = "HOW",
                  .kind = BF_ARGUMENT_TEXT,
                  .help = "how the bits are got out of QEMU: *auto*, *spill* or *block-status*"},
    [OPT_SNAPSHOTS] = {.name = "snapshots",
                       .placeholder = "WHEN",
                       .kind = BF_ARGUMENT_TEXT,
                       .help = "when they are taken and travel, where QEMU mirrors the disks: "
                               "*early*, while it copies, so that next to nothing is left to be "
                               "done when it is ready; *ready*, only then; *auto* is *early* with "
                               "a QEMU up to 7.2, and with one from 10.0 on if no mirror has begun "
                               "before this command has ended, else *ready*: of these QEMUs each "
                               "file that is opened or closed waits for the mirror's writes that "
                               "are under way, and the guest with it (0.4 s over 1 Gbit/s)"},
    [OPT_HANDOVER] = {.name = "handover",
                      .placeholder = "KIND",
                      .kind = BF_ARGUMENT_TEXT,
                      .help =
                          "*tracker* where QEMU mirrors the disks, which *auto* is too; "
                          "*freeze* where they are copied by other means: then what is written "
                          "last travels while the machine is paused (*bitferry wait --for "
                          "frozen*); *native* where QEMU brings the bitmaps by itself, into a "
                          "QEMU that cannot be seen until the machine runs there, which *auto* "
                          "is with --domain: then they are only judged on arrival.  Where libvirt "
                          "itself moves a domain only this can be done; the others are for a "
                          "domain that an orchestrator moves with QEMU's own commands"},
    [OPT_NO_REPAIR] = {.name = "no-repair",
                       .help =
                           "do not mend the bitmaps here when a migration in which QEMU carried "
                           "them has failed, which leaves them looking well but lost at the "
                           "next shutdown: only say so"},
    [OPT_NO_HOLD] = {.name = "no-hold",
                     .help = "leave the bitmaps where they are while the machine migrates: QEMU "
                             "then stores them in the image here while the machine is paused, "
                             "3 to 5 ms for 1 TiB at 64 KiB each; else they stand under names of "
                             "bitferry meanwhile, and are put back if the machine stays here"},
    [OPT_CHECKPOINTS] = {.name = "checkpoints",
                         .placeholder = "FILE",
                         .kind = BF_ARGUMENT_FILE,
                         .help = "what the bitmaps are for, in JSON: it travels with them, and "
                                 "*bitferry status --json* on the other host shows it together "
                                 "with what became of each"},
};

/* @words: NULL at the end. */
static int check_word(const struct bf_arguments *args, size_t option, const char *const *words,
                      struct bf_error *err)
{
    const char *value = bf_option_value(args, option);

    for (size_t i = 0; value && words[i]; i++) {
        if (strcmp(value, words[i]) == 0)
            return 0;
    }
    return value ? bf_error_set(err, BF_E_USAGE, "%s: what is --%s '%.100s'?", args->command->name,
                                args->command->options[option].name, value)
                 : 0;
}

static int check(const struct bf_arguments *args, bool start, struct bf_error *err)
{
    static const char *const reads[] = {"auto", "spill", "block-status", NULL};
    static const char *const moments[] = {"auto", "early", "ready", NULL};
    static const char *const handovers[] = {"auto", "tracker", "freeze", "native", NULL};
    int r = 0;

    if (start)
        r = check_word(args, OPT_READ, reads, err);
    if (r == 0 && start)
        r = check_word(args, OPT_SNAPSHOTS, moments, err);
    if (r == 0 && start)
        r = check_word(args, OPT_HANDOVER, handovers, err);
    return r;
}

static int images_to_json(const struct bf_arguments *args, json_t **ret_disks, struct bf_error *err)
{
    json_t *disk;
    size_t i;
    int r = bf_pairs_to_json(args, OPT_IMAGE, "name", "image", ret_disks, err);

    if (r < 0)
        return r;
    json_array_foreach(*ret_disks, i, disk)
    {
        BF_CLEANUP(bf_freep)
        char *path = bf_vm_absolute(json_string_value(json_object_get(disk, "image")));

        if (!path || json_object_set_new(disk, "image", json_string(path)) < 0)
            return bf_error_set(err, BF_E_IO, "cannot tell the working folder");
    }
    return 0;
}

static int put_pairs(const struct bf_arguments *args, json_t *request, struct bf_error *err)
{
    json_t *disks = NULL;
    json_t *modes = NULL;
    int r = args->options[OPT_IMAGE].given
                ? images_to_json(args, &disks, err)
                : bf_pairs_to_json(args, OPT_DISK, "name", "node", &disks, err);

    if (r == 0)
        r = bf_pairs_to_json(args, OPT_MODE, "disk", "mode", &modes, err);
    if (disks && json_object_set_new(request, "disks", disks) < 0)
        r = bf_error_set(err, BF_E_NO_MEMORY, "out of memory");
    if (modes && json_array_size(modes) == 0)
        json_decref(modes);
    else if (modes && json_object_set_new(request, "modes", modes) < 0)
        r = bf_error_set(err, BF_E_NO_MEMORY, "out of memory");
    return r;
}

static int put_checkpoints(const struct bf_arguments *args, json_t *request, struct bf_error *err)
{
    const char *path = bf_option_value(args, OPT_CHECKPOINTS);
    struct bf_checkpoints checkpoints = {.nr_items = 0};
    BF_CLEANUP(bf_freep) char *text = NULL;
    size_t nr_bytes;
    int r;

    if (!path)
        return 0;
    r = bf_file_read(AT_FDCWD, path, BF_CHECKPOINTS_JSON_MAX_BYTES, &text, &nr_bytes, err);
    if (r == 0)
        r = bf_checkpoints_parse(text, nr_bytes, &checkpoints, err);
    if (r == 0 &&
        json_object_set_new(request, "checkpoints", bf_checkpoints_to_json(&checkpoints)) < 0)
        r = bf_error_set(err, BF_E_NO_MEMORY, "out of memory");
    bf_checkpoints_release(&checkpoints);
    return r < 0 ? bf_error_prefix(err, "%s", path) : 0;
}

static bool put_flag(const struct bf_arguments *args, size_t option, const char *key,
                     json_t *request)
{
    return !bf_option_given(args, option) || json_object_set_new(request, key, json_true()) == 0;
}

static int make_request(const struct bf_arguments *args, json_t **ret_request, struct bf_error *err)
{
    static const struct bf_vm_options options = {OPT_VM,     OPT_UUID,    OPT_QMP,  OPT_DISK,
                                                 OPT_DOMAIN, OPT_CONNECT, OPT_IMAGE};
    BF_CLEANUP(bf_vm_choice_release) struct bf_vm_choice vm = {.vm = NULL};
    BF_CLEANUP(json_decrefp) json_t *request = NULL;
    bool start = args->command->nr_options == NR_START_OPTIONS;
    int r = check(args, start, err);

    if (r == 0)
        r = bf_vm_choose(args, &options, &vm, err);
    if (r < 0)
        return r;
    request = json_pack("{s:s, s:s, s:s, s:s*, s:s*, s:s*, s:s*, s:s*, s:s*, s:s*}", "op",
                        args->command->name, "vm", vm.vm, "uuid", vm.uuid, "qmp", vm.qmp, "domain",
                        vm.domain, "connect", vm.connect, "peer",
                        start ? bf_option_value(args, OPT_PEER) : NULL, "read",
                        start ? bf_option_value(args, OPT_READ) : NULL, "snapshots",
                        start ? bf_option_value(args, OPT_SNAPSHOTS) : NULL, "handover",
                        start ? bf_option_value(args, OPT_HANDOVER) : NULL);
    if (!request)
        return bf_error_set(err, BF_E_USAGE, "%s: the options must be UTF-8", args->command->name);
    r = put_pairs(args, request, err);
    if (r == 0 && start &&
        (!put_flag(args, OPT_NO_REPAIR, "no_repair", request) ||
         !put_flag(args, OPT_NO_HOLD, "no_hold", request)))
        r = bf_error_set(err, BF_E_NO_MEMORY, "out of memory");
    if (r == 0 && start)
        r = put_checkpoints(args, request, err);
    if (r == 0)
        *ret_request = bf_steal_ptr(&request);
    return r;
}

/* Whoever begins a mirror behind this command gives the daemon the moment that it needs before
 * that. What goes wrong meanwhile *status* tells. */
static void await_prepared(struct bf_client *client, const char *id)
{
    BF_CLEANUP(json_decrefp)
    json_t *request = json_pack("{s:s, s:s, s:s, s:i}", "op", "wait", "id", id, "for", "prepared",
                                "timeout_ms", PREPARED_TIMEOUT_MS);
    BF_CLEANUP(json_decrefp) json_t *reply = NULL;

    if (request && bf_client_send(client, request, NULL) == 0)
        (void)bf_client_receive(client, PREPARED_TIMEOUT_MS + SLACK_MS, &reply, NULL);
}

static int run(const struct bf_arguments *args, struct bf_error *err)
{
    bool start = args->command->nr_options == NR_START_OPTIONS;
    BF_CLEANUP(bf_client_closep) struct bf_client *client = NULL;
    BF_CLEANUP(json_decrefp) json_t *request = NULL;
    BF_CLEANUP(json_decrefp) json_t *reply = NULL;
    int r = make_request(args, &request, err);

    if (r == 0)
        r = bf_daemon_open(bf_option_value(args, OPT_SOCKET), start ? BF_ROLE_SOURCE : BF_ROLE_DEST,
                           &client, err);
    if (r == 0)
        r = bf_client_call(client, request, &reply, err);
    if (r < 0)
        return r;
    if (start)
        await_prepared(client, bf_daemon_text(reply, "id"));
    if (json_is_true(json_object_get(reply, "existing")))
        bf_note(args, "this move was begun before, by the same request");
    if (args->json)
        return bf_daemon_print_json(bf_steal_ptr(&reply), err);
    (void)puts(bf_daemon_text(reply, "id"));
    return 0;
}

const struct bf_command bf_start_command = {
    .name = "start",
    .summary = "Let the bitmaps of a machine go with it to another host",
    .operands = "",
    .options = start_options,
    .nr_options = NR_START_OPTIONS,
    .description =
        "Asks bitferry-source on this host to hand over the bitmaps of a machine that is about to "
        "move to _HOST_, and prints the id of the move.  The daemon then follows QEMU by itself. "
        "*bitferry expect* is its counterpart on the other host; the two may come in any order.  "
        "Begin the mirrors when it has ended: with QEMU 10 it waits, a fraction of a second, until "
        "QEMU has opened what it is to write bitmaps to while they copy.\n"
        "\n"
        "How each disk goes, by a shared image, in QEMU's migration stream or beside a mirror, is "
        "decided by what both sides find; *bitferry plan* says it before, *bitferry status* while "
        "it is under way, and *--mode* overrides it.  Where a disk is not mirrored the machine "
        "should be paused before the switchover (capability _pause-before-switchover_): what it "
        "writes last is carried then.\n"
        "\n"
        "The same request again prints the same id; a different one for a machine that is under "
        "way "
        "is refused (exit status 11).\n"
        "\n"
        "A machine that is *shut off* moves the same way, with --image for each disk on both hosts "
        "instead of --qmp.  Its images are copied by other means, before or after _start_, but "
        "before _expect_ on the other host; nobody can start the machine here meanwhile.  The "
        "bitmaps are put into the copies all or none, proven there, and then removed from the "
        "images here.  Where images stand on others, each gets its own bitmaps again; in a copy "
        "that was made flat each checkpoint gets all that its images have.\n"
        "\n"
        "A *libvirt domain* (--domain) is then migrated with virsh, or by whatever does it.  "
        "libvirt "
        "brings the bitmaps by itself; they are judged on arrival by what they were here, and the "
        "definitions of the checkpoints, which libvirt forgets, come along and are made again.  "
        "*bitferry migrate* does both in one.",
    .examples =
        "id=$(bitferry start --vm web1 --uuid $uuid --qmp /run/web1.qmp --peer host2)\n"
        "begin on the source; *bitferry wait* follows\n"
        "bitferry start --vm web1 --uuid $uuid --image vda=/images/web1.qcow2 --peer host2\n"
        "the same for a machine that is shut off\n"
        "bitferry start --domain web1 --peer host2\n"
        "of a libvirt domain, before *virsh migrate*\n",
    .run = run,
};

const struct bf_command bf_expect_command = {
    .name = "expect",
    .summary = "Take in the bitmaps of a machine that comes from another host",
    .operands = "",
    .options = expect_options,
    .nr_options = NR_EXPECT_OPTIONS,
    .description =
        "Asks bitferry-dest on this host to take in the bitmaps of a machine whose QEMU waits here "
        "for its migration, or that is shut off (--image), and prints the id that the move has on "
        "this host.  A libvirt domain (--domain) need not be there yet; where libvirt's hook tells "
        "the daemon what comes, this is not needed at all (*expect_domains* in bitferry-dest(8)).",
    .examples = "bitferry expect --vm web1 --uuid $uuid --qmp /run/web1.qmp --disk vda=node0\n"
                "the counterpart of *bitferry start* on the host that the machine goes to\n"
                "bitferry expect --domain web1 --uuid $uuid\n"
                "of a domain that libvirt will migrate to this host\n",
    .run = run,
};
