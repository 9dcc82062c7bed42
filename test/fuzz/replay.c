/* replay FOLDER...: give every file of a fuzzing corpus to a fuzz target, so that it runs as an
 * ordinary test, with any compiler. */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Exactly as many bytes as the file has, so that a sanitizer sees a read past them. */
static int replay(const char *path)
{
    FILE *file = fopen(path, "rb");
    uint8_t *data = NULL;
    long size = -1;
    int r = -1;

    if (file && fseek(file, 0, SEEK_END) == 0)
        size = ftell(file);
    if (size >= 0)
        data = malloc(size > 0 ? (size_t)size : 1);
    if (data && fseek(file, 0, SEEK_SET) == 0 &&
        fread(data, 1, (size_t)size, file) == (size_t)size) {
        (void)LLVMFuzzerTestOneInput(data, (size_t)size);
        r = 0;
    }
    if (r < 0)
        (void)fprintf(stderr, "cannot read %s\n", path);
    free(data);
    if (file)
        (void)fclose(file);
    return r;
}

static int replay_folder(const char *folder, unsigned *ret_nr_files)
{
    DIR *dir = opendir(folder);
    const struct dirent *entry;
    int r = 0;

    if (!dir) {
        (void)fprintf(stderr, "cannot open %s\n", folder);
        return -1;
    }
    while (r == 0 && (entry = readdir(dir)) != NULL) {
        char path[4096];

        if (entry->d_name[0] == '.')
            continue;
        (void)snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
        r = replay(path);
        *ret_nr_files += 1;
    }
    (void)closedir(dir);
    return r;
}

int main(int argc, char **argv)
{
    unsigned nr_files = 0;

    for (int i = 1; i < argc; i++) {
        if (replay_folder(argv[i], &nr_files) < 0)
            return 1;
    }
    printf("%u files\n", nr_files);
    return nr_files > 0 ? 0 : 1;
}
