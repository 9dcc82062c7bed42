/** `bitferry verify ARCHIVE`: is everything in it what was put there? */
#ifndef CLI_VERIFY_ARCHIVE_H
#define CLI_VERIFY_ARCHIVE_H

#include "command.h"

/** Every file against its checksum, every bitmap's bits against the digest in the manifest, with a
 *  report.  Returns 0, or a negative errno.  Errors: those of bf_archive_verify(); DIGEST_MISMATCH.
 */
int bf_verify_archive(const struct bf_arguments *args, const char *folder, struct bf_error *err);

#endif
