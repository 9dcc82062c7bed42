#include "sink.h"

#include "base/fail_point.h"
#include "base/math.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

static int fail(struct bf_sink *sink, struct bf_error *err)
{
    const char *remedy = "";

    sink->failed = true;
    if (errno == ENOSPC || errno == EDQUOT)
        remedy = ", free some space or put it elsewhere";
    return bf_error_set_errno(err, errno, "cannot write carrier '%s'%s", sink->path, remedy);
}

static int write_at(struct bf_sink *sink, uint64_t offset_bytes, const uint8_t *bytes,
                    uint64_t nr_bytes, struct bf_error *err)
{
    while (nr_bytes > 0) {
        ssize_t nr = pwrite(sink->fd, bytes, nr_bytes, (off_t)offset_bytes);

        if (nr < 0 && errno == EINTR)
            continue;
        if (nr < 0)
            return fail(sink, err);
        bytes += nr;
        offset_bytes += (uint64_t)nr;
        nr_bytes -= (uint64_t)nr;
    }
    return 0;
}

int bf_sink_init(struct bf_sink *sink, int fd, const char *path, uint64_t next_offset,
                 struct bf_error *err)
{
    struct stat st;

    if (fstat(fd, &st) < 0)
        return bf_error_set_errno(err, errno, "cannot write carrier '%s'", path);
    if (!S_ISREG(st.st_mode) || st.st_size != 0)
        return bf_error_set(err, BF_E_INVALID,
                            "cannot write a carrier into '%s': it is no empty regular file", path);
    sink->path = strdup(path);
    if (!sink->path)
        return bf_error_set(err, BF_E_NO_MEMORY, "no memory to write carrier '%s'", path);
    sink->fd = fd;
    sink->next_offset = next_offset;
    sink->failed = false;
    sink->buffered_bytes = 0;
    return 0;
}

void bf_sink_release(struct bf_sink *sink)
{
    free(sink->path);
    sink->path = NULL;
}

int bf_sink_write_cluster(struct bf_sink *sink, const uint8_t *bytes, uint64_t nr_bytes,
                          struct bf_error *err)
{
    int r = write_at(sink, sink->next_offset, bytes, nr_bytes, err);

    if (r < 0)
        return r;
    sink->next_offset += BF_CARRIER_CLUSTER_BYTES;
    return 0;
}

int bf_sink_put(struct bf_sink *sink, const uint8_t *bytes, uint64_t nr_bytes, struct bf_error *err)
{
    while (nr_bytes > 0) {
        uint64_t nr = bf_min_u64(nr_bytes, BF_CARRIER_CLUSTER_BYTES - sink->buffered_bytes);
        int r = 0;

        memcpy(sink->buffer + sink->buffered_bytes, bytes, nr);
        sink->buffered_bytes += nr;
        bytes += nr;
        nr_bytes -= nr;
        if (sink->buffered_bytes == BF_CARRIER_CLUSTER_BYTES)
            r = bf_sink_end_put(sink, err);
        if (r < 0)
            return r;
    }
    return 0;
}

int bf_sink_end_put(struct bf_sink *sink, struct bf_error *err)
{
    uint64_t nr_bytes = sink->buffered_bytes;

    sink->buffered_bytes = 0;
    return nr_bytes > 0 ? bf_sink_write_cluster(sink, sink->buffer, nr_bytes, err) : 0;
}

int bf_sink_finish(struct bf_sink *sink, const uint8_t *header, uint64_t nr_bytes,
                   struct bf_error *err)
{
    int r;

    if (ftruncate(sink->fd, (off_t)sink->next_offset) < 0 || fdatasync(sink->fd) < 0)
        return fail(sink, err);
    bf_fail_point("carrier.header");
    r = write_at(sink, 0, header, nr_bytes, err);
    if (r < 0)
        return r;
    return fdatasync(sink->fd) < 0 ? fail(sink, err) : 0;
}
