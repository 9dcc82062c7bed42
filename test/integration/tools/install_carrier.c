/* install-carrier [--replace] [--frozen] [--granularity BYTES] [--key-file FILE] CARRIER IMAGE
 *
 * Install every bitmap of CARRIER in IMAGE, for the tests of the attach layer. */
#include "attach/install.h"
#include "carrier/reader.h"

#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

struct choice {
    const char *carrier_path;
    const char *key_file;
    uint64_t granularity_bytes;
    bool replace;
    bool frozen;
};

static int describe(struct bf_reader *reader, const struct choice *choice,
                    struct bf_install_bitmap *bitmaps, struct bf_error *err)
{
    for (uint32_t i = 0; i < bf_reader_image(reader)->nr_bitmaps; i++) {
        struct bf_image_bitmap bitmap;
        struct bf_bits bits;
        int r;

        bf_reader_bitmap(reader, i, &bitmap);
        bitmaps[i] = (struct bf_install_bitmap){
            .carrier_name = bitmap.name,
            .name = bitmap.name,
            .granularity_bytes = choice->granularity_bytes ? choice->granularity_bytes
                                                           : bitmap.geometry.granularity_bytes,
            .recording = bitmap.recording && !choice->frozen,
        };
        r = bf_reader_bits(reader, i, &bits, err);
        if (r == 0)
            r = bf_bits_summarize(&bits, NULL, &bitmaps[i].summary, err);
        if (r < 0)
            return r;
    }
    return 0;
}

static int install(const struct choice *choice, const char *image_path, struct bf_error *err)
{
    BF_CLEANUP(bf_reader_freep) struct bf_reader *reader = NULL;
    BF_CLEANUP(bf_work_folder_closep) struct bf_work_folder *folder = NULL;
    BF_CLEANUP(bf_freep) struct bf_install_bitmap *bitmaps = NULL;
    struct bf_install_options options = {
        .image_path = image_path,
        .carrier_path = choice->carrier_path,
        .key_file = choice->key_file,
        .replace = choice->replace,
        .deadline_ms = 60000,
    };
    int r = bf_work_folder_open(image_path, &folder, err);

    if (r == 0)
        r = bf_reader_open_path(choice->carrier_path, 0, &reader, err);
    if (r < 0)
        return r;
    options.nr_bitmaps = bf_reader_image(reader)->nr_bitmaps;
    bitmaps = calloc(options.nr_bitmaps + 1, sizeof *bitmaps);
    options.bitmaps = bitmaps;
    r = bitmaps ? describe(reader, choice, bitmaps, err) : -1;
    return r < 0 ? r : bf_install(folder, &options, err);
}

int main(int argc, char **argv)
{
    static const struct option long_options[] = {{"replace", no_argument, NULL, 'r'},
                                                 {"frozen", no_argument, NULL, 'f'},
                                                 {"granularity", required_argument, NULL, 'g'},
                                                 {"key-file", required_argument, NULL, 'k'},
                                                 {NULL, 0, NULL, 0}};
    struct bf_error err = BF_ERROR_INIT;
    struct choice choice = {0};
    int c;

    (void)signal(SIGPIPE, SIG_IGN);
    while ((c = getopt_long(argc, argv, "", long_options, NULL)) != -1) {
        if (c == 'r')
            choice.replace = true;
        else if (c == 'f')
            choice.frozen = true;
        else if (c == 'g')
            choice.granularity_bytes = strtoull(optarg, NULL, 10);
        else if (c == 'k')
            choice.key_file = optarg;
        else
            return BF_EXIT_USAGE;
    }
    if (argc - optind != 2)
        return BF_EXIT_USAGE;
    choice.carrier_path = argv[optind];
    if (install(&choice, argv[optind + 1], &err) < 0) {
        (void)fprintf(stderr, "%s: %s\n", bf_code_name(err.code), err.text);
        return bf_code_exit(err.code);
    }
    return 0;
}
