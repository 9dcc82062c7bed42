#include "serve_parameters.h"

#include "target_image.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

/* image=DISK=/PATH or dir=/PATH */
static char *make_parameter(const struct bf_arguments *args, const struct bf_option_values *names,
                            size_t index, struct bf_error *err)
{
    BF_CLEANUP(bf_freep) char *path = realpath(args->operands[index], NULL);
    char disk[256];
    char *parameter = NULL;
    DIR *folder;

    if (!path) {
        (void)bf_error_set_errno(err, errno, "%s", args->operands[index]);
        return NULL;
    }
    folder = opendir(path);
    if (folder) {
        (void)closedir(folder);
        if (asprintf(&parameter, "dir=%s", path) >= 0)
            return parameter;
    } else {
        bf_disk_name_of_path(args->operands[index], disk);
        if (asprintf(&parameter, "image=%s=%s", names->given ? names->values[index] : disk, path) >=
            0)
            return parameter;
    }
    (void)bf_error_set(err, BF_E_NO_MEMORY, "out of memory");
    return NULL;
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
    size_t max = args->nr_operands + bitmaps->nr_values;

    parameters->texts = calloc(max, sizeof *parameters->texts);
    if (!parameters->texts)
        return bf_error_set(err, BF_E_NO_MEMORY, "out of memory");
    for (size_t i = 0; i < max; i++) {
        char *text = NULL;

        if (i < args->nr_operands)
            text = make_parameter(args, names, i, err);
        else if (asprintf(&text, "bitmap=%s", bitmaps->values[i - args->nr_operands]) < 0)
            text = NULL;
        if (!text)
            return bf_error_set(err, BF_E_NO_MEMORY, "out of memory");
        parameters->texts[parameters->nr_texts++] = text;
    }
    return 0;
}

int bf_serve_parameters_of_folder(const char *folder, struct bf_serve_parameters *parameters,
                                  struct bf_error *err)
{
    parameters->texts = calloc(1, sizeof *parameters->texts);
    if (!parameters->texts || asprintf(&parameters->texts[0], "dir=%s", folder) < 0)
        return bf_error_set(err, BF_E_NO_MEMORY, "out of memory");
    parameters->nr_texts = 1;
    return 0;
}
