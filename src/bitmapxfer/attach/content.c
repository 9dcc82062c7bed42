#include "attach/content.h"

#include "base/cleanup.h"
#include "base/endian.h"

#include <errno.h>
#include <fcntl.h>
#include <nettle/sha2.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    HEADER_BYTES = 72, /* of version 2, which version 3 begins with */
    CLUSTER_BITS_AT = 20,
    SIZE_AT = 24,
    L1_ENTRIES_AT = 36,
    L1_OFFSET_AT = 40,
    CLUSTER_BITS_MIN = 9,
    CLUSTER_BITS_MAX = 21,
    L1_BYTES_MAX = 32 << 20, /* QEMU: QCOW_MAX_L1_SIZE */
    L2_BYTES_MAX = 256 << 20,
    RAW_BYTES = 1 << 20,
};

static const uint32_t qcow2_magic = 0x514649fb;
static const uint64_t offset_mask = UINT64_C(0x00fffffffffffe00);

struct file {
    int fd;
    const char *path;
    struct sha256_ctx digest;
};

static int read_at(const struct file *file, void *buf, size_t nr_bytes, uint64_t offset_bytes,
                   struct bf_error *err)
{
    ssize_t nr = pread(file->fd, buf, nr_bytes, (off_t)offset_bytes);

    if (nr < 0)
        return bf_error_set_errno(err, errno, "cannot read %s", file->path);
    if ((size_t)nr != nr_bytes)
        return bf_error_set(err, BF_E_IMAGE_CORRUPT, "%s: a table does not lie in the file",
                            file->path);
    return 0;
}

static int digest_l2_tables(struct file *file, const uint8_t *l1, size_t nr_entries,
                            size_t cluster_bytes, struct bf_error *err)
{
    BF_CLEANUP(bf_freep) uint8_t *table = malloc(cluster_bytes);
    size_t nr_bytes = 0;
    int r = table ? 0 : bf_error_set(err, BF_E_NO_MEMORY, "no memory for a table");

    for (size_t i = 0; r == 0 && i < nr_entries && nr_bytes < L2_BYTES_MAX; i++) {
        uint64_t at = bf_be64_get(l1 + i * 8) & offset_mask;

        if (at == 0)
            continue;
        r = read_at(file, table, cluster_bytes, at, err);
        if (r == 0)
            sha256_update(&file->digest, cluster_bytes, table);
        nr_bytes += cluster_bytes;
    }
    return r;
}

static int digest_qcow2(struct file *file, const uint8_t *header, struct bf_error *err)
{
    uint32_t cluster_bits = bf_be32_get(header + CLUSTER_BITS_AT);
    size_t nr_entries = bf_be32_get(header + L1_ENTRIES_AT);
    BF_CLEANUP(bf_freep) uint8_t *l1 = NULL;
    int r;

    if (cluster_bits < CLUSTER_BITS_MIN || cluster_bits > CLUSTER_BITS_MAX ||
        nr_entries * 8 > L1_BYTES_MAX)
        return bf_error_set(err, BF_E_IMAGE_CORRUPT, "%s: a header that no QEMU writes",
                            file->path);
    l1 = malloc(nr_entries * 8 + 1);
    if (!l1)
        return bf_error_set(err, BF_E_NO_MEMORY, "no memory for a table");
    r = read_at(file, l1, nr_entries * 8, bf_be64_get(header + L1_OFFSET_AT), err);
    if (r < 0)
        return r;
    sha256_update(&file->digest, L1_OFFSET_AT - CLUSTER_BITS_AT, header + CLUSTER_BITS_AT);
    sha256_update(&file->digest, nr_entries * 8, l1);
    return digest_l2_tables(file, l1, nr_entries, (size_t)1 << cluster_bits, err);
}

static int digest_raw(struct file *file, struct bf_error *err)
{
    BF_CLEANUP(bf_freep) uint8_t *bytes = malloc(RAW_BYTES);
    off_t end = lseek(file->fd, 0, SEEK_END);
    ssize_t nr = bytes && end >= 0 ? pread(file->fd, bytes, RAW_BYTES, 0) : -1;
    uint8_t size[8];

    if (nr < 0)
        return bf_error_set_errno(err, errno, "cannot read %s", file->path);
    bf_be64_put(size, (uint64_t)end);
    sha256_update(&file->digest, sizeof size, size);
    sha256_update(&file->digest, (size_t)nr, bytes);
    return 0;
}

int bf_image_data_digest(const char *path, uint8_t ret_sha256[BF_SHA256_BYTES],
                         struct bf_error *err)
{
    BF_CLEANUP(bf_fd_closep) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    struct file file = {.fd = fd, .path = path};
    uint8_t header[HEADER_BYTES];
    int r;

    if (fd < 0)
        return bf_error_set_errno(err, errno, "cannot open %s", path);
    sha256_init(&file.digest);
    if (pread(fd, header, sizeof header, 0) == HEADER_BYTES && bf_be32_get(header) == qcow2_magic)
        r = digest_qcow2(&file, header, err);
    else
        r = digest_raw(&file, err);
    if (r == 0)
        sha256_digest(&file.digest, BF_SHA256_BYTES, ret_sha256);
    return r;
}

int bf_image_stamp(const char *path, uint8_t ret_sha256[BF_SHA256_BYTES], struct bf_error *err)
{
    struct sha256_ctx digest;
    struct stat st;
    uint64_t facts[5];

    if (stat(path, &st) < 0)
        return bf_error_set_errno(err, errno, "cannot look at %s", path);
    facts[0] = (uint64_t)st.st_dev;
    facts[1] = (uint64_t)st.st_ino;
    facts[2] = (uint64_t)st.st_size;
    facts[3] = (uint64_t)st.st_mtim.tv_sec;
    facts[4] = (uint64_t)st.st_mtim.tv_nsec;
    sha256_init(&digest);
    sha256_update(&digest, sizeof facts, (const uint8_t *)facts);
    sha256_digest(&digest, BF_SHA256_BYTES, ret_sha256);
    return 0;
}
