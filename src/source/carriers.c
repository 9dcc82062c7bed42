/* The folder of a move's carriers: in memory (carrier_dir), because QEMU stands still while it
 * writes them, and with a name that nobody can guess, because it is where others may write too. */
#include "drive.h"

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

void source_carrier_socket(const struct source_drive *drive, char buf[SOURCE_PATH_BYTES])
{
    (void)snprintf(buf, SOURCE_PATH_BYTES, "%s/bitferry-%s/nbd.sock", drive->config->carrier_dir,
                   drive->move->id);
}

/* QEMU of another user enters by the folder's name, and opens only what was given to it; the socket
 * for block status it makes itself. */
static mode_t mode_for(const struct source_drive *drive)
{
    const struct bf_live_identity *qemu = bf_live_identity(bf_qemu_live(drive->qemu));

    return qemu->pid != 0 && qemu->uid != geteuid() && qemu->uid != 0 ? 0711 : 0700;
}

int source_carriers_begin(struct source_drive *drive, struct bf_error *err)
{
    mode_t mode = mode_for(drive);
    char path[SOURCE_PATH_BYTES];
    struct stat st;

    folder_path(drive, path);
    if (mkdir(path, 0700) < 0 && errno != EEXIST)
        return bf_error_set_errno(err, errno, "cannot make the folder %s (carrier_dir)", path);
    if (lstat(path, &st) < 0)
        return bf_error_set_errno(err, errno, "cannot look at the folder %s", path);
    if (!S_ISDIR(st.st_mode) || st.st_uid != geteuid())
        return bf_error_set(err, BF_E_PERMISSION, "%s is not this daemon's folder: remove it",
                            path);
    if (chmod(path, mode) < 0) /* the umask of a daemon lets nobody in */
        return bf_error_set_errno(err, errno, "cannot open the folder %s for QEMU", path);
    return 0;
}

void source_carriers_delete(struct source_drive *drive)
{
    char path[SOURCE_PATH_BYTES];

    for (uint32_t i = 0; i < drive->offer.nr_bitmaps; i++) {
        source_carrier_path(drive, BF_ROUND_RECORDING, i, path);
        (void)unlink(path);
    }
    for (uint32_t i = 0; i < drive->offer.nr_disks; i++) {
        source_carrier_path(drive, BF_ROUND_DELTA, i, path);
        (void)unlink(path);
    }
    source_carrier_socket(drive, path);
    (void)unlink(path);
    folder_path(drive, path);
    (void)rmdir(path);
}
