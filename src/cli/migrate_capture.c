#include "migrate_capture.h"

#include "archive_files.h"
#include "migrate_bits.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

struct bf_capture_folder {
    char *path;
    int fd; /* holds the lock */
};

static int no_memory(struct bf_error *err)
{
    return bf_error_set(err, BF_E_NO_MEMORY, "out of memory");
}

void bf_capture_release(struct bf_capture *capture)
{
    free(capture->domain);
    free(capture->uuid);
    free(capture->source_uri);
    free(capture->dest_uri);
    bf_look_release(&capture->before);
    bf_virt_checkpoints_release(&capture->checkpoints);
    *capture = (struct bf_capture){.domain = NULL};
}

char *bf_capture_default_folder(const char *uuid)
{
    const char *state = getenv("XDG_STATE_HOME");
    const char *home = getenv("HOME");
    char *path = NULL;
    int r;

    if (geteuid() == 0)
        r = asprintf(&path, "/var/lib/bitferry/migrate/%s", uuid);
    else if (state && state[0] == '/')
        r = asprintf(&path, "%s/bitferry/migrate/%s", state, uuid);
    else
        r = asprintf(&path, "%s/.local/state/bitferry/migrate/%s", home ? home : "", uuid);
    return r < 0 ? NULL : path;
}

/* The folder */

static int sync_folder(const char *path, struct bf_error *err)
{
    BF_CLEANUP(bf_fd_closep) int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd < 0 || fsync(fd) < 0)
        return bf_error_set_errno(err, errno, "cannot write the folder %s to the disk", path);
    return 0;
}

/* Make the folder that ends at @end of @path, and have its name on the disk. */
static int make_one(char *path, char *end, struct bf_error *err)
{
    char kept = *end;
    char *slash;
    int r = 0;

    *end = '\0';
    if (mkdir(path, 0700) == 0) {
        slash = strrchr(path, '/');
        if (slash && slash != path) {
            *slash = '\0';
            r = sync_folder(path, err);
            *slash = '/';
        }
    } else if (errno != EEXIST) {
        r = bf_error_set_errno(err, errno, "cannot make the folder %s", path);
    }
    *end = kept;
    return r;
}

static int make_folders(const char *path, struct bf_error *err)
{
    BF_CLEANUP(bf_freep) char *copy = strdup(path);
    int r = copy ? 0 : no_memory(err);

    for (char *at = copy ? strchr(copy + 1, '/') : NULL; r == 0 && at; at = strchr(at + 1, '/'))
        r = make_one(copy, at, err);
    return r == 0 ? make_one(copy, copy + strlen(copy), err) : r;
}

int bf_capture_folder_open(const char *path, struct bf_capture_folder **ret_folder,
                           struct bf_error *err)
{
    BF_CLEANUP(bf_capture_folder_closep)
    struct bf_capture_folder *folder = calloc(1, sizeof *folder);
    int r = folder ? 0 : no_memory(err);

    if (r < 0)
        return r;
    folder->fd = -1;
    folder->path = strdup(path);
    if (!folder->path)
        return no_memory(err);
    r = make_folders(path, err);
    if (r < 0)
        return r;
    folder->fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder->fd < 0)
        return bf_error_set_errno(err, errno, "cannot open the folder %s", path);
    if (flock(folder->fd, LOCK_EX | LOCK_NB) < 0)
        return bf_error_set(err, BF_E_WORK_IN_PROGRESS,
                            "another bitferry works with %s: wait for its end", path);
    *ret_folder = bf_steal_ptr(&folder);
    return 0;
}

void bf_capture_folder_close(struct bf_capture_folder *folder)
{
    if (folder->fd >= 0)
        (void)close(folder->fd);
    free(folder->path);
    free(folder);
}

bool bf_capture_folder_is_full(const struct bf_capture_folder *folder)
{
    return faccessat(folder->fd, BF_CAPTURE_FILE, F_OK, 0) == 0;
}

/* Files in it.  A checkpoint's name is a file's name: libvirt/checkpoint.h. */

static char *xml_name(const char *checkpoint)
{
    char *name = NULL;

    return asprintf(&name, "%s.xml", checkpoint) < 0 ? NULL : name;
}

/* A file that a killed run left is written anew. */
static int write_file(struct bf_capture_folder *folder, const char *name, const char *text,
                      struct bf_error *err)
{
    if (unlinkat(folder->fd, name, 0) < 0 && errno != ENOENT)
        return bf_error_set_errno(err, errno, "cannot replace %s/%s", folder->path, name);
    if (bf_file_write(folder->fd, name, text, strlen(text), err) < 0)
        return bf_error_prefix(err, "%s", folder->path);
    return 0;
}

static int write_xml(struct bf_capture_folder *folder, const struct bf_virt_checkpoint *checkpoint,
                     struct bf_error *err)
{
    BF_CLEANUP(bf_freep) char *name = xml_name(checkpoint->name);

    return name ? write_file(folder, name, checkpoint->xml, err) : no_memory(err);
}

int bf_capture_write(struct bf_capture_folder *folder, const struct bf_capture *capture,
                     struct bf_error *err)
{
    BF_CLEANUP(json_decrefp) json_t *json = bf_capture_to_json(capture);
    BF_CLEANUP(bf_freep) char *text = json ? json_dumps(json, JSON_INDENT(2)) : NULL;
    int r = text ? 0 : no_memory(err);

    for (size_t i = 0; r == 0 && i < capture->checkpoints.nr_items; i++)
        r = write_xml(folder, &capture->checkpoints.items[i], err);
    if (r == 0)
        r = write_file(folder, BF_CAPTURE_FILE ".new", text, err);
    if (r == 0 && renameat(folder->fd, BF_CAPTURE_FILE ".new", folder->fd, BF_CAPTURE_FILE) < 0)
        r = bf_error_set_errno(err, errno, "cannot write %s/" BF_CAPTURE_FILE, folder->path);
    return r == 0 ? sync_folder(folder->path, err) : r;
}

static int read_xml(struct bf_capture_folder *folder, const char *checkpoint,
                    struct bf_virt_checkpoints *checkpoints, struct bf_error *err)
{
    BF_CLEANUP(bf_freep) char *name = NULL;
    BF_CLEANUP(bf_freep) char *xml = NULL;
    size_t nr_bytes;
    int r;

    if (!checkpoint || !checkpoint[0] || checkpoint[0] == '.' || strchr(checkpoint, '/'))
        return bf_error_set(err, BF_E_PROTOCOL, BF_CAPTURE_FILE ": a checkpoint has no name");
    name = xml_name(checkpoint);
    if (!name)
        return no_memory(err);
    r = bf_file_read(folder->fd, name, BF_VIRT_CHECKPOINT_XML_MAX_BYTES, &xml, &nr_bytes, err);
    if (r == 0)
        r = bf_virt_checkpoints_add(checkpoints, xml, err);
    if (r < 0)
        return bf_error_prefix(err, "%s/%s", folder->path, name);
    if (strcmp(checkpoints->items[checkpoints->nr_items - 1].name, checkpoint) != 0)
        return bf_error_set(err, BF_E_INVALID, "%s/%s defines another checkpoint", folder->path,
                            name);
    return 0;
}

static int read_xmls(struct bf_capture_folder *folder, const json_t *names,
                     struct bf_capture *capture, struct bf_error *err)
{
    size_t i;
    json_t *name;
    int r = 0;

    json_array_foreach(names, i, name)
    {
        r = read_xml(folder, json_string_value(name), &capture->checkpoints, err);
        if (r < 0)
            return r;
    }
    return bf_virt_checkpoints_order(&capture->checkpoints, err);
}

int bf_capture_read(struct bf_capture_folder *folder, struct bf_capture *ret_capture,
                    struct bf_error *err)
{
    BF_CLEANUP(bf_capture_release) struct bf_capture capture = {.domain = NULL};
    BF_CLEANUP(json_decrefp) json_t *json = NULL;
    BF_CLEANUP(json_decrefp) json_t *names = NULL;
    BF_CLEANUP(bf_freep) char *text = NULL;
    json_error_t json_err;
    size_t nr_bytes;
    int r = bf_file_read(folder->fd, BF_CAPTURE_FILE, BF_CAPTURE_MAX_BYTES, &text, &nr_bytes, err);

    if (r < 0)
        return bf_error_prefix(err, "%s", folder->path);
    json = json_loadb(text, nr_bytes, 0, &json_err);
    if (!json)
        return bf_error_set(err, BF_E_PROTOCOL, "%s/" BF_CAPTURE_FILE ": line %d: %s", folder->path,
                            json_err.line, json_err.text);
    r = bf_capture_from_json(json, &capture, &names, err);
    if (r == 0)
        r = read_xmls(folder, names, &capture, err);
    if (r < 0)
        return r;
    *ret_capture = capture;
    capture = (struct bf_capture){.domain = NULL};
    return 0;
}

int bf_capture_folder_remove(struct bf_capture_folder *folder, const struct bf_capture *capture,
                             struct bf_error *err)
{
    (void)unlinkat(folder->fd, BF_CAPTURE_FILE, 0); /* first: it is no capture any more */
    (void)unlinkat(folder->fd, BF_CAPTURE_FILE ".new", 0);
    bf_bits_remove(folder->path, &capture->before);
    for (size_t i = 0; i < capture->checkpoints.nr_items; i++) {
        BF_CLEANUP(bf_freep) char *name = xml_name(capture->checkpoints.items[i].name);

        if (name)
            (void)unlinkat(folder->fd, name, 0);
    }
    return rmdir(folder->path) == 0 || errno == ENOTEMPTY
               ? 0
               : bf_error_set_errno(err, errno, "cannot remove the folder %s", folder->path);
}
