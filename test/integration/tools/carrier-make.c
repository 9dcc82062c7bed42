/** Write a carrier, or the qcow2 view of a bitmap, of computed bits.
 *
 *     carrier-make carrier FILE SIZE NAME GRANULARITY recording|frozen PATTERN [NAME ...]
 *     carrier-make view    FILE SIZE NAME GRANULARITY recording|frozen PATTERN
 *
 * Prints NAME, SHA-256 and dirty bytes of each bitmap, computed from the pattern, and at the end
 * the largest memory this process had ("peak KiB").  FILE must be new.
 */
#include "base/cleanup.h"
#include "base/math.h"
#include "base/text.h"
#include "carrier/view.h"
#include "carrier/writer.h"
#include "model/summary.h"
#include "pattern.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

enum {
    NR_ARGS_BEFORE = 4, /* program, mode, FILE, SIZE */
    NR_ARGS_EACH = 4,
    DUMP_BYTES = 100 << 10, /* no multiple of the cluster size */
};

struct bitmap_args {
    struct bf_bitmap_spec spec;
    struct pattern pattern;
};

static int parse_bitmap(char **args, uint64_t size_bytes, struct bitmap_args *ret_bitmap,
                        struct bf_error *err)
{
    struct bf_bitmap_spec *spec = &ret_bitmap->spec;

    spec->name = args[0];
    spec->recording = strcmp(args[2], "recording") == 0;
    if (!bf_size_parse(args[1], &spec->granularity_bytes) ||
        !pattern_parse(args[3], &ret_bitmap->pattern.kind))
        return bf_error_set(err, BF_E_USAGE, "bad granularity or pattern");
    ret_bitmap->pattern.geometry = (struct bf_geometry){size_bytes, spec->granularity_bytes};
    return 0;
}

static void print_summary(const struct bitmap_args *bitmap, const struct bf_summary *summary)
{
    char hex[BF_HEX_SHA256_MAX];

    bf_hex_encode(summary->sha256, BF_SHA256_BYTES, hex);
    printf("%s %s %llu\n", bitmap->spec.name, hex,
           (unsigned long long)bf_summary_dirty_bytes(summary, &bitmap->pattern.geometry));
}

/* What the writer says it wrote must be what the pattern is. */
static int add_bitmap(struct bf_writer *writer, struct bitmap_args *bitmap, struct bf_error *err)
{
    struct bf_bits bits = pattern_bits(&bitmap->pattern);
    struct bf_summary written;
    struct bf_summary expected;
    int r = bf_writer_add(writer, &bitmap->spec, &bits, NULL, &written, err);

    if (r == 0)
        r = bf_bits_summarize(&bits, NULL, &expected, err);
    if (r < 0)
        return r;
    if (!bf_summary_equal(&written, &expected))
        return bf_error_set(err, BF_E_DIGEST_MISMATCH, "the writer wrote something else");
    print_summary(bitmap, &expected);
    return 0;
}

static int make_carrier(int fd, const char *path, uint64_t size_bytes, char **args,
                        struct bf_error *err)
{
    BF_CLEANUP(bf_writer_freep) struct bf_writer *writer = NULL;
    int r = bf_writer_new(fd, path, size_bytes, &writer, err);

    for (; r == 0 && *args; args += NR_ARGS_EACH) {
        struct bitmap_args bitmap;

        r = parse_bitmap(args, size_bytes, &bitmap, err);
        if (r == 0)
            r = add_bitmap(writer, &bitmap, err);
    }
    return r < 0 ? r : bf_writer_finish(writer, err);
}

/* Holes stay holes of the file, so a hole that has data shows. */
static int dump(struct bf_view *view, int fd, struct bf_error *err)
{
    static uint8_t buf[DUMP_BYTES];
    uint64_t size_bytes = bf_view_size_bytes(view);
    uint64_t nr_bytes;

    for (uint64_t at = 0; at < size_bytes; at += nr_bytes) {
        bool hole;
        int r = bf_view_hole(view, at, size_bytes - at, &hole, &nr_bytes, err);

        if (r < 0)
            return r;
        if (hole)
            continue;
        nr_bytes = bf_min_u64(nr_bytes, sizeof buf);
        r = bf_view_read(view, at, buf, nr_bytes, err);
        if (r < 0)
            return r;
        if (pwrite(fd, buf, nr_bytes, (off_t)at) != (ssize_t)nr_bytes)
            return bf_error_set(err, BF_E_IO, "cannot write the view out");
    }
    return ftruncate(fd, (off_t)size_bytes) == 0 ? 0 : bf_error_set(err, BF_E_IO, "ftruncate");
}

static int dump_view(int fd, uint64_t size_bytes, char **args, struct bf_error *err)
{
    BF_CLEANUP(bf_view_freep) struct bf_view *view = NULL;
    struct bitmap_args bitmap;
    struct bf_summary summary;
    struct bf_bits bits;
    int r = parse_bitmap(args, size_bytes, &bitmap, err);

    if (r < 0)
        return r;
    bits = pattern_bits(&bitmap.pattern);
    r = bf_view_new(&bits, bitmap.spec.name, bitmap.spec.recording, &view, err);
    if (r == 0)
        r = dump(view, fd, err);
    if (r == 0)
        r = bf_bits_summarize(&bits, NULL, &summary, err);
    if (r == 0)
        print_summary(&bitmap, &summary);
    return r;
}

int main(int argc, char **argv)
{
    struct bf_error err = BF_ERROR_INIT;
    BF_CLEANUP(bf_fd_closep) int fd = -1;
    struct rusage usage;
    uint64_t size_bytes;
    int r;

    if (argc < NR_ARGS_BEFORE || (argc - NR_ARGS_BEFORE) % NR_ARGS_EACH != 0 ||
        !bf_size_parse(argv[3], &size_bytes))
        return BF_EXIT_USAGE;
    fd = open(argv[2], O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        r = bf_error_set(&err, BF_E_IO, "cannot create '%s'", argv[2]);
    else if (strcmp(argv[1], "view") == 0 && argc == NR_ARGS_BEFORE + NR_ARGS_EACH)
        r = dump_view(fd, size_bytes, argv + NR_ARGS_BEFORE, &err);
    else
        r = make_carrier(fd, argv[2], size_bytes, argv + NR_ARGS_BEFORE, &err);
    if (r < 0) {
        fprintf(stderr, "carrier-make: %s: %s\n", bf_code_name(err.code), err.text);
        return bf_code_exit(err.code);
    }
    if (getrusage(RUSAGE_SELF, &usage) == 0)
        printf("peak %ld\n", usage.ru_maxrss);
    return 0;
}
