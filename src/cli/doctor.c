/* `bitferry doctor`: will the next incremental backup work? */
#include "commands.h"
#include "diagnosis.h"
#include "doctor_report.h"
#include "options.h"
#include "output.h"

enum {
    OPT_DOMAIN,
    OPT_CONNECT,
    OPT_QMP,
    OPT_DISK,
    OPT_CHECKPOINTS,
    OPT_TLS,
    OPT_DEADLINE,
    NR_OPTIONS,
};

static const struct bf_option options[NR_OPTIONS] = {
    [OPT_DOMAIN] = BF_SUBJECT_OPTION_DOMAIN,
    [OPT_CONNECT] = BF_SUBJECT_OPTION_CONNECT,
    [OPT_QMP] = BF_SUBJECT_OPTION_QMP,
    [OPT_DISK] = {.name = "disk",
                  .letter = 'd',
                  .placeholder = "NAME=NODE",
                  .kind = BF_ARGUMENT_TEXT,
                  .repeatable = true,
                  .help = "with _--qmp_: a disk and the name of its block node; without any, all "
                          "disks of the guest under the names of their devices"},
    [OPT_CHECKPOINTS] = BF_SUBJECT_OPTION_CHECKPOINTS,
    [OPT_TLS] = BF_OPTION_TLS,
    [OPT_DEADLINE] = BF_OPTION_DEADLINE,
};

static const char description[] =
    "Looks at a VM, running or shut off, or at an archive, and tells for each disk and each "
    "checkpoint whether a backup since that checkpoint can be *incremental*, and how much it "
    "would copy, or must be *full*, and why; what was found, each with its reason and what mends "
    "it; and every check that was made.  Nothing is changed (but libvirt notes that a domain's "
    "monitor was used).\n"
    "\n"
    "Give a libvirt domain (_--domain_), a QMP socket (_--qmp_), or what is at rest: images "
    "(_FILE_ or _NAME=FILE_, with all images below), an archive folder, or the NBD URI of a "
    "bitferry server.\n"
    "\n"
    "A backup since a checkpoint needs everything that was written since.  In a *nested* chain "
    "(libvirt's) each checkpoint's bitmap has that by itself, if it is persistent, recording, "
    "consistent, and on the disk's images from the top down without a gap.  In a chain of "
    "*links* each bitmap holds what changed until the next checkpoint and is frozen then; only "
    "the newest records, and all from the checkpoint on are needed.  A disk that was plugged in "
    "after a checkpoint needs a full backup since then.\n"
    "\n"
    "Without libvirt, _--checkpoints_ tells which checkpoints there are:\n"
    "\n"
    "    {\"schema\": 1,\n"
    "     \"style\": \"links\",               or \"nested\"\n"
    "     \"checkpoints\": [\n"
    "       {\"name\": \"monday\",\n"
    "        \"parent\": null,               or the name of the checkpoint before\n"
    "        \"time\": 1700000000,           Unix time, or null: not known\n"
    "        \"disks\": [                    those that were there then\n"
    "          {\"disk\": \"vda\", \"bitmap\": \"monday\"}]}]}\n"
    "\n"
    "_time_ and _parent_ may be left out, and _bitmap_ where it is called like the checkpoint.  "
    "Without the file each persistent bitmap is taken for a nested checkpoint of its name.\n"
    "\n"
    "Exit status: 0 if every backup can be incremental, 3 if some must be full (or cannot be made "
    "now), 4 if all must, or if there is no checkpoint.\n"
    "\n"
    "What no bitmap shows, *doctor* cannot see: one that was frozen for a while and records "
    "again, one that was cleared, and one that QEMU calls persistent and will not store; of the "
    "last it warns where QEMU's last migration failed.\n"
    "\n"
    "Reasons for _full_: DISK_UNSEEN, DISK_INACTIVE (a migration is under way), "
    "DISK_NOT_IN_CHECKPOINT (plugged in later), CHECKPOINT_GONE (one in the middle of a chain of "
    "links), BITMAP_MISSING, BITMAP_INCONSISTENT (QEMU was killed, or could not store it), "
    "BITMAP_FROZEN (what is written is not recorded), BITMAP_TRANSIENT, LAYER_GAP (an image of "
    "the chain was written to without the bitmap); and BITMAP_BUSY: try again later.  Further "
    "codes, which do not make a backup full: BITMAP_UNKNOWN (no checkpoint says since when), "
    "BITMAP_TEMPORARY (of a move), DISK_GONE, IMAGE_CANNOT_STORE, MAY_NOT_BE_STORED.\n"
    "\n"
    "With *--json*: {\"schema\": 1, \"subject\", \"kind\", \"style\", \"checkpoints_from\", "
    "\"coverage\": [{\"disk\", \"since\", \"incremental\", \"reason\"?, \"bitmaps\"?: [{\"node\", "
    "\"file\", \"bitmap\"}], \"max_dirty_bytes\"?}], \"findings\": [{\"code\", \"severity\", "
    "\"check\", \"disk\", \"checkpoint\", \"bitmap\", \"image\", \"text\", \"detail\", \"remedy\": "
    "{\"text\", "
    "\"commands\"}}], \"checks\": [{\"check\", \"text\", \"done\", \"failed\"}], \"exit\"}.  "
    "\"bitmaps\" are those whose union the backup is made from.  \"commands\" are for a shell, "
    "or, with *--qmp*, for that socket.";

static const char examples[] =
    "bitferry doctor --domain web1\n"
    "before tonight's backup\n"
    "bitferry doctor --qmp /run/web1.qmp --checkpoints web1.json\n"
    "a QEMU without libvirt\n"
    "bitferry doctor vda=disk.qcow2 vdb=data.qcow2\n"
    "a VM that is shut off\n"
    "bitferry doctor --json --domain web1 | jq '.coverage[] | select(.incremental | not)'\n"
    "only what will be full\n";

static int report(const struct bf_arguments *args, const struct bf_diagnosis *diagnosis,
                  struct bf_error *err)
{
    json_t *json;

    if (!args->json)
        return bf_doctor_print(diagnosis, err);
    json = bf_doctor_to_json(diagnosis, err);
    return json ? bf_print_json(json, err) : -1;
}

static int run(const struct bf_arguments *args, struct bf_error *err)
{
    BF_CLEANUP(bf_subject_release) struct bf_subject subject = {.nr_disks = 0};
    BF_CLEANUP(bf_diagnosis_release) struct bf_diagnosis diagnosis = {.nr_cells = 0};
    struct bf_subject_request request = {
        .args = args,
        .domain = bf_option_value(args, OPT_DOMAIN),
        .connect = bf_option_value(args, OPT_CONNECT),
        .qmp = bf_option_value(args, OPT_QMP),
        .checkpoints = bf_option_value(args, OPT_CHECKPOINTS),
        .disk_option = OPT_DISK,
        .tls_certificates = bf_option_value(args, OPT_TLS),
    };
    int r = bf_option_deadline(args, OPT_DEADLINE, &request.deadline_ms, err);

    if (r == 0 && bf_option_given(args, OPT_DISK) && !request.qmp)
        r = bf_error_set(err, BF_E_USAGE, "doctor: --disk NAME=NODE goes with --qmp");
    if (r == 0)
        r = bf_subject_open(&request, &subject, err);
    if (r == 0)
        r = bf_diagnosis_make(&subject, &diagnosis, err);
    if (r == 0)
        r = report(args, &diagnosis, err);
    return r < 0 ? r : bf_diagnosis_exit(&diagnosis);
}

const struct bf_command bf_doctor_command = {
    .name = "doctor",
    .summary = "Tell whether the next incremental backups will work, and if not, why",
    .operands = "[TARGET...]",
    .operand_kind = BF_ARGUMENT_FILE,
    .max_operands = SIZE_MAX,
    .options = options,
    .nr_options = NR_OPTIONS,
    .description = description,
    .examples = examples,
    .run = run,
};
