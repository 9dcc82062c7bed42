#include "private_folder.h"

#include "base/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>

static int check(int fd, const char *name, mode_t mode, struct bf_error *err)
{
    struct stat st;

    if (fstat(fd, &st) < 0)
        return bf_error_set_errno(err, errno, "cannot look at the folder %s", name);
    if (st.st_uid != geteuid())
        return bf_error_set(err, BF_E_PERMISSION,
                            "the folder %s belongs to user %u, and this daemon runs as %u: it must "
                            "be the daemon's own",
                            name, (unsigned)st.st_uid, (unsigned)geteuid());
    if ((st.st_mode & 022) != 0)
        return bf_error_set(err, BF_E_PERMISSION,
                            "others may write to the folder %s (mode %03o), so what lies in it "
                            "cannot be trusted: look at it, then chmod it to %03o",
                            name, (unsigned)(st.st_mode & 0777), (unsigned)mode);
    if ((st.st_mode & 07777) != mode && fchmod(fd, mode) < 0)
        return bf_error_set_errno(err, errno, "cannot change the mode of the folder %s", name);
    return 0;
}

int bf_private_folder_open(int at_fd, const char *name, mode_t mode, int *ret_fd,
                           struct bf_error *err)
{
    BF_CLEANUP(bf_fd_closep) int fd = -1;
    int r;

    if (mkdirat(at_fd, name, mode) < 0 && errno != EEXIST)
        return bf_error_set_errno(err, errno, "cannot make the folder %s", name);
    fd = openat(at_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0 && (errno == ELOOP || errno == ENOTDIR))
        return bf_error_set(err, BF_E_PERMISSION, "%s is a symbolic link or no folder: remove it",
                            name);
    if (fd < 0)
        return bf_error_set_errno(err, errno, "cannot open the folder %s", name);
    r = check(fd, name, mode, err);
    if (r == 0)
        *ret_fd = bf_steal_fd(&fd);
    return r;
}

int bf_private_folder_lock(int folder_fd, const char *name, const char *whom, int *ret_fd,
                           struct bf_error *err)
{
    BF_CLEANUP(bf_fd_closep)
    int fd = openat(folder_fd, name, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);

    if (fd < 0)
        return bf_error_set_errno(err, errno, "cannot open the lock of %s", whom);
    if (flock(fd, LOCK_EX | LOCK_NB) < 0)
        return errno == EWOULDBLOCK
                   ? bf_error_set(err, BF_E_WORK_IN_PROGRESS, "another daemon has %s already", whom)
                   : bf_error_set_errno(err, errno, "cannot lock %s", whom);
    *ret_fd = bf_steal_fd(&fd);
    return 0;
}
