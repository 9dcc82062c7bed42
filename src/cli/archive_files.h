/** The files of an archive folder, and their checksums. */
#ifndef CLI_ARCHIVE_FILES_H
#define CLI_ARCHIVE_FILES_H

#include "base/error.h"
#include "catalog/manifest.h"

#define BF_ARCHIVE_MANIFEST "manifest.pb"
#define BF_ARCHIVE_JSON     "manifest.json"
#define BF_ARCHIVE_SUMS     "SHA256SUMS"

struct bf_file_digest {
    uint64_t size_bytes;
    uint8_t sha256[BF_SHA256_BYTES];
};

/** Of the regular file @name in the folder @folder_fd. */
int bf_file_digest(int folder_fd, const char *name, struct bf_file_digest *ret_digest,
                   struct bf_error *err);

/** All of a small regular file; *ret_bytes is the caller's to free(); a NUL that is not counted
 *  follows.  Errors: LIMIT above @max_bytes, as bf_file_digest(). */
int bf_file_read(int folder_fd, const char *name, size_t max_bytes, char **ret_bytes,
                 size_t *ret_nr_bytes, struct bf_error *err);

/** A new file with these bytes, on the disk. */
int bf_file_write(int folder_fd, const char *name, const void *bytes, size_t nr_bytes,
                  struct bf_error *err);

/** The line of SHA256SUMS for the file, with its newline, as sha256sum(1) writes it; the caller
 *  frees.  NULL: out of memory. */
char *bf_sums_line(const char *name, const uint8_t sha256[BF_SHA256_BYTES]);

#endif
