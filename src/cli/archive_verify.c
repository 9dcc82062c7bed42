#include "archive_folder.h"

#include "archive_files.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { SUMS_MAX_BYTES = 4 << 20 }; /* a line for each of BF_MANIFEST_MAX_DISKS files fits */

/* An archive that lies open. */
struct folder {
    const char *path;
    int fd;
    char *sums; /* text of SHA256SUMS */
};

static int open_folder(const char *path, struct folder *folder, struct bf_error *err)
{
    folder->fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder->fd < 0)
        return bf_error_set_errno(err, errno, "cannot open the archive '%s'", path);
    if (faccessat(folder->fd, BF_ARCHIVE_MANIFEST, F_OK, 0) < 0)
        return bf_error_set_errno(err, errno, "'%s' is not an archive: %s", path,
                                  BF_ARCHIVE_MANIFEST);
    return 0;
}

static void close_folder(struct folder *folder)
{
    if (folder->fd >= 0)
        (void)close(folder->fd);
    free(folder->sums);
}

/* Does a line of @text equal @line (with its newline)? */
static bool has_line(const char *text, const char *line)
{
    const char *at = text;

    while ((at = strstr(at, line))) {
        if (at == text || at[-1] == '\n')
            return true;
        at++;
    }
    return false;
}

static int check_sum(const struct folder *folder, const char *name,
                     struct bf_file_digest *ret_digest, struct bf_error *err)
{
    BF_CLEANUP(bf_freep) char *line = NULL;
    int ret = bf_file_digest(folder->fd, name, ret_digest, err);

    if (ret < 0)
        return ret;
    line = bf_sums_line(name, ret_digest->sha256);
    if (!line)
        return bf_error_set(err, BF_E_NO_MEMORY, "out of memory");
    if (!has_line(folder->sums, line))
        return bf_error_set(err, BF_E_DIGEST_MISMATCH,
                            "'%s' is damaged: its SHA-256 is not the one in %s", name,
                            BF_ARCHIVE_SUMS);
    return 0;
}

static int check_file(const struct folder *folder, const struct bf_manifest_file *file,
                      struct bf_error *err)
{
    struct bf_file_digest digest;
    int ret = check_sum(folder, file->name, &digest, err);

    if (ret < 0)
        return ret;
    if (digest.size_bytes != file->size_bytes ||
        memcmp(digest.sha256, file->sha256, sizeof digest.sha256) != 0)
        return bf_error_set(err, BF_E_DIGEST_MISMATCH, "'%s' is not the file that %s lists",
                            file->name, BF_ARCHIVE_MANIFEST);
    return 0;
}

static int read_manifest(const struct folder *folder, struct bf_manifest *ret_manifest,
                         struct bf_error *err)
{
    BF_CLEANUP(bf_freep) char *bytes = NULL;
    struct bf_file_digest digest;
    size_t nr_bytes = 0;
    int ret = check_sum(folder, BF_ARCHIVE_MANIFEST, &digest, err);

    if (ret == 0)
        ret = bf_file_read(folder->fd, BF_ARCHIVE_MANIFEST, BF_MANIFEST_MAX_BYTES, &bytes,
                           &nr_bytes, err);
    if (ret == 0)
        ret = bf_manifest_unpack((const uint8_t *)bytes, nr_bytes, ret_manifest, err);
    return ret < 0 ? bf_error_prefix(err, "%s", BF_ARCHIVE_MANIFEST) : 0;
}

static int verify(struct folder *folder, struct bf_manifest *manifest, struct bf_error *err)
{
    struct bf_file_digest digest;
    size_t nr_bytes;
    int ret =
        bf_file_read(folder->fd, BF_ARCHIVE_SUMS, SUMS_MAX_BYTES, &folder->sums, &nr_bytes, err);

    if (ret == 0)
        ret = read_manifest(folder, manifest, err);
    for (size_t i = 0; ret == 0 && i < manifest->nr_files; i++)
        ret = check_file(folder, &manifest->files[i], err);
    if (ret == 0)
        ret = check_sum(folder, BF_ARCHIVE_JSON, &digest, err);
    return ret;
}

/* A file that is missing, cut or malformed is damage, however it showed. */
static enum bf_code as_damage(enum bf_code code)
{
    if (code == BF_E_NOT_FOUND || code == BF_E_PROTOCOL || code == BF_E_INVALID ||
        code == BF_E_LIMIT)
        return BF_E_IMAGE_CORRUPT;
    return code;
}

bool bf_is_archive(const char *folder)
{
    BF_CLEANUP(bf_freep) char *path = NULL;

    return asprintf(&path, "%s/%s", folder, BF_ARCHIVE_MANIFEST) >= 0 && access(path, F_OK) == 0;
}

int bf_archive_verify(const char *path, struct bf_manifest *ret_manifest, struct bf_error *err)
{
    BF_CLEANUP(bf_manifest_release) struct bf_manifest manifest = {0};
    BF_CLEANUP(close_folder) struct folder folder = {.path = path, .fd = -1};
    struct bf_error why = BF_ERROR_INIT;
    int ret = open_folder(path, &folder, err);

    if (ret < 0)
        return ret;
    if (verify(&folder, &manifest, &why) < 0)
        return bf_error_set(err, as_damage(why.code), "archive '%s': %s; nothing was changed", path,
                            why.text);
    *ret_manifest = manifest;
    manifest = (struct bf_manifest){0};
    return 0;
}
