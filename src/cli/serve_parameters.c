#include "serve_parameters.h"

#include "base/cleanup.h"
#include "carrier/reader.h"
#include "images_below.h"
#include "target_image.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

static int no_memory(struct bf_error *err)
{
    return bf_error_set(err, BF_E_NO_MEMORY, "out of memory");
}

/* Takes @text over; NULL: no memory. */
static int add(struct bf_serve_parameters *parameters, char *text, struct bf_error *err)
{
    char **texts = reallocarray(parameters->texts, parameters->nr_texts + 1, sizeof(char *));

    if (texts)
        parameters->texts = texts;
    if (!texts || !text) {
        free(text);
        return no_memory(err);
    }
    texts[parameters->nr_texts++] = text;
    return 0;
}

static int add_folder(struct bf_serve_parameters *parameters, const char *path,
                      struct bf_error *err)
{
    char *text = NULL;

    return add(parameters, asprintf(&text, "dir=%s", path) < 0 ? NULL : text, err);
}

static int add_image(struct bf_serve_parameters *parameters, const char *disk, const char *path,
                     struct bf_error *err)
{
    char *text = NULL;

    return add(parameters, asprintf(&text, "image=%s=%s", disk, path) < 0 ? NULL : text, err);
}

/* What cannot have bitmaps is not served. */
static int add_below(void *ctx, const char *name, const char *path, uint64_t size_bytes,
                     struct bf_error *err)
{
    BF_CLEANUP(bf_reader_freep) struct bf_reader *reader = NULL;
    struct bf_error why = BF_ERROR_INIT;

    (void)size_bytes;
    if (bf_reader_open_path(path, 0, &reader, &why) == 0)
        return add_image(ctx, name, path, err);
    if (why.code == BF_E_NOT_QCOW2 || why.code == BF_E_QCOW2_V2)
        return 0;
    return bf_error_set(err, why.code, "%s", why.text);
}

static int add_chain(struct bf_serve_parameters *parameters, const char *disk, const char *path,
                     struct bf_error *err)
{
    BF_CLEANUP(bf_reader_freep) struct bf_reader *reader = NULL;
    int ret = bf_reader_open_path(path, 0, &reader, err);

    if (ret == 0)
        ret = add_image(parameters, disk, path, err);
    if (ret == 0 && bf_reader_image(reader)->has_backing)
        ret = bf_images_below(path, disk, add_below, parameters, err);
    return ret;
}

static int add_operand(struct bf_serve_parameters *parameters, const char *operand,
                       const char *name, struct bf_error *err)
{
    BF_CLEANUP(bf_freep) char *path = realpath(operand, NULL);
    char disk[256];
    DIR *folder;

    if (!path)
        return bf_error_set_errno(err, errno, "%s", operand);
    folder = opendir(path);
    if (folder) {
        (void)closedir(folder);
        return add_folder(parameters, path, err);
    }
    bf_disk_name_of_path(operand, disk);
    return add_chain(parameters, name ? name : disk, path, err);
}

void bf_serve_parameters_release(struct bf_serve_parameters *parameters)
{
    for (size_t i = 0; i < parameters->nr_texts; i++)
        free(parameters->texts[i]);
    free(parameters->texts);
}

int bf_serve_parameters_of_operands(const struct bf_arguments *args,
                                    const struct bf_option_values *names,
                                    const struct bf_option_values *bitmaps,
                                    struct bf_serve_parameters *parameters, struct bf_error *err)
{
    int ret = 0;

    for (size_t i = 0; ret == 0 && i < args->nr_operands; i++)
        ret =
            add_operand(parameters, args->operands[i], names->given ? names->values[i] : NULL, err);
    for (size_t i = 0; ret == 0 && i < bitmaps->nr_values; i++) {
        char *text = NULL;

        ret = add(parameters, asprintf(&text, "bitmap=%s", bitmaps->values[i]) < 0 ? NULL : text,
                  err);
    }
    return ret;
}

int bf_serve_parameters_of_folder(const char *folder, struct bf_serve_parameters *parameters,
                                  struct bf_error *err)
{
    return add_folder(parameters, folder, err);
}
