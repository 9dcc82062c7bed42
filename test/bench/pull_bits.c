/** The part of `bitferry pull` before the installing, alone.
 *
 *     bench-pull-bits URI --into CARRIER     as it is: index, bits, carrier, digests
 *     bench-pull-bits URI DISK=SHA256        count and digest of the disk's export, start to end
 */
#include "base/cleanup.h"
#include "base/text.h"
#include "carrier/writer.h"
#include "interrupt.h"
#include "model/summary.h"
#include "nbd/pull.h"
#include "target.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

static int on_begin(void *ctx, uint64_t size_bytes, struct bf_error *err)
{
    (void)ctx;
    (void)size_bytes;
    (void)err;
    return 0;
}

static int on_data(void *ctx, const uint8_t *bytes, uint64_t nr_bytes, struct bf_error *err)
{
    (void)err;
    bf_summarizer_feed(ctx, bytes, nr_bytes);
    return 0;
}

static int on_hole(void *ctx, uint64_t nr_bytes, struct bf_error *err)
{
    (void)err;
    bf_summarizer_feed_clean(ctx, nr_bytes);
    return 0;
}

static int digest(const char *uri, const char *disk, const char *sha256, struct bf_error *err)
{
    BF_CLEANUP(bf_summarizer_freep) struct bf_summarizer *summarizer = NULL;
    const struct bf_nbd_endpoint endpoint = {.uri = uri, .deadline_ms = BF_TARGET_DEADLINE_MS};
    struct bf_nbd_sink sink = {on_begin, on_data, on_hole, NULL};
    struct bf_summary summary;
    char hex[BF_HEX_SHA256_MAX];
    int ret = bf_summarizer_new(&summarizer, err);

    sink.ctx = summarizer;
    if (ret == 0)
        ret = bf_nbd_pull_run(&endpoint, disk, &sink, err);
    if (ret < 0)
        return ret;
    bf_summarizer_finish(summarizer, &summary);
    bf_hex_encode(summary.sha256, BF_SHA256_BYTES, hex);
    return strcmp(hex, sha256) == 0
               ? 0
               : bf_error_set(err, BF_E_DIGEST_MISMATCH, "%s is %s, not %s", disk, hex, sha256);
}

static int copy_all(struct bf_target *target, struct bf_writer *writer, struct bf_error *err)
{
    const struct bf_catalog_disk *disk = &bf_target_catalog(target)->disks[0];
    BF_CLEANUP(bf_freep)
    struct bf_target_copy *copies = calloc(disk->nr_bitmaps, sizeof *copies);

    if (!copies)
        return bf_error_set(err, BF_E_NO_MEMORY, "out of memory");
    for (size_t i = 0; i < disk->nr_bitmaps; i++) {
        const struct bf_catalog_bitmap *bitmap = &disk->bitmaps[i];

        copies[i] = (struct bf_target_copy){
            .bitmap = bitmap->name,
            .spec = {bitmap->name, bitmap->granularity_bytes, bitmap->recording},
        };
    }
    return bf_target_copy(target, disk->name, writer, copies, disk->nr_bitmaps, err);
}

static int pull_into(const char *uri, const char *path, struct bf_error *err)
{
    BF_CLEANUP(bf_fd_closep) int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    BF_CLEANUP(bf_target_freep) struct bf_target *target = NULL;
    BF_CLEANUP(bf_writer_freep) struct bf_writer *writer = NULL;
    static const struct bf_arguments args = {.quiet = true};
    const struct bf_target_options options = {.args = &args};
    int ret;

    if (fd < 0)
        return bf_error_set(err, BF_E_IO, "cannot create '%s'", path);
    ret = bf_target_open(uri, &options, &target, err);
    if (ret == 0)
        ret = bf_writer_new(fd, path, bf_target_catalog(target)->disks[0].virtual_size_bytes,
                            &writer, err);
    if (ret == 0)
        ret = copy_all(target, writer, err);
    return ret == 0 ? bf_writer_finish(writer, err) : ret;
}

int main(int argc, char **argv)
{
    struct bf_error err = BF_ERROR_INIT;
    char *sha256;

    if (bf_interrupt_install(&err) < 0)
        return bf_code_exit(err.code);
    if (argc == 4 && strcmp(argv[2], "--into") == 0) {
        (void)pull_into(argv[1], argv[3], &err);
    } else if (argc == 3 && (sha256 = strrchr(argv[2], '='))) {
        *sha256 = '\0';
        (void)digest(argv[1], argv[2], sha256 + 1, &err);
    } else {
        return BF_EXIT_USAGE;
    }
    if (err.code != BF_E_NONE)
        fprintf(stderr, "bench-pull-bits: %s\n", err.text);
    return bf_code_exit(err.code);
}
