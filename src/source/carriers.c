/* The folder of a move's carriers: in memory (carrier_dir), because QEMU stands still while it
 * writes them, and with a name that nobody can guess, because others may write to carrier_dir. */
#include "drive.h"

#include "base/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

static void folder_path(const struct source_drive *drive, char buf[SOURCE_PATH_BYTES])
{
    (void)snprintf(buf, SOURCE_PATH_BYTES, "%s/bitferry-%s", drive->config->carrier_dir,
                   drive->move->id);
}

static const char *round_name(enum bf_round round)
{
    return round == BF_ROUND_DELTA ? "delta" : "snapshot";
}

void source_carrier_path(const struct source_drive *drive, enum bf_round round, uint32_t index,
                         char buf[SOURCE_PATH_BYTES])
{
    (void)snprintf(buf, SOURCE_PATH_BYTES, "%s/bitferry-%s/%s.%u.carrier.qcow2",
                   drive->config->carrier_dir, drive->move->id, round_name(round), (unsigned)index);
}

void source_carrier_draft(const struct source_drive *drive, enum bf_round round, uint32_t index,
                          char buf[SOURCE_PATH_BYTES])
{
    (void)snprintf(buf, SOURCE_PATH_BYTES, "%s/bitferry-%s/%s.%u.draft.qcow2",
                   drive->config->carrier_dir, drive->move->id, round_name(round), (unsigned)index);
}

int source_carrier_publish(const struct source_drive *drive, enum bf_round round, uint32_t index,
                           struct bf_error *err)
{
    char draft[SOURCE_PATH_BYTES];
    char path[SOURCE_PATH_BYTES];

    source_carrier_draft(drive, round, index, draft);
    source_carrier_path(drive, round, index, path);
    if (rename(draft, path) < 0)
        return bf_error_set_errno(err, errno, "cannot rename %s", draft);
    return 0;
}

/* nbdkit may have it open for as long as the move goes on. */
static void give_room_back(const char *path)
{
    int fd = open(path, O_WRONLY | O_TRUNC | O_NOFOLLOW | O_CLOEXEC);

    if (fd >= 0)
        (void)close(fd);
}

/* QEMU reads what it has opened at each query-named-block-nodes, which fails for all nodes where
 * that is no image any more. */
void source_carrier_delete(const struct source_drive *drive, enum bf_round round, uint32_t index)
{
    uint8_t opened = round == BF_ROUND_DELTA ? SOURCE_NOT_OPENED : drive->opened[index];
    char path[SOURCE_PATH_BYTES];

    source_carrier_draft(drive, round, index, path);
    if (opened != SOURCE_OPENED)
        (void)unlink(path);
    source_carrier_path(drive, round, index, path);
    if (opened == SOURCE_NOT_OPENED)
        give_room_back(path);
    (void)unlink(path);
}

/* No carrier: whoever waits for it is refused. */
void source_carrier_spoil(const struct source_drive *drive, enum bf_round round, uint32_t index)
{
    BF_CLEANUP(bf_fd_closep) int fd = -1;
    char path[SOURCE_PATH_BYTES];

    source_carrier_delete(drive, round, index);
    source_carrier_path(drive, round, index, path);
    fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
}

static void qemu_folder_path(const struct source_drive *drive, char buf[SOURCE_PATH_BYTES])
{
    (void)snprintf(buf, SOURCE_PATH_BYTES, "%s/bitferry-%s/qemu", drive->config->carrier_dir,
                   drive->move->id);
}

void source_carrier_socket(const struct source_drive *drive, char buf[SOURCE_PATH_BYTES])
{
    (void)snprintf(buf, SOURCE_PATH_BYTES, "%s/bitferry-%s/qemu/nbd", drive->config->carrier_dir,
                   drive->move->id);
}

/* After a restart it may be there. */
static int make_folder(const char *path, struct bf_error *err)
{
    struct stat st;

    if (mkdir(path, 0700) < 0 && errno != EEXIST)
        return bf_error_set_errno(err, errno, "cannot make the folder %s (carrier_dir)", path);
    if (lstat(path, &st) < 0)
        return bf_error_set_errno(err, errno, "cannot look at the folder %s", path);
    if (!S_ISDIR(st.st_mode))
        return bf_error_set(err, BF_E_PERMISSION, "%s is no folder: remove it", path);
    return 0;
}

/* A QEMU of another user passes through our folder, opens the files that are given to it, and has a
 * folder of its own to put a socket into. */
static int admit(const char *path, const char *qemu_path, const struct bf_live_identity *qemu,
                 struct bf_error *err)
{
    if (qemu->pid == 0 || qemu->uid == geteuid() || geteuid() != 0)
        return 0;
    if (chmod(path, 0711) < 0)
        return bf_error_set_errno(err, errno, "cannot open the folder %s for QEMU", path);
    if (lchown(qemu_path, qemu->uid, qemu->gid) < 0)
        return bf_error_set_errno(err, errno, "cannot give %s to QEMU's user", qemu_path);
    return 0;
}

int source_carriers_begin(struct source_drive *drive, struct bf_error *err)
{
    char path[SOURCE_PATH_BYTES];
    char qemu_path[SOURCE_PATH_BYTES];
    int r;

    folder_path(drive, path);
    qemu_folder_path(drive, qemu_path);
    r = make_folder(path, err);
    if (r == 0)
        r = make_folder(qemu_path, err);
    if (r < 0 || drive->images)
        return r;
    return admit(path, qemu_path, bf_live_identity(bf_qemu_live(drive->qemu)), err);
}

void source_carriers_delete(struct source_drive *drive)
{
    char path[SOURCE_PATH_BYTES];

    for (uint32_t i = 0; i < drive->offer.nr_bitmaps; i++)
        source_carrier_delete(drive, BF_ROUND_RECORDING, i);
    for (uint32_t i = 0; i < drive->offer.nr_disks; i++)
        source_carrier_delete(drive, BF_ROUND_DELTA, i);
    source_carrier_socket(drive, path);
    (void)unlink(path);
    qemu_folder_path(drive, path);
    (void)rmdir(path);
    folder_path(drive, path);
    (void)rmdir(path);
}
