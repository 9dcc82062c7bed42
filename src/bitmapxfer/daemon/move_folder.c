/* One move's folder and the journal in it. */
#include "base/fail_point.h"
#include "daemon/folder.h"
#include "daemon/move.h"
#include "private_folder.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

#define JOURNAL "journal"

static int write_all(int fd, const uint8_t *bytes, size_t nr_bytes)
{
    while (nr_bytes > 0) {
        ssize_t put = write(fd, bytes, nr_bytes);

        if (put < 0 && errno == EINTR)
            continue;
        if (put < 0)
            return -errno;
        bytes += put;
        nr_bytes -= (size_t)put;
    }
    return 0;
}

static struct bf_move_folder *folder_new(const char *state_path, const char *id)
{
    struct bf_move_folder *folder = calloc(1, sizeof *folder);

    if (!folder)
        return NULL;
    folder->fd = folder->journal_fd = -1;
    if (asprintf(&folder->path, "%s/moves/%s", state_path, id) < 0) {
        free(folder);
        return NULL;
    }
    return folder;
}

static int open_locked(const struct bf_state_dir *state, const char *name,
                       struct bf_move_folder *folder, int flags, struct bf_error *err)
{
    int r = bf_private_folder_open(state->moves_fd, name, 0700, &folder->fd, err);

    if (r < 0)
        return r;
    if (flock(folder->fd, LOCK_EX | LOCK_NB) < 0)
        return bf_error_set(err, BF_E_WORK_IN_PROGRESS, "the folder %s is in use", folder->path);
    folder->journal_fd =
        openat(folder->fd, JOURNAL, O_RDWR | O_APPEND | O_NOFOLLOW | O_CLOEXEC | flags, 0600);
    if (folder->journal_fd < 0)
        return bf_error_set_errno(err, errno, "cannot open the journal in %s", folder->path);
    return 0;
}

int bf_move_folder_append(struct bf_move_folder *folder, uint32_t kind, const void *payload,
                          size_t nr_payload_bytes, struct bf_error *err)
{
    BF_CLEANUP(bf_freep) uint8_t *bytes = NULL;
    size_t nr_bytes = 0;
    int r;

    if (folder->broken)
        return bf_error_set(err, BF_E_IO, "the journal in %s could not be written before",
                            folder->path);
    r = bf_journal_encode(&folder->chain, kind, payload, nr_payload_bytes, &bytes, &nr_bytes, err);
    if (r < 0)
        return r;
    bf_fail_point("journal.append");
    r = write_all(folder->journal_fd, bytes, nr_bytes);
    bf_fail_point("journal.written");
    if (r == 0 && fdatasync(folder->journal_fd) < 0)
        r = -errno;
    bf_fail_point("journal.synced");
    if (r == 0)
        return 0;
    folder->broken = true;
    return bf_error_set_errno(err, -r, "cannot write the journal in %s", folder->path);
}

static int write_first(struct bf_move_folder *folder, const void *begun, size_t nr_begun_bytes,
                       struct bf_error *err)
{
    int r =
        write_all(folder->journal_fd, (const uint8_t *)bf_journal_magic, BF_JOURNAL_MAGIC_BYTES);

    if (r < 0)
        return bf_error_set_errno(err, -r, "cannot write the journal in %s", folder->path);
    r = bf_move_folder_append(folder, BF_JOURNAL_BEGUN, begun, nr_begun_bytes, err);
    if (r == 0 && fsync(folder->fd) < 0)
        r = bf_error_set_errno(err, errno, "cannot write the folder %s", folder->path);
    return r;
}

static int publish(const struct bf_state_dir *state, const char *made, const char *id,
                   struct bf_error *err)
{
    if (renameat2(state->moves_fd, made, state->moves_fd, id, RENAME_NOREPLACE) < 0)
        return bf_error_set_errno(err, errno, "cannot name the folder of the move %s", id);
    if (fsync(state->moves_fd) < 0) {
        int saved = errno;

        (void)renameat(state->moves_fd, id, state->moves_fd, made);
        return bf_error_set_errno(err, saved, "cannot write the folder of moves");
    }
    return 0;
}

static void discard(const struct bf_state_dir *state, const char *made,
                    const struct bf_move_folder *folder)
{
    if (folder->fd >= 0)
        (void)unlinkat(folder->fd, JOURNAL, 0);
    (void)unlinkat(state->moves_fd, made, AT_REMOVEDIR);
}

int bf_move_folder_create(const struct bf_state_dir *state, const char *state_path, const char *id,
                          const void *begun, size_t nr_begun_bytes,
                          struct bf_move_folder **ret_folder, struct bf_error *err)
{
    BF_CLEANUP(bf_move_folder_closep) struct bf_move_folder *folder = folder_new(state_path, id);
    char made[BF_MOVE_ID_CHARS + 8];
    int r;

    if (!folder)
        return bf_error_set(err, BF_E_NO_MEMORY, "no memory for the folder of a move");
    (void)snprintf(made, sizeof made, ".new-%s", id);
    r = open_locked(state, made, folder, O_CREAT | O_EXCL, err);
    if (r == 0)
        r = write_first(folder, begun, nr_begun_bytes, err);
    bf_fail_point("folder.made");
    if (r == 0)
        r = publish(state, made, id, err);
    if (r < 0) {
        discard(state, made, folder);
        return r;
    }
    *ret_folder = bf_steal_ptr(&folder);
    return 0;
}

static int read_journal(const struct bf_move_folder *folder, uint8_t **ret_bytes,
                        size_t *ret_nr_bytes, struct bf_error *err)
{
    BF_CLEANUP(bf_freep) uint8_t *bytes = NULL;
    struct stat st;
    size_t nr_bytes;

    if (fstat(folder->journal_fd, &st) < 0)
        return bf_error_set_errno(err, errno, "cannot look at the journal in %s", folder->path);
    if (!S_ISREG(st.st_mode) || st.st_size > BF_JOURNAL_FILE_MAX_BYTES)
        return bf_error_set(err, BF_E_IMAGE_CORRUPT, "the journal in %s cannot be one: %lld bytes",
                            folder->path, (long long)st.st_size);
    nr_bytes = (size_t)st.st_size;
    bytes = malloc(nr_bytes + 1);
    if (!bytes)
        return bf_error_set(err, BF_E_NO_MEMORY, "no memory for the journal in %s", folder->path);
    if (pread(folder->journal_fd, bytes, nr_bytes, 0) != (ssize_t)nr_bytes)
        return bf_error_set(err, BF_E_IO, "cannot read the journal in %s", folder->path);
    *ret_bytes = bf_steal_ptr(&bytes);
    *ret_nr_bytes = nr_bytes;
    return 0;
}

/* Go through the records once: all must check.  What is torn goes, so that the next append follows
 * the last good record. */
static int check_journal(struct bf_move_folder *folder, struct bf_journal_cursor cursor,
                         struct bf_error *err)
{
    struct bf_journal_record record;
    size_t nr_records = 0;
    int r;

    while ((r = bf_journal_next(&cursor, &record, err)) > 0) {
        if ((nr_records++ == 0) != (record.kind == BF_JOURNAL_BEGUN))
            return bf_error_set(err, BF_E_IMAGE_CORRUPT,
                                "record %zu of the journal in %s has no business there", nr_records,
                                folder->path);
    }
    if (r < 0)
        return bf_error_prefix(err, "%s", folder->path);
    if (nr_records == 0)
        return bf_error_set(err, BF_E_IMAGE_CORRUPT, "the journal in %s is empty", folder->path);
    folder->chain = cursor.chain;
    if (cursor.at < cursor.nr_bytes &&
        (ftruncate(folder->journal_fd, (off_t)cursor.at) < 0 || fsync(folder->journal_fd) < 0))
        return bf_error_set_errno(err, errno, "cannot repair the journal in %s", folder->path);
    return 0;
}

int bf_move_folder_open(const struct bf_state_dir *state, const char *state_path, const char *id,
                        struct bf_move_folder **ret_folder, uint8_t **ret_bytes,
                        struct bf_journal_cursor *ret_cursor, struct bf_error *err)
{
    BF_CLEANUP(bf_move_folder_closep) struct bf_move_folder *folder = folder_new(state_path, id);
    BF_CLEANUP(bf_freep) uint8_t *bytes = NULL;
    size_t nr_bytes = 0;
    int r;

    if (!folder)
        return bf_error_set(err, BF_E_NO_MEMORY, "no memory for the folder of a move");
    r = open_locked(state, id, folder, 0, err);
    if (r == 0)
        r = read_journal(folder, &bytes, &nr_bytes, err);
    if (r == 0)
        r = bf_journal_cursor_init(ret_cursor, bytes, nr_bytes, err);
    if (r == 0)
        r = check_journal(folder, *ret_cursor, err);
    if (r < 0)
        return r;
    *ret_folder = bf_steal_ptr(&folder);
    *ret_bytes = bf_steal_ptr(&bytes);
    return 0;
}

void bf_move_folder_close(struct bf_move_folder *folder)
{
    if (folder->journal_fd >= 0)
        (void)close(folder->journal_fd);
    if (folder->fd >= 0)
        (void)close(folder->fd);
    free(folder->path);
    free(folder);
}
