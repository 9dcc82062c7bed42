#include "config.h"

#include "base/cleanup.h"

#define NBDKIT_API_VERSION 2
#include <nbdkit-plugin.h>

#include <dirent.h>
#include <errno.h>
#include <fnmatch.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

enum { TOKEN_MIN_CHARS = 16, TOKEN_MAX_CHARS = 128 };

static const char image_suffix[] = ".qcow2";
static const char carrier_suffix[] = ".carrier.qcow2";

static int no_memory(struct bf_error *err)
{
    return bf_error_set(err, BF_E_NO_MEMORY, "no memory for the parameters");
}

static void release_file(struct bf_served_file *file)
{
    free(file->disk);
    free(file->path);
}

static const char *file_name(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash ? slash + 1 : path;
}

/* The file name of @path without the first of the suffixes that it has. */
static char *default_disk_name(const char *path, bool carrier)
{
    const char *name = file_name(path);
    const char *suffixes[] = {carrier ? carrier_suffix : image_suffix, image_suffix};
    size_t length = strlen(name);

    for (size_t i = 0; i < 2; i++) {
        size_t suffix_length = strlen(suffixes[i]);
        if (length > suffix_length && strcmp(name + length - suffix_length, suffixes[i]) == 0)
            return strndup(name, length - suffix_length);
    }
    return strdup(name);
}

static const struct bf_served_file *nth_file(const struct bf_config *config, size_t index)
{
    return index < config->nr_files ? &config->files[index]
                                    : &config->late[index - config->nr_files];
}

static int check_unique(const struct bf_config *config, const struct bf_served_file *file,
                        struct bf_error *err)
{
    for (size_t i = 0; i < config->nr_files + config->nr_late; i++) {
        const struct bf_served_file *other = nth_file(config, i);
        if (strcmp(other->disk, file->disk) == 0)
            return bf_error_set(err, BF_E_EXISTS,
                                "two disks are named '%s' (%s and %s): name one of them otherwise "
                                "with image=NAME=FILE or carrier=NAME=FILE",
                                file->disk, other->path, file->path);
    }
    return 0;
}

/* To one of the two lists of @config.  Takes @file's strings over, on failure too. */
static int add_to(struct bf_config *config, struct bf_served_file **list, size_t *nr_list,
                  struct bf_served_file file, struct bf_error *err)
{
    struct bf_served_file *files;
    int ret = 0;

    if (!file.disk || !file.path)
        ret = no_memory(err);
    else
        ret = check_unique(config, &file, err);
    if (ret < 0)
        goto out;
    files = realloc(*list, (*nr_list + 1) * sizeof *files);
    if (!files) {
        ret = no_memory(err);
        goto out;
    }
    *list = files;
    files[(*nr_list)++] = file;
    return 0;
out:
    release_file(&file);
    return ret;
}

static int add_file(struct bf_config *config, struct bf_served_file file, struct bf_error *err)
{
    return add_to(config, &config->files, &config->nr_files, file, err);
}

/* [NAME=]FILE.  A name has no '/', so "./a=b.qcow2" is a path. */
static int parse_file(const char *value, bool carrier, struct bf_served_file *ret_file,
                      struct bf_error *err)
{
    size_t name_length = strcspn(value, "=/");
    const char *path = value[name_length] == '=' ? value + name_length + 1 : value;

    if (*path == '\0' || path == value + 1)
        return bf_error_set(err, BF_E_USAGE, "'%s' is not of the form [NAME=]FILE", value);
    ret_file->disk = path > value ? strndup(value, name_length) : default_disk_name(path, carrier);
    ret_file->path = nbdkit_absolute_path(path);
    return 0;
}

static int set_file(struct bf_config *config, const char *value, bool carrier, struct bf_error *err)
{
    struct bf_served_file file = {0};
    int ret = parse_file(value, carrier, &file, err);

    return ret < 0 ? ret : add_file(config, file, err);
}

static int set_late(struct bf_config *config, const char *value, struct bf_error *err)
{
    struct bf_served_file file = {0};
    int ret = parse_file(value, true, &file, err);

    return ret < 0 ? ret : add_to(config, &config->late, &config->nr_late, file, err);
}

static int is_carrier(const struct dirent *entry)
{
    return fnmatch("?*.carrier.qcow2", entry->d_name, FNM_PERIOD) == 0;
}

static int is_image(const struct dirent *entry)
{
    return fnmatch("?*.qcow2", entry->d_name, FNM_PERIOD) == 0;
}

static int by_bytes(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

static int add_folder_file(struct bf_config *config, const char *folder, const char *name,
                           bool carrier, struct bf_error *err)
{
    struct bf_served_file file = {.disk = default_disk_name(name, carrier)};

    if (asprintf(&file.path, "%s/%s", folder, name) < 0)
        file.path = NULL;
    return add_file(config, file, err);
}

/* Every carrier of the folder; if there is none, every qcow2 image. */
static int set_folder(struct bf_config *config, const char *value, struct bf_error *err)
{
    BF_CLEANUP(bf_freep) char *folder = nbdkit_absolute_path(value);
    struct dirent **entries = NULL;
    bool carriers = true;
    int nr_entries;
    int ret = 0;

    if (!folder)
        return no_memory(err);
    nr_entries = scandir(folder, &entries, is_carrier, by_bytes);
    if (nr_entries == 0) {
        free(entries);
        carriers = false;
        nr_entries = scandir(folder, &entries, is_image, by_bytes);
    }
    if (nr_entries < 0)
        return bf_error_set_errno(err, errno, "cannot list the folder '%s'", folder);
    if (nr_entries == 0)
        ret = bf_error_set(err, BF_E_NOT_FOUND,
                           "'%s' holds neither *.carrier.qcow2 nor *.qcow2 files", folder);
    for (int i = 0; i < nr_entries; i++) {
        if (ret == 0)
            ret = add_folder_file(config, folder, entries[i]->d_name, carriers, err);
        free(entries[i]);
    }
    free(entries);
    return ret;
}

static int set_bitmap(struct bf_config *config, const char *value, struct bf_error *err)
{
    char **bitmaps = realloc(config->bitmaps, (config->nr_bitmaps + 1) * sizeof *bitmaps);

    if (!bitmaps)
        return no_memory(err);
    config->bitmaps = bitmaps;
    bitmaps[config->nr_bitmaps] = strdup(value);
    if (!bitmaps[config->nr_bitmaps])
        return no_memory(err);
    config->nr_bitmaps++;
    return 0;
}

/* Never on a command line, where everybody can read it: nbdkit's +FILE and -FD are for that. */
static int set_token(struct bf_config *config, const char *value, struct bf_error *err)
{
    size_t length;

    if (value[0] != '+' && value[0] != '-')
        return bf_error_set(err, BF_E_USAGE, "the token comes from a file: token=+FILE");
    free(bf_steal_ptr(&config->token));
    if (nbdkit_read_password(value, &config->token) < 0)
        return bf_error_set(err, BF_E_IO, "the token cannot be read");
    length = strlen(config->token);
    if (length < TOKEN_MIN_CHARS || length > TOKEN_MAX_CHARS || strchr(config->token, '/'))
        return bf_error_set(err, BF_E_USAGE, "a token has %d to %d characters, and no '/'",
                            TOKEN_MIN_CHARS, TOKEN_MAX_CHARS);
    return 0;
}

int bf_config_set(struct bf_config *config, const char *key, const char *value,
                  struct bf_error *err)
{
    if (strcmp(key, "image") == 0)
        return set_file(config, value, false, err);
    if (strcmp(key, "carrier") == 0)
        return set_file(config, value, true, err);
    if (strcmp(key, "late") == 0)
        return set_late(config, value, err);
    if (strcmp(key, "dir") == 0)
        return set_folder(config, value, err);
    if (strcmp(key, "bitmap") == 0)
        return set_bitmap(config, value, err);
    if (strcmp(key, "token") == 0)
        return set_token(config, value, err);
    return bf_error_set(
        err, BF_E_USAGE,
        "unknown parameter '%s': there are image=, carrier=, late=, dir=, bitmap= and token=", key);
}

/* The time that it takes tells nothing of the token but its length. */
const char *bf_config_behind_token(const struct bf_config *config, const char *name)
{
    size_t length = config->token ? strlen(config->token) : 0;
    unsigned char different = 0;

    if (!config->token)
        return name;
    if (strlen(name) <= length || name[length] != '/')
        return NULL;
    for (size_t i = 0; i < length; i++)
        different |= (unsigned char)(name[i] ^ config->token[i]);
    return different ? NULL : name + length + 1;
}

void bf_config_release(struct bf_config *config)
{
    for (size_t i = 0; i < config->nr_files; i++)
        release_file(&config->files[i]);
    for (size_t i = 0; i < config->nr_late; i++)
        release_file(&config->late[i]);
    free(config->late);
    for (size_t i = 0; i < config->nr_bitmaps; i++)
        free(config->bitmaps[i]);
    free(config->files);
    free(config->bitmaps);
    free(config->token);
    *config = (struct bf_config){0};
}
