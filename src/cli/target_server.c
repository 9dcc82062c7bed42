#include "base/name.h"
#include "carrier/reader.h"
#include "interruptible_pull.h"
#include "nbd/endpoint.h"
#include "progress.h"
#include "server_disk.h"
#include "server_index.h"
#include "target_source.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A bitmap that was pulled to be read: a carrier in a file that has no name any more. */
struct pulled {
    struct pulled *next;
    char *disk, *bitmap;
    int fd; /* the reader looks at the file through /proc/self/fd */
    struct bf_reader *reader;
};

struct server {
    char *uri;
    struct bf_nbd_endpoint endpoint;
    const struct bf_arguments *args;
    struct pulled *pulled;
};

/* Bits on their way from the server into a carrier. */
struct stream {
    struct bf_writer *writer;
    struct bf_meter meter;
    uint64_t expected_bytes, done_bytes;
};

static int begin_stream(void *ctx, uint64_t size_bytes, struct bf_error *err)
{
    const struct stream *stream = ctx;

    if (size_bytes != stream->expected_bytes)
        return bf_error_set(err, BF_E_PROTOCOL,
                            "the export has %" PRIu64 " bytes where the index promises %" PRIu64,
                            size_bytes, stream->expected_bytes);
    return 0;
}

static int take_data(void *ctx, const uint8_t *bytes, uint64_t nr_bytes, struct bf_error *err)
{
    struct stream *stream = ctx;
    int ret = bf_writer_append(stream->writer, bytes, nr_bytes, err);

    stream->done_bytes += nr_bytes;
    if (ret < 0)
        return ret;
    return bf_meter_update(&stream->meter, stream->done_bytes, stream->expected_bytes, err);
}

static int take_hole(void *ctx, uint64_t nr_bytes, struct bf_error *err)
{
    struct stream *stream = ctx;
    int ret = bf_writer_append_clean(stream->writer, nr_bytes, err);

    stream->done_bytes += nr_bytes;
    if (ret < 0)
        return ret;
    return bf_meter_update(&stream->meter, stream->done_bytes, stream->expected_bytes, err);
}

static int server_append(void *source, const struct bf_catalog_disk *disk,
                         const struct bf_catalog_bitmap *bitmap, struct bf_writer *writer,
                         struct bf_error *err)
{
    const struct server *server = source;
    struct bf_geometry geometry = bf_catalog_geometry(disk, bitmap);
    struct stream stream = {.writer = writer,
                            .expected_bytes = bf_geometry_packed_bytes(&geometry)};
    const struct bf_nbd_sink sink = {begin_stream, take_data, take_hole, &stream};
    char export_name[BF_EXPORT_NAME_MAX + 1];
    int ret = bf_export_name_encode(disk->name, bitmap->name, BF_VIEW_BITS, export_name, err);

    if (ret < 0)
        return ret;
    bf_meter_begin_bitmap(&stream.meter, server->args, "pulling", disk->name, bitmap->name);
    ret = bf_interruptible_pull(&server->endpoint, export_name, NULL, &sink, err);
    bf_meter_end(&stream.meter);
    return ret;
}

static int server_append_together(void *source, const struct bf_catalog_disk *disk,
                                  struct bf_writer *writer, struct bf_target_copy *copies,
                                  size_t nr_copies, bool *ret_done, struct bf_error *err)
{
    const struct server *server = source;

    return bf_server_disk_append(&server->endpoint, server->args, disk, writer, copies, nr_copies,
                                 ret_done, err);
}

/* An open file without a name, in $TMPDIR or /var/tmp: bits may be many, and /tmp may be memory. */
static int open_nameless(struct bf_error *err)
{
    const char *folder = getenv("TMPDIR");
    BF_CLEANUP(bf_freep) char *path = NULL;
    int fd;

    if (!folder || folder[0] == '\0')
        folder = "/var/tmp";
    fd = open(folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (fd >= 0)
        return fd;
    /* Not every file system has O_TMPFILE (NFS, overlayfs before Linux 6.1). */
    if (asprintf(&path, "%s/bitferry.XXXXXX", folder) < 0)
        return bf_error_set(err, BF_E_NO_MEMORY, "out of memory");
    fd = mkostemp(path, O_CLOEXEC);
    if (fd < 0)
        return bf_error_set_errno(err, errno, "cannot make a temporary file in '%s'", folder);
    (void)unlink(path);
    return fd;
}

static int pull_into(struct server *server, const struct bf_catalog_disk *disk,
                     const struct bf_catalog_bitmap *bitmap, int fd, struct bf_error *err)
{
    BF_CLEANUP(bf_writer_freep) struct bf_writer *writer = NULL;
    const struct bf_bitmap_spec spec = {bitmap->name, bitmap->granularity_bytes, bitmap->recording};
    struct bf_summary summary;
    int ret = bf_writer_new(fd, "a temporary carrier", disk->virtual_size_bytes, &writer, err);

    if (ret == 0)
        ret = bf_writer_begin(writer, &spec, err);
    if (ret == 0)
        ret = server_append(server, disk, bitmap, writer, err);
    if (ret == 0)
        ret = bf_writer_end(writer, &summary, err);
    if (ret == 0 && bitmap->has_summary && !bf_summary_equal(&summary, &bitmap->summary))
        ret = bf_error_set(err, BF_E_DIGEST_MISMATCH,
                           "bitmap '%.255s' of disk '%.255s' is not what the server's index says: "
                           "it changed, or was damaged on the way",
                           bitmap->name, disk->name);
    return ret == 0 ? bf_writer_finish(writer, err) : ret;
}

static void free_pulled(struct pulled *pulled)
{
    if (pulled->reader)
        bf_reader_free(pulled->reader);
    bf_fd_closep(&pulled->fd);
    free(pulled->disk);
    free(pulled->bitmap);
    free(pulled);
}
BF_DEFINE_CLEANUP(struct pulled *, free_pulled)

static int pull(struct server *server, const struct bf_catalog_disk *disk,
                const struct bf_catalog_bitmap *bitmap, struct pulled **ret_pulled,
                struct bf_error *err)
{
    BF_CLEANUP(free_pulledp) struct pulled *pulled = calloc(1, sizeof *pulled);
    char path[64];
    int ret;

    if (!pulled)
        return bf_error_set(err, BF_E_NO_MEMORY, "out of memory");
    pulled->disk = strdup(disk->name);
    pulled->bitmap = strdup(bitmap->name);
    pulled->fd = open_nameless(err);
    if (pulled->fd < 0)
        return pulled->fd;
    if (!pulled->disk || !pulled->bitmap)
        return bf_error_set(err, BF_E_NO_MEMORY, "out of memory");
    ret = pull_into(server, disk, bitmap, pulled->fd, err);
    if (ret < 0)
        return ret;
    (void)snprintf(path, sizeof path, "/proc/self/fd/%d", pulled->fd);
    ret = bf_reader_open_path(path, 0, &pulled->reader, err);
    if (ret < 0)
        return ret;
    pulled->next = server->pulled;
    server->pulled = *ret_pulled = bf_steal_ptr(&pulled);
    return 0;
}

static struct pulled *find_pulled(const struct server *server, const char *disk, const char *bitmap)
{
    struct pulled *pulled = server->pulled;

    while (pulled && (strcmp(pulled->disk, disk) != 0 || strcmp(pulled->bitmap, bitmap) != 0))
        pulled = pulled->next;
    return pulled;
}

static void free_server(void *source)
{
    struct server *server = source;

    while (server->pulled) {
        struct pulled *pulled = server->pulled;

        server->pulled = pulled->next;
        free_pulled(pulled);
    }
    free(server->uri);
    free(server);
}

static int server_bits(void *source, const struct bf_catalog_disk *disk,
                       const struct bf_catalog_bitmap *bitmap, struct bf_bits *ret_bits,
                       struct bf_error *err)
{
    struct server *server = source;
    struct pulled *pulled = find_pulled(server, disk->name, bitmap->name);
    int ret = 0;

    if (!pulled)
        ret = pull(server, disk, bitmap, &pulled, err);
    return ret < 0 ? ret : bf_reader_bits(pulled->reader, 0, ret_bits, err);
}

const struct bf_target_source_ops bf_server_source_ops = {
    .kind = BF_TARGET_SERVER,
    .bits = server_bits,
    .append = server_append,
    .append_together = server_append_together,
    .free = free_server,
};

static struct server *new_server(const char *uri, const struct bf_target_options *options)
{
    struct server *server = calloc(1, sizeof *server);

    if (!server)
        return NULL;
    server->args = options->args;
    server->uri = strdup(uri);
    server->endpoint = (struct bf_nbd_endpoint){
        .uri = server->uri,
        .tls_certificates = options->tls_certificates,
        .deadline_ms = options->deadline_ms,
    };
    if (server->uri)
        return server;
    free(server);
    return NULL;
}

int bf_server_source_open(const char *text, const struct bf_target_options *options,
                          struct bf_catalog *catalog, void **ret_source, struct bf_error *err)
{
    BF_CLEANUP(bf_freep) char *export_name = NULL;
    struct server *server = new_server(text, options);
    int ret;

    if (!server)
        return bf_error_set(err, BF_E_NO_MEMORY, "out of memory");
    ret = bf_nbd_endpoint_check(&server->endpoint, err);
    if (ret == 0)
        ret = bf_nbd_uri_export(text, &export_name, err);
    if (ret == 0)
        ret = bf_server_index_fetch(&server->endpoint, catalog, err);
    if (ret == 0 && export_name[0] != '\0')
        ret = bf_server_index_keep(catalog, export_name, err);
    if (ret < 0) {
        free_server(server);
        return ret;
    }
    *ret_source = server;
    return 0;
}
