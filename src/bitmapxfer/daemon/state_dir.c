/* The daemon's folder as a whole: its lock, what is in it, what goes from it. */
#include "base/fail_point.h"
#include "daemon/folder.h"
#include "daemon/log.h"
#include "daemon/move.h"
#include "private_folder.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

/* The names in a folder, but "." and "..". */
static int each_name(int folder_fd, int (*each)(void *ctx, const char *name), void *ctx,
                     struct bf_error *err)
{
    int fd = openat(folder_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *directory = fd < 0 ? NULL : fdopendir(fd);
    struct dirent *entry;
    int r = 0;

    if (!directory) {
        r = bf_error_set_errno(err, errno, "cannot list a folder of the daemon's");
        if (fd >= 0)
            (void)close(fd);
        return r;
    }
    while (r >= 0 && (entry = readdir(directory))) {
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            r = each(ctx, entry->d_name);
    }
    (void)closedir(directory);
    return r < 0 ? r : 0;
}

static int remove_file(void *ctx, const char *name)
{
    const int *folder_fd = ctx;

    if (unlinkat(*folder_fd, name, 0) < 0)
        bf_log(BF_LOG_WARNING, "cannot remove %s of a move that is over: %s", name,
               strerror(errno));
    return 0;
}

/* Remove a folder, which nobody looks for under this name any more, and the files in it. */
static int remove_folder(void *ctx, const char *name)
{
    const int *moves_fd = ctx;
    BF_CLEANUP(bf_fd_closep) int fd = -1;

    if (name[0] != '.')
        return 0;
    fd = openat(*moves_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd >= 0)
        (void)each_name(fd, remove_file, &fd, NULL);
    bf_fail_point("folder.emptied");
    if (unlinkat(*moves_fd, name, fd >= 0 ? AT_REMOVEDIR : 0) < 0)
        bf_log(BF_LOG_WARNING, "cannot remove %s in the folder of moves: %s", name,
               strerror(errno));
    return 0;
}

int bf_state_dir_open(const char *path, struct bf_state_dir *ret_state, struct bf_error *err)
{
    struct bf_state_dir state = {-1, -1, -1, -1};
    int r = bf_private_folder_open(AT_FDCWD, path, 0700, &state.fd, err);

    if (r == 0)
        r = bf_private_folder_lock(state.fd, "lock", path, &state.lock_fd, err);
    if (r == 0)
        r = bf_private_folder_open(state.fd, "moves", 0700, &state.moves_fd, err);
    if (r == 0)
        r = bf_private_folder_open(state.fd, "quarantine", 0700, &state.quarantine_fd, err);
    if (r == 0)
        r = each_name(state.moves_fd, remove_folder, &state.moves_fd, err);
    if (r < 0)
        bf_state_dir_close(&state);
    *ret_state = state;
    return r;
}

void bf_state_dir_close(struct bf_state_dir *state)
{
    int *const fds[] = {&state->quarantine_fd, &state->moves_fd, &state->lock_fd, &state->fd};

    for (size_t i = 0; i < sizeof fds / sizeof fds[0]; i++) {
        if (*fds[i] >= 0)
            (void)close(*fds[i]);
        *fds[i] = -1;
    }
}

struct listing {
    int (*each)(void *ctx, const char *id);
    void *ctx;
};

static int list_one(void *ctx, const char *name)
{
    const struct listing *listing = ctx;

    if (!bf_move_id_valid(name)) {
        bf_log(BF_LOG_WARNING, "%s in the folder of moves is none: left alone", name);
        return 0;
    }
    return listing->each(listing->ctx, name);
}

int bf_state_dir_list(const struct bf_state_dir *state, bool quarantined,
                      int (*each)(void *ctx, const char *id), void *ctx, struct bf_error *err)
{
    struct listing listing = {each, ctx};

    return each_name(quarantined ? state->quarantine_fd : state->moves_fd, list_one, &listing, err);
}

static int rename_durably(int from_fd, const char *from, int to_fd, const char *to,
                          struct bf_error *err)
{
    if (renameat(from_fd, from, to_fd, to) < 0 || fsync(to_fd) < 0 || fsync(from_fd) < 0)
        return bf_error_set_errno(err, errno, "cannot rename the folder of the move %s", from);
    return 0;
}

int bf_move_folder_remove(const struct bf_state_dir *state, const char *id, struct bf_error *err)
{
    int moves_fd = state->moves_fd;
    char gone[BF_MOVE_ID_CHARS + 8];
    int r;

    (void)snprintf(gone, sizeof gone, ".gone-%s", id);
    r = rename_durably(moves_fd, id, moves_fd, gone, err);
    bf_fail_point("folder.renamed");
    return r < 0 ? r : remove_folder(&moves_fd, gone);
}

int bf_move_folder_quarantine(const struct bf_state_dir *state, const char *id,
                              struct bf_error *err)
{
    return rename_durably(state->moves_fd, id, state->quarantine_fd, id, err);
}
