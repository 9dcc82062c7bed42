#include "drive/carriers.h"

#include "base/cleanup.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *folder_path(const struct bf_config *config, const char *move_id,
                               char buf[BF_CARRIER_PATH_MAX + 1])
{
    (void)snprintf(buf, BF_CARRIER_PATH_MAX + 1, "%s/bitferry-%s", config->carrier_dir, move_id);
    return buf;
}

const char *bf_carrier_path(const struct bf_config *config, const char *move_id,
                            enum bf_round round, uint32_t index, char buf[BF_CARRIER_PATH_MAX + 1])
{
    (void)snprintf(buf, BF_CARRIER_PATH_MAX + 1, "%s/bitferry-%s/%s.%u.carrier.qcow2",
                   config->carrier_dir, move_id, round == BF_ROUND_DELTA ? "delta" : "snapshot",
                   (unsigned)index);
    return buf;
}

/* QEMU of another user enters by the folder's name, and opens only what was given to it. */
static mode_t mode_for(const struct bf_live_identity *qemu)
{
    return qemu && qemu->pid != 0 && qemu->uid != geteuid() && qemu->uid != 0 ? 0711 : 0700;
}

int bf_carrier_folder_make(const struct bf_config *config, const char *move_id,
                           const struct bf_live_identity *qemu, struct bf_error *err)
{
    char path[BF_CARRIER_PATH_MAX + 1];
    struct stat st;

    (void)folder_path(config, move_id, path);
    if (mkdir(path, 0700) < 0 && errno != EEXIST)
        return bf_error_set_errno(err, errno, "cannot make the folder %s (carrier_dir)", path);
    if (lstat(path, &st) < 0)
        return bf_error_set_errno(err, errno, "cannot look at the folder %s", path);
    if (!S_ISDIR(st.st_mode) || st.st_uid != geteuid())
        return bf_error_set(err, BF_E_PERMISSION, "%s is not this daemon's folder: remove it",
                            path);
    if (chmod(path, mode_for(qemu)) < 0) /* the umask of a daemon lets nobody in */
        return bf_error_set_errno(err, errno, "cannot open the folder %s for QEMU", path);
    return 0;
}

void bf_carrier_denied(const struct bf_config *config, struct bf_move *move,
                       const struct bf_error *err)
{
    BF_CLEANUP(bf_freep) char *text = NULL;

    if (!strstr(err->text, strerror(EACCES)) && !strstr(err->text, strerror(EPERM)))
        return;
    if (asprintf(&text,
                 "QEMU was not let at the bitmaps in %s: its user must be able to pass that folder "
                 "(carrier_dir); where AppArmor confines it, '%s/bitferry-*/** rwk,' belongs into "
                 "/etc/apparmor.d/local/abstractions/libvirt-qemu; SELinux tells more with "
                 "'ausearch -m avc'",
                 config->carrier_dir, config->carrier_dir) < 0)
        text = NULL;
    if (text)
        bf_move_warn(move, text);
}

void bf_carrier_folder_remove(const struct bf_config *config, const char *move_id,
                              uint32_t nr_bitmaps, uint32_t nr_disks)
{
    char path[BF_CARRIER_PATH_MAX + 1];

    for (uint32_t i = 0; i < nr_bitmaps; i++)
        (void)unlink(bf_carrier_path(config, move_id, BF_ROUND_RECORDING, i, path));
    for (uint32_t i = 0; i < nr_disks; i++)
        (void)unlink(bf_carrier_path(config, move_id, BF_ROUND_DELTA, i, path));
    (void)rmdir(folder_path(config, move_id, path));
}
