#include "archive_folder.h"

#include "archive_files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

struct bf_archive {
    char *parent; /* canonical */
    char *name;   /* of the archive in @parent */
    char *stage;  /* of the folder in @parent where it is made */
    int parent_fd;
    int fd; /* of that folder; holds the lock */
    bool published;
};

/* @folder without what stands behind its last name; false if it has none ("/", ".."). */
static bool split_path(const char *folder, char **ret_parent, char **ret_name)
{
    size_t length = strlen(folder);
    size_t begin;

    while (length > 0 && folder[length - 1] == '/')
        length--;
    for (begin = length; begin > 0 && folder[begin - 1] != '/';)
        begin--;
    *ret_name = strndup(folder + begin, length - begin);
    *ret_parent = begin > 0 ? strndup(folder, begin) : strdup(".");
    return *ret_name && *ret_parent && length > begin && strcmp(*ret_name, "..") != 0 &&
           strcmp(*ret_name, ".") != 0;
}

static int find_place(struct bf_archive *archive, const char *folder, struct bf_error *err)
{
    BF_CLEANUP(bf_freep) char *there = realpath(folder, NULL);

    if (!split_path(there ? there : folder, &archive->parent, &archive->name))
        return bf_error_set(err, BF_E_USAGE, "'%s' cannot become an archive", folder);
    if (asprintf(&archive->stage, ".%s.bitferry", archive->name) < 0) {
        archive->stage = NULL;
        return bf_error_set(err, BF_E_NO_MEMORY, "out of memory");
    }
    archive->parent_fd = open(archive->parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (archive->parent_fd < 0)
        return bf_error_set_errno(err, errno, "cannot open the folder '%s'", archive->parent);
    return 0;
}

/* Call @function for the name of every entry until it returns non-zero. */
static int each_entry(int folder_fd, int (*function)(int folder_fd, const char *name))
{
    int fd = openat(folder_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *folder = fd < 0 ? NULL : fdopendir(fd);
    struct dirent *entry;
    int ret = 0;

    if (!folder) {
        if (fd >= 0)
            (void)close(fd);
        return -1;
    }
    while (ret == 0 && (entry = readdir(folder))) {
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            ret = function(folder_fd, entry->d_name);
    }
    (void)closedir(folder);
    return ret;
}

static int remove_entry(int folder_fd, const char *name)
{
    (void)unlinkat(folder_fd, name, 0);
    return 0;
}

static int found_entry(int folder_fd, const char *name)
{
    (void)folder_fd;
    (void)name;
    return 1;
}

static int check_free(const struct bf_archive *archive, struct bf_error *err)
{
    BF_CLEANUP(bf_fd_closep)
    int fd = openat(archive->parent_fd, archive->name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd < 0 && errno == ENOENT)
        return 0;
    if (fd < 0)
        return bf_error_set(err, BF_E_EXISTS, "'%s/%s' is there already and is no folder",
                            archive->parent, archive->name);
    if (each_entry(fd, found_entry) != 0)
        return bf_error_set(err, BF_E_EXISTS,
                            "the folder '%s/%s' is not empty: choose a new one for the archive",
                            archive->parent, archive->name);
    return 0;
}

/* Is the locked folder still the one of that name, or did its last user move or remove it? */
static bool is_stage(const struct bf_archive *archive, int fd)
{
    struct stat open_status;
    struct stat path_status;

    return fstat(fd, &open_status) == 0 &&
           fstatat(archive->parent_fd, archive->stage, &path_status, AT_SYMLINK_NOFOLLOW) == 0 &&
           open_status.st_ino == path_status.st_ino && open_status.st_dev == path_status.st_dev;
}

static int open_stage(const struct bf_archive *archive, int *ret_fd, struct bf_error *err)
{
    BF_CLEANUP(bf_fd_closep) int fd = -1;
    struct stat status;

    if (mkdirat(archive->parent_fd, archive->stage, 0700) < 0 && errno != EEXIST)
        return bf_error_set_errno(err, errno, "cannot make a folder in '%s'", archive->parent);
    fd =
        openat(archive->parent_fd, archive->stage, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &status) < 0)
        return bf_error_set_errno(err, errno, "cannot open '%s/%s'", archive->parent,
                                  archive->stage);
    if (status.st_uid != geteuid())
        return bf_error_set(err, BF_E_PERMISSION, "the folder '%s/%s' is somebody else's",
                            archive->parent, archive->stage);
    *ret_fd = bf_steal_fd(&fd);
    return 0;
}

static int lock_stage(struct bf_archive *archive, struct bf_error *err)
{
    for (;;) {
        BF_CLEANUP(bf_fd_closep) int fd = -1;
        int ret = open_stage(archive, &fd, err);

        if (ret < 0)
            return ret;
        if (flock(fd, LOCK_EX | LOCK_NB) < 0)
            return bf_error_set(err, BF_E_WORK_IN_PROGRESS,
                                "another bitferry writes to '%s/%s' now: wait for it to end",
                                archive->parent, archive->name);
        if (is_stage(archive, fd)) {
            archive->fd = bf_steal_fd(&fd);
            return 0;
        }
    }
}

int bf_archive_new(const char *folder, struct bf_archive **ret_archive, struct bf_error *err)
{
    BF_CLEANUP(bf_archive_freep) struct bf_archive *archive = calloc(1, sizeof *archive);
    int ret;

    if (!archive)
        return bf_error_set(err, BF_E_NO_MEMORY, "out of memory");
    archive->parent_fd = archive->fd = -1;
    ret = find_place(archive, folder, err);
    if (ret == 0)
        ret = check_free(archive, err);
    if (ret == 0)
        ret = lock_stage(archive, err);
    if (ret < 0)
        return ret;
    (void)each_entry(archive->fd, remove_entry);
    *ret_archive = bf_steal_ptr(&archive);
    return 0;
}

void bf_archive_free(struct bf_archive *archive)
{
    if (archive->fd >= 0 && !archive->published) {
        (void)each_entry(archive->fd, remove_entry);
        (void)unlinkat(archive->parent_fd, archive->stage, AT_REMOVEDIR);
    }
    if (archive->fd >= 0)
        (void)close(archive->fd);
    if (archive->parent_fd >= 0)
        (void)close(archive->parent_fd);
    free(archive->parent);
    free(archive->name);
    free(archive->stage);
    free(archive);
}

int bf_archive_create(struct bf_archive *archive, const char *name, int *ret_fd,
                      struct bf_error *err)
{
    *ret_fd = openat(archive->fd, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (*ret_fd < 0)
        return bf_error_set_errno(err, errno, "cannot make '%s' for the archive", name);
    return 0;
}

int bf_archive_enter(struct bf_archive *archive, const char *name, const char *disk,
                     struct bf_manifest *manifest, struct bf_error *err)
{
    struct bf_file_digest digest;
    int ret = bf_file_digest(archive->fd, name, &digest, err);

    if (ret < 0)
        return ret;
    return bf_manifest_add_file(manifest, name, disk, digest.size_bytes, digest.sha256, err);
}

static int write_manifest(const struct bf_archive *archive, const struct bf_manifest *manifest,
                          struct bf_error *err)
{
    BF_CLEANUP(bf_freep) uint8_t *bytes = NULL;
    size_t nr_bytes;
    int ret = bf_manifest_pack(manifest, &bytes, &nr_bytes, err);

    return ret < 0 ? ret : bf_file_write(archive->fd, BF_ARCHIVE_MANIFEST, bytes, nr_bytes, err);
}

static int write_json(const struct bf_archive *archive, const struct bf_manifest *manifest,
                      struct bf_error *err)
{
    json_t *json = bf_manifest_to_json(manifest, err);
    BF_CLEANUP(bf_freep) char *text = json ? json_dumps(json, JSON_INDENT(2)) : NULL;

    json_decref(json);
    if (!text)
        return bf_error_set(err, BF_E_NO_MEMORY, "out of memory");
    return bf_file_write(archive->fd, BF_ARCHIVE_JSON, text, strlen(text), err);
}

static bool put_line(FILE *sums, const char *name, const uint8_t sha256[BF_SHA256_BYTES])
{
    BF_CLEANUP(bf_freep) char *line = bf_sums_line(name, sha256);

    return line && fputs(line, sums) >= 0;
}

static int put_manifest_lines(const struct bf_archive *archive, FILE *sums, struct bf_error *err)
{
    static const char *const names[] = {BF_ARCHIVE_MANIFEST, BF_ARCHIVE_JSON};
    int ret = 0;

    for (size_t i = 0; ret == 0 && i < sizeof names / sizeof names[0]; i++) {
        struct bf_file_digest digest;

        ret = bf_file_digest(archive->fd, names[i], &digest, err);
        if (ret == 0 && !put_line(sums, names[i], digest.sha256))
            ret = bf_error_set(err, BF_E_NO_MEMORY, "out of memory");
    }
    return ret;
}

static int write_sums(const struct bf_archive *archive, const struct bf_manifest *manifest,
                      struct bf_error *err)
{
    BF_CLEANUP(bf_freep) char *text = NULL;
    size_t nr_bytes = 0;
    FILE *sums = open_memstream(&text, &nr_bytes);
    int ret;

    if (!sums)
        return bf_error_set(err, BF_E_NO_MEMORY, "out of memory");
    ret = put_manifest_lines(archive, sums, err);
    for (size_t i = 0; ret == 0 && i < manifest->nr_files; i++) {
        if (!put_line(sums, manifest->files[i].name, manifest->files[i].sha256))
            ret = bf_error_set(err, BF_E_NO_MEMORY, "out of memory");
    }
    if (fclose(sums) != 0 && ret == 0)
        ret = bf_error_set(err, BF_E_NO_MEMORY, "out of memory");
    return ret < 0 ? ret : bf_file_write(archive->fd, BF_ARCHIVE_SUMS, text, nr_bytes, err);
}

static mode_t creation_mask(void)
{
    mode_t mask = umask(077);

    (void)umask(mask);
    return mask;
}

static int move_into_place(struct bf_archive *archive, struct bf_error *err)
{
    if (fchmod(archive->fd, 0777 & ~creation_mask()) < 0 || fsync(archive->fd) < 0)
        return bf_error_set_errno(err, errno, "cannot finish the archive");
    if (renameat(archive->parent_fd, archive->stage, archive->parent_fd, archive->name) < 0)
        return bf_error_set_errno(err, errno, "cannot move the archive to '%s/%s'", archive->parent,
                                  archive->name);
    archive->published = true;
    if (fsync(archive->parent_fd) < 0)
        return bf_error_set_errno(err, errno, "cannot write the folder '%s'", archive->parent);
    return 0;
}

int bf_archive_publish(struct bf_archive *archive, const struct bf_manifest *manifest,
                       struct bf_error *err)
{
    int ret = write_manifest(archive, manifest, err);

    if (ret == 0)
        ret = write_json(archive, manifest, err);
    if (ret == 0)
        ret = write_sums(archive, manifest, err);
    if (ret == 0)
        ret = move_into_place(archive, err);
    return ret;
}
