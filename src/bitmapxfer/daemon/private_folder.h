/** Folders that are ours alone. */
#ifndef PRIVATE_FOLDER_H
#define PRIVATE_FOLDER_H

#include "base/error.h"

#include <sys/types.h>

/** Open @name (relative to @at_fd, or absolute), made if it is not there, with exactly this @mode.
 *  Refused: a symbolic link, a folder of another user, one that others may write to.  Errors:
 *  PERMISSION, NOT_FOUND (its parent), READ_ONLY, NO_SPACE, IO. */
int bf_private_folder_open(int at_fd, const char *name, mode_t mode, int *ret_fd,
                           struct bf_error *err);

/** Hold @name in the folder locked until *ret_fd is closed.  Errors: WORK_IN_PROGRESS (somebody has
 *  it; @whom says what that is), PERMISSION, IO. */
int bf_private_folder_lock(int folder_fd, const char *name, const char *whom, int *ret_fd,
                           struct bf_error *err);

#endif
