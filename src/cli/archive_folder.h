/** An archive folder: a carrier per disk, manifest.pb, manifest.json, and SHA256SUMS over all of
 *  them, which `sha256sum -c` accepts.
 *
 * It is made in a folder ".NAME.bitferry" beside its place, locked against a second run, and
 * renamed into place when everything in it is on the disk: it is there as a whole or not at all.
 * What a killed run left is removed by the next one to the same place.
 */
#ifndef CLI_ARCHIVE_FOLDER_H
#define CLI_ARCHIVE_FOLDER_H

#include "base/cleanup.h"
#include "base/error.h"
#include "catalog/manifest.h"

struct bf_archive;

/** Start an archive that is to become @folder, which must not exist or be empty.  Errors: EXISTS,
 *  WORK_IN_PROGRESS, NOT_FOUND (of its parent), PERMISSION, READ_ONLY, NO_SPACE, IO. */
int bf_archive_new(const char *folder, struct bf_archive **ret_archive, struct bf_error *err);

/** Removes what was not published. */
void bf_archive_free(struct bf_archive *archive);
BF_DEFINE_CLEANUP(struct bf_archive *, bf_archive_free)

/** A new empty file in it; *ret_fd is the caller's to close. */
int bf_archive_create(struct bf_archive *archive, const char *name, int *ret_fd,
                      struct bf_error *err);

/** Enter the file @name, which is complete, into @manifest as the carrier of @disk. */
int bf_archive_enter(struct bf_archive *archive, const char *name, const char *disk,
                     struct bf_manifest *manifest, struct bf_error *err);

/** Write manifest and checksums and move the folder into place. */
int bf_archive_publish(struct bf_archive *archive, const struct bf_manifest *manifest,
                       struct bf_error *err);

/** Is there a manifest in it? */
bool bf_is_archive(const char *folder);

/** Read the manifest of an archive and check every file.  Errors: NOT_FOUND if it is no archive;
 *  DIGEST_MISMATCH and IMAGE_CORRUPT, which name the file, if it is damaged; VERSION; IO. */
int bf_archive_verify(const char *folder, struct bf_manifest *ret_manifest, struct bf_error *err);

#endif
