/* The tables of `bitferry migrate` and `bitferry redefine`; they are there without libvirt too. */
#include "commands.h"
#include "daemon_link.h"
#include "migrate.h"

static const struct bf_option migrate_options[BF_NR_MIGRATE_OPTIONS] = {
    [BF_MIGRATE_CONNECT] = {.name = "connect",
                            .letter = 'c',
                            .placeholder = "URI",
                            .kind = BF_ARGUMENT_TEXT,
                            .help = "libvirt at the source (libvirt's default)"},
    [BF_MIGRATE_DEST_CONNECT] = {.name = "dest-connect",
                                 .placeholder = "URI",
                                 .kind = BF_ARGUMENT_TEXT,
                                 .help = "libvirt at the destination as it is seen from here, if "
                                         "_DEST-URI_ is as the source sees it (--p2p)"},
    [BF_MIGRATE_KEEP] = {.name = "keep",
                         .placeholder = "FOLDER",
                         .kind = BF_ARGUMENT_FOLDER,
                         .help = "keep what was captured in this folder, whatever the outcome"},
    [BF_MIGRATE_SHARED] = {.name = "shared",
                           .help =
                               "with --offline: the images are the same files on both hosts, so "
                               "that the bitmaps can be looked at from here"},
    [BF_MIGRATE_DROP_INCONSISTENT] = {.name = "drop-inconsistent",
                                      .help = "remove inconsistent bitmaps and their checkpoints "
                                              "from the source first; nothing can use them"},
    [BF_MIGRATE_NO_REPAIR] = {.name = "no-repair",
                              .help = "after a failed migration leave the source's bitmaps as they "
                                      "are, even if QEMU will not store them any more"},
    [BF_MIGRATE_SOCKET] =
        {.name = "socket",
         .placeholder = "PATH",
         .kind = BF_ARGUMENT_FILE,
         .help = "the control socket of bitferry-source at the source (_" BF_SOURCE_SOCKET
                 "_, if libvirt there is this host's)"},
    [BF_MIGRATE_DEST_SOCKET] =
        {.name = "dest-socket",
         .placeholder = "PATH",
         .kind = BF_ARGUMENT_FILE,
         .help = "the control socket of bitferry-dest at the destination, where it "
                 "can be reached from here; else the daemon is told by libvirt's "
                 "hook (*expect_domains* there) or by bitferry-source "
                 "(*may_announce* there)"},
    [BF_MIGRATE_PEER] =
        {.name = "peer",
         .placeholder = "HOST",
         .kind = BF_ARGUMENT_TEXT,
         .help = "the destination as bitferry-source calls it (the host in _DEST-URI_)"},
    [BF_MIGRATE_ALONE] = {.name = "alone",
                          .help = "do not ask the daemons: do it all from here, over the two "
                                  "connections to libvirt"},
    [BF_MIGRATE_DRY_RUN] = {.name = "dry-run",
                            .letter = 'n',
                            .help = "show the plan and change nothing"},
};

static const struct bf_option redefine_options[BF_NR_REDEFINE_OPTIONS] = {
    [BF_REDEFINE_CONNECT] = {.name = "connect",
                             .letter = 'c',
                             .placeholder = "URI",
                             .kind = BF_ARGUMENT_TEXT,
                             .help = "libvirt at the destination (the one that was captured)"},
    [BF_REDEFINE_DOMAIN] = {.name = "domain",
                            .placeholder = "NAME",
                            .kind = BF_ARGUMENT_TEXT,
                            .help = "the domain there (the one with the captured UUID)"},
    [BF_REDEFINE_IMAGES_ELSEWHERE] = {.name = "images-elsewhere",
                                      .help = "do not look for a shut-off domain's images on this "
                                              "host: its paths are those of another one"},
    [BF_REDEFINE_RESTORE] = {.name = "restore",
                             .help = "put the captured bitmaps into images of a shut-off domain "
                                     "that lack them; only for copies that were made after it was "
                                     "shut off at the source, which bitferry cannot see"},
};

const struct bf_command bf_migrate_command = {
    .name = "migrate",
    .summary = "Migrate a libvirt domain together with its checkpoints",
    .operands = "DOMAIN DEST-URI [-- VIRSH-OPTION...]",
    .operand_kind = BF_ARGUMENT_TEXT,
    .min_operands = 2,
    .max_operands = SIZE_MAX,
    .options = migrate_options,
    .nr_options = BF_NR_MIGRATE_OPTIONS,
    .description =
        "Runs libvirt's own migration with the options behind _--_, which are those of *virsh "
        "migrate*, and sees to it that the checkpoints arrive too.  libvirt moves the bitmaps, "
        "with copied storage in its stream, with shared storage in the images, but forgets the "
        "definitions of the checkpoints.\n"
        "\n"
        "Before anything is touched, the definitions and the state, count and digest of every "
        "bitmap are captured in a folder on disk.  After the migration each bitmap is looked at "
        "through the destination's QEMU; a checkpoint whose bitmaps are all there, sound, and hold "
        "no less than at the source is defined again, parents first, adapted to the destination. "
        "One that lost some of its disks is defined without them, one that lost all is dropped, "
        "with the reason.  Then the source's definitions are deleted, and the stale bitmaps in "
        "images that were copied.\n"
        "\n"
        "Where *bitferry-source* runs on this host, it and *bitferry-dest* at the destination are "
        "told, and "
        "do what follows the migration: then it is finished even if this command, or its "
        "connection to the "
        "destination, is lost on the way.  The report names their moves.  Where one of them is not "
        "there, or "
        "fails, this command does it by itself, and says so.\n"
        "\n"
        "If the migration fails, libvirt's message is passed on and the source is as it was; its "
        "bitmaps are made anew, because QEMU would not store them any more.  If bitferry itself is "
        "killed, *bitferry redefine* finishes from the folder, which is by default "
        "_/var/lib/bitferry/migrate/UUID_.\n"
        "\n"
        "With _--offline_ libvirt moves only the definition of a shut-off domain.  Its images are "
        "the operator's: shared ones (_--shared_) are looked at here; where they were copied, copy "
        "the folder too and run *bitferry redefine* on the destination.  With _--suspend_ and "
        "shared storage QEMU shows no bitmaps until the domain is resumed; *bitferry redefine* "
        "finishes then.",
    .examples =
        "bitferry migrate web1 qemu+ssh://host2/system -- --live --persistent --copy-storage-all\n"
        "with its disks, whose images must be there, empty and of the same size\n"
        "bitferry migrate web1 qemu+tls://host2/system -- --live --p2p --persistent "
        "--undefinesource\n"
        "on shared storage, and gone from here\n"
        "bitferry migrate -n web1 qemu+ssh://host2/system -- --live\n"
        "only say what would be done\n",
    .run = bf_migrate_run,
};

const struct bf_command bf_redefine_command = {
    .name = "redefine",
    .summary = "Define captured checkpoints again where their bitmaps are",
    .operands = "FOLDER",
    .operand_kind = BF_ARGUMENT_FOLDER,
    .min_operands = 1,
    .max_operands = 1,
    .options = redefine_options,
    .nr_options = BF_NR_REDEFINE_OPTIONS,
    .description =
        "Finishes what *bitferry migrate* began, from the _FOLDER_ that it left: looks at the "
        "bitmaps of the domain at the destination and defines those checkpoints that are proven. "
        "It can be run again and again.\n"
        "\n"
        "Of a running domain the bitmaps are seen through its QEMU.  Of a shut-off one they are "
        "read from its images, so run it on the destination then (with *--connect* "
        "qemu:///system, say), with a copy of _FOLDER_.  That has the bitmaps themselves too: "
        "_--restore_ puts them into images that were copied without (_qemu-img convert_ leaves "
        "them behind), as *bitferry restore* does.",
    .examples = "bitferry redefine /var/lib/bitferry/migrate/$uuid\n"
                "once the domain has been resumed at the destination\n",
    .run = bf_redefine_run,
};
