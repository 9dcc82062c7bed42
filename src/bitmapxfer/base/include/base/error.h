/** Errors: 0 or a negative errno as the return value, the detail in a caller-owned struct bf_error.
 *
 * The text is made where the fact is known, names what went wrong, why, and what to do, and is
 * printed once, at the top.  Nothing here allocates.  The first error wins: bf_error_set() on an
 * error that is already set changes nothing; on the way up only bf_error_prefix() may add to it.
 * Every function that takes a `struct bf_error *` accepts NULL for "not interested".
 */
#ifndef BASE_ERROR_H
#define BASE_ERROR_H

#include <stdbool.h>
#include <stddef.h>

enum {
    BF_ERROR_TEXT_MAX = 1024, /* a path and a 255-byte name, and the sentence around them */

    /* Exit codes of `bitferry`; part of its interface (see the man page). */
    BF_EXIT_OK = 0,
    BF_EXIT_FAILURE = 1,
    BF_EXIT_USAGE = 2,
    BF_EXIT_SOME_DROPPED = 3,
    BF_EXIT_NONE_CARRIED = 4,
    BF_EXIT_PEER = 10,
    BF_EXIT_BUSY = 11,
    BF_EXIT_AUTH = 12,
    BF_EXIT_VERSION = 13,
    BF_EXIT_INTEGRITY = 14,
    BF_EXIT_UNSUPPORTED = 15,
};

/** What kind of failure it is: X(NAME, errno, exit code).  NAME is a stable code that users see in
 *  JSON and scripts match on; add at will, never rename. */
#define BF_ERROR_CODES(X)                                                                          \
    X(NONE, 0, BF_EXIT_OK)                                                                         \
    X(USAGE, EINVAL, BF_EXIT_USAGE)                                                                \
    X(INVALID, EINVAL, BF_EXIT_FAILURE)                                                            \
    X(NO_MEMORY, ENOMEM, BF_EXIT_FAILURE)                                                          \
    X(IO, EIO, BF_EXIT_FAILURE)                                                                    \
    X(NO_SPACE, ENOSPC, BF_EXIT_FAILURE)                                                           \
    X(NOT_FOUND, ENOENT, BF_EXIT_FAILURE)                                                          \
    X(EXISTS, EEXIST, BF_EXIT_FAILURE)                                                             \
    X(PERMISSION, EACCES, BF_EXIT_FAILURE)                                                         \
    X(READ_ONLY, EROFS, BF_EXIT_FAILURE)                                                           \
    X(INTERRUPTED, EINTR, BF_EXIT_FAILURE)                                                         \
    X(CHILD_FAILED, ECHILD, BF_EXIT_FAILURE)                                                       \
    X(QMP_ERROR, EREMOTEIO, BF_EXIT_FAILURE)                                                       \
    X(BITMAP_NOT_FOUND, ENOENT, BF_EXIT_NONE_CARRIED)                                              \
    X(BITMAP_EXISTS, EEXIST, BF_EXIT_NONE_CARRIED)                                                 \
    X(BITMAP_INCONSISTENT, EUCLEAN, BF_EXIT_NONE_CARRIED)                                          \
    X(BITMAP_BUSY, EBUSY, BF_EXIT_BUSY)                                                            \
    X(IMAGE_IN_USE, EBUSY, BF_EXIT_BUSY)                                                           \
    X(WORK_IN_PROGRESS, EBUSY, BF_EXIT_BUSY)                                                       \
    X(IMAGE_CHANGED, ESTALE, BF_EXIT_INTEGRITY)                                                    \
    X(IMAGE_CORRUPT, EUCLEAN, BF_EXIT_INTEGRITY)                                                   \
    X(DIGEST_MISMATCH, EBADMSG, BF_EXIT_INTEGRITY)                                                 \
    X(COVERAGE_MISSING, EBADMSG, BF_EXIT_INTEGRITY)                                                \
    X(NOT_QCOW2, EMEDIUMTYPE, BF_EXIT_UNSUPPORTED)                                                 \
    X(QCOW2_V2, EMEDIUMTYPE, BF_EXIT_UNSUPPORTED)                                                  \
    X(QCOW2_FEATURE, EMEDIUMTYPE, BF_EXIT_UNSUPPORTED)                                             \
    X(SIZE_MISMATCH, ERANGE, BF_EXIT_UNSUPPORTED)                                                  \
    X(LIMIT, E2BIG, BF_EXIT_UNSUPPORTED)                                                           \
    X(UNSUPPORTED, EOPNOTSUPP, BF_EXIT_UNSUPPORTED)                                                \
    X(PEER, ECONNABORTED, BF_EXIT_PEER)                                                            \
    X(DEADLINE, ETIMEDOUT, BF_EXIT_PEER)                                                           \
    X(PROTOCOL, EPROTO, BF_EXIT_PEER)                                                              \
    X(AUTH, EKEYREJECTED, BF_EXIT_AUTH)                                                            \
    X(VERSION, EPROTONOSUPPORT, BF_EXIT_VERSION)

enum bf_code {
#define BF_ENUM(name, err, exit_code) BF_E_##name,
    BF_ERROR_CODES(BF_ENUM)
#undef BF_ENUM
};

struct bf_error {
    enum bf_code code;
    char text[BF_ERROR_TEXT_MAX]; /* one line, no final full stop or newline, cut at the cap */
};

#define BF_ERROR_INIT                                                                              \
    {                                                                                              \
        .code = BF_E_NONE, .text = ""                                                              \
    }

/** Set @err, unless it is already set.  Control characters in the text (from names that a file or a
 *  peer chose) are replaced by '?'.  Returns the negative errno of @code, so that a caller can
 *  `return bf_error_set(err, BF_E_IO, "..."); `. */
int bf_error_set(struct bf_error *err, enum bf_code code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/** Like bf_error_set() with ": " and the text of @errnum behind.  The code is chosen from @errnum
 *  (ENOENT: NOT_FOUND, EACCES and EPERM: PERMISSION, ENOSPC and EDQUOT: NO_SPACE, EROFS: READ_ONLY,
 *  ENOMEM: NO_MEMORY, else IO). */
int bf_error_set_errno(struct bf_error *err, int errnum, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/** Put "prefix: " before the text of an error that is set.  Returns its negative errno. */
int bf_error_prefix(struct bf_error *err, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/** Forget what is in @err. */
void bf_error_clear(struct bf_error *err);

/** "IMAGE_IN_USE" and so on. */
const char *bf_code_name(enum bf_code code);
int bf_code_exit(enum bf_code code);
int bf_code_errno(enum bf_code code); /* positive */

#endif
