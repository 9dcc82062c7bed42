/** What a daemon keeps on disk: a folder for each move, with its journal, carriers and sockets.
 *
 *     state_dir/lock           held by the daemon
 *     state_dir/moves/ID/      0700, locked; "journal" is the one file with a meaning here
 *     state_dir/quarantine/ID/ moves whose journal cannot be understood; for a person to look at
 *
 * A folder appears under its name only when its first record is durable, and leaves it by being
 * renamed first: whatever is half made or half removed has a name that begins with a dot and goes
 * at the next start.  No symbolic link is followed anywhere.
 */
#ifndef DAEMON_FOLDER_H
#define DAEMON_FOLDER_H

#include "base/cleanup.h"
#include "base/error.h"
#include "daemon/journal.h"

#include <stdbool.h>

struct bf_state_dir {
    int fd, moves_fd, quarantine_fd, lock_fd;
};

struct bf_move_folder {
    char *path; /* below state_dir, for the sockets and files of others' making */
    int fd;     /* holds the lock */
    int journal_fd;
    struct bf_journal_chain chain;
    bool broken; /* an append failed: what is on disk is not known, nothing more is written */
};

/** Open and lock state_dir, make what is not there, remove what is half made or half removed.
 *  Errors: WORK_IN_PROGRESS, PERMISSION, NOT_FOUND, READ_ONLY, NO_SPACE, IO. */
int bf_state_dir_open(const char *path, struct bf_state_dir *ret_state, struct bf_error *err);
void bf_state_dir_close(struct bf_state_dir *state);

/** Call @each with the names in moves/ (or in quarantine/), in no order.  A negative return ends it
 *  and is returned. */
int bf_state_dir_list(const struct bf_state_dir *state, bool quarantined,
                      int (*each)(void *ctx, const char *id), void *ctx, struct bf_error *err);

/** A new folder, durable with its first record (BEGUN).  Errors: NO_SPACE, IO, LIMIT...; nothing is
 *  left. */
int bf_move_folder_create(const struct bf_state_dir *state, const char *state_path, const char *id,
                          const void *begun, size_t nr_begun_bytes,
                          struct bf_move_folder **ret_folder, struct bf_error *err);

/** Open the folder of a former run and read its journal; a torn record at its end is cut off.
 *  *ret_bytes is freed by the caller, *ret_cursor stands at its first record.  Errors: VERSION and
 *  IMAGE_CORRUPT: to quarantine; else IO and the like. */
int bf_move_folder_open(const struct bf_state_dir *state, const char *state_path, const char *id,
                        struct bf_move_folder **ret_folder, uint8_t **ret_bytes,
                        struct bf_journal_cursor *ret_cursor, struct bf_error *err);

/** Append a record; it is durable when this returns 0.  After an error the folder is broken: the
 *  move must fail.  Blocks for one fsync().  Errors: IO, NO_SPACE, LIMIT, NO_MEMORY. */
int bf_move_folder_append(struct bf_move_folder *folder, uint32_t kind, const void *payload,
                          size_t nr_payload_bytes, struct bf_error *err);

/** Unlock; all stays on disk. */
void bf_move_folder_close(struct bf_move_folder *folder);
BF_DEFINE_CLEANUP(struct bf_move_folder *, bf_move_folder_close)

/** Remove a closed folder and the files in it. */
int bf_move_folder_remove(const struct bf_state_dir *state, const char *id, struct bf_error *err);

/** Move a closed folder into quarantine/. */
int bf_move_folder_quarantine(const struct bf_state_dir *state, const char *id,
                              struct bf_error *err);

#endif
