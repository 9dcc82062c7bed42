#include "bridge_folder.h"

#include "base/cleanup.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define PREFIX "bitferry-qmp."

static const char parent[] = "/tmp";

static void remove_at(int parent_fd, int fd, const char *name)
{
    (void)unlinkat(fd, "qmp", 0);
    (void)unlinkat(parent_fd, name, AT_REMOVEDIR);
}

/* Ours, and nobody holds it. */
static void sweep_one(int parent_fd, const char *name)
{
    BF_CLEANUP(bf_fd_closep)
    int fd = openat(parent_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    struct stat st;

    if (fd >= 0 && fstat(fd, &st) == 0 && st.st_uid == geteuid() &&
        flock(fd, LOCK_EX | LOCK_NB) == 0)
        remove_at(parent_fd, fd, name);
}

static void sweep(void)
{
    DIR *dir = opendir(parent);
    const struct dirent *entry;

    while (dir && (entry = readdir(dir))) {
        if (strncmp(entry->d_name, PREFIX, sizeof PREFIX - 1) == 0)
            sweep_one(dirfd(dir), entry->d_name);
    }
    if (dir)
        (void)closedir(dir);
}

/* 1: another process that sweeps has taken it for a left one. */
static int make_and_lock(struct bf_bridge_folder *folder, struct bf_error *err)
{
    struct stat st;

    (void)snprintf(folder->path, sizeof folder->path, "%s/" PREFIX "XXXXXX", parent);
    if (!mkdtemp(folder->path)) {
        folder->path[0] = '\0';
        return bf_error_set_errno(err, errno, "cannot make a folder in %s", parent);
    }
    folder->fd = open(folder->path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (folder->fd >= 0 && flock(folder->fd, LOCK_EX | LOCK_NB) == 0 &&
        fstat(folder->fd, &st) == 0 && st.st_nlink > 0)
        return 0;
    bf_bridge_folder_remove(folder);
    return 1;
}

int bf_bridge_folder_make(struct bf_bridge_folder *ret_folder, struct bf_error *err)
{
    enum { TRIES = 100 };
    int r = 1;

    sweep();
    for (int i = 0; i < TRIES && r == 1; i++)
        r = make_and_lock(ret_folder, err);
    return r == 1 ? bf_error_set(err, BF_E_IO, "cannot lock a folder in %s", parent) : r;
}

void bf_bridge_folder_remove(struct bf_bridge_folder *folder)
{
    if (folder->path[0] && folder->fd >= 0)
        (void)unlinkat(folder->fd, "qmp", 0);
    if (folder->path[0])
        (void)rmdir(folder->path);
    if (folder->fd >= 0)
        (void)close(folder->fd);
    *folder = (struct bf_bridge_folder){.fd = -1};
}
