/** What `bitferry pull` does before it installs: fetch bits over NBD, one export after the other,
 * and check their digests.
 *
 *     bench-pull-bits URI SIZE GRANULARITY [--into CARRIER] EXPORT=SHA256...
 *
 * Without --into the bits are only counted and digested.
 */
#include "base/cleanup.h"
#include "base/text.h"
#include "carrier/writer.h"
#include "model/summary.h"
#include "nbd/pull.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

enum { FIRST_OPTION = 4, DEADLINE_MS = 60000 };

struct pull {
    struct bf_nbd_endpoint endpoint;
    struct bf_geometry geometry;
    struct bf_writer *writer; /* NULL: digest only */
    struct bf_summarizer *summarizer;
};

static int on_begin(void *ctx, uint64_t size_bytes, struct bf_error *err)
{
    const struct pull *pull = ctx;

    if (size_bytes != bf_geometry_packed_bytes(&pull->geometry))
        return bf_error_set(err, BF_E_SIZE_MISMATCH, "the export has another size");
    return 0;
}

static int on_data(void *ctx, const uint8_t *bytes, uint64_t nr_bytes, struct bf_error *err)
{
    struct pull *pull = ctx;

    if (pull->writer)
        return bf_writer_append(pull->writer, bytes, nr_bytes, err);
    bf_summarizer_feed(pull->summarizer, bytes, nr_bytes);
    return 0;
}

static int on_hole(void *ctx, uint64_t nr_bytes, struct bf_error *err)
{
    struct pull *pull = ctx;

    if (pull->writer)
        return bf_writer_append_clean(pull->writer, nr_bytes, err);
    bf_summarizer_feed_clean(pull->summarizer, nr_bytes);
    return 0;
}

static int begin(struct pull *pull, const char *name, struct bf_error *err)
{
    const struct bf_bitmap_spec spec = {name, pull->geometry.granularity_bytes, true};

    return pull->writer ? bf_writer_begin(pull->writer, &spec, err)
                        : bf_summarizer_new(&pull->summarizer, err);
}

static int end(struct pull *pull, struct bf_summary *ret_summary, struct bf_error *err)
{
    if (pull->writer)
        return bf_writer_end(pull->writer, ret_summary, err);
    bf_summarizer_finish(pull->summarizer, ret_summary);
    bf_summarizer_free(bf_steal_ptr(&pull->summarizer));
    return 0;
}

static int pull_one(struct pull *pull, const char *name, const char *sha256, struct bf_error *err)
{
    const struct bf_nbd_sink sink = {on_begin, on_data, on_hole, pull};
    struct bf_summary summary;
    char hex[BF_HEX_SHA256_MAX];
    int r = begin(pull, name, err);

    if (r == 0)
        r = bf_nbd_pull_run(&pull->endpoint, name, &sink, err);
    if (r == 0)
        r = end(pull, &summary, err);
    if (r < 0)
        return r;
    bf_hex_encode(summary.sha256, BF_SHA256_BYTES, hex);
    return strcmp(hex, sha256) == 0
               ? 0
               : bf_error_set(err, BF_E_DIGEST_MISMATCH, "%s is %s, not %s", name, hex, sha256);
}

static int pull_all(struct pull *pull, char **exports, struct bf_error *err)
{
    int r = 0;

    for (; r == 0 && *exports; exports++) {
        char *sha256 = strrchr(*exports, '=');

        if (!sha256)
            return bf_error_set(err, BF_E_USAGE, "'%s' has no digest", *exports);
        *sha256 = '\0';
        r = pull_one(pull, *exports, sha256 + 1, err);
    }
    if (r == 0 && pull->writer)
        r = bf_writer_finish(pull->writer, err);
    bf_summarizer_freep(&pull->summarizer);
    return r;
}

static int pull_into(struct pull *pull, const char *path, char **exports, struct bf_error *err)
{
    BF_CLEANUP(bf_fd_closep) int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    int r;

    if (fd < 0)
        return bf_error_set(err, BF_E_IO, "cannot create '%s'", path);
    r = bf_writer_new(fd, path, pull->geometry.disk_size_bytes, &pull->writer, err);
    if (r < 0)
        return r;
    r = pull_all(pull, exports, err);
    bf_writer_free(pull->writer);
    return r;
}

int main(int argc, char **argv)
{
    struct bf_error err = BF_ERROR_INIT;
    struct pull pull = {.endpoint.deadline_ms = DEADLINE_MS};

    if (argc <= FIRST_OPTION || !bf_size_parse(argv[2], &pull.geometry.disk_size_bytes) ||
        !bf_size_parse(argv[3], &pull.geometry.granularity_bytes))
        return BF_EXIT_USAGE;
    pull.endpoint.uri = argv[1];
    if (strcmp(argv[FIRST_OPTION], "--into") == 0 && argc > FIRST_OPTION + 1)
        (void)pull_into(&pull, argv[FIRST_OPTION + 1], argv + FIRST_OPTION + 2, &err);
    else
        (void)pull_all(&pull, argv + FIRST_OPTION, &err);
    if (err.code != BF_E_NONE)
        fprintf(stderr, "bench-pull-bits: %s\n", err.text);
    return bf_code_exit(err.code);
}
