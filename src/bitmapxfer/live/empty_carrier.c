#include "empty_carrier.h"

#include "base/cleanup.h"
#include "base/endian.h"
#include "base/math.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>

/* Clusters: header, refcount table, the one refcount block, L1 table (all zeroes, so a hole). */
enum {
    CLUSTER_BITS = 16,
    CLUSTER_BYTES = 1 << CLUSTER_BITS,
    HEADER_BYTES = 112,  /* an end-of-extensions of 8 zero bytes follows */
    L1_COVERS_BITS = 29, /* one L1 entry: a cluster of 8-byte L2 entries, a cluster each */
    L1_ENTRIES_MAX = (32 << 20) / 8, /* QEMU: QCOW_MAX_L1_SIZE */
    REFCOUNT_ORDER = 4,              /* 16 bits */
    NR_CLUSTERS_BEFORE_L1 = 3,
};

/* Source: docs/interop/qcow2.txt, "Header". */
static void encode_header(uint8_t *to, uint64_t virtual_size_bytes, uint32_t nr_l1_entries)
{
    bf_be32_put(to + 0, 0x514649fb); /* magic */
    bf_be32_put(to + 4, 3);          /* version */
    bf_be32_put(to + 20, CLUSTER_BITS);
    bf_be64_put(to + 24, virtual_size_bytes);
    bf_be32_put(to + 36, nr_l1_entries);
    bf_be64_put(to + 40, NR_CLUSTERS_BEFORE_L1 * CLUSTER_BYTES); /* the L1 table */
    bf_be64_put(to + 48, CLUSTER_BYTES);                         /* the refcount table */
    bf_be32_put(to + 56, 1);                                     /* its clusters */
    bf_be32_put(to + 96, REFCOUNT_ORDER);
    bf_be32_put(to + 100, HEADER_BYTES);
}

static int write_at(int fd, const char *path, const uint8_t *bytes, size_t nr_bytes, off_t offset,
                    struct bf_error *err)
{
    ssize_t nr_written = pwrite(fd, bytes, nr_bytes, offset);

    if (nr_written == (ssize_t)nr_bytes)
        return 0;
    return bf_error_set_errno(err, nr_written < 0 ? errno : ENOSPC, "cannot write %s", path);
}

static int fill(int fd, const char *path, uint64_t virtual_size_bytes, struct bf_error *err)
{
    uint64_t nr_l1_entries = bf_div_round_up_u64(virtual_size_bytes, UINT64_C(1) << L1_COVERS_BITS);
    uint64_t nr_clusters =
        NR_CLUSTERS_BEFORE_L1 + bf_div_round_up_u64(nr_l1_entries * 8, CLUSTER_BYTES);
    uint8_t header[HEADER_BYTES + 8] = {0};
    uint8_t table_entry[8];
    uint8_t refcounts[2 * (NR_CLUSTERS_BEFORE_L1 + L1_ENTRIES_MAX * 8 / CLUSTER_BYTES)];
    int r;

    if (nr_l1_entries > L1_ENTRIES_MAX)
        return bf_error_set(err, BF_E_LIMIT,
                            "QEMU opens no carrier for a disk of %" PRIu64 " bytes",
                            virtual_size_bytes);
    encode_header(header, virtual_size_bytes, (uint32_t)nr_l1_entries);
    bf_be64_put(table_entry, 2 * CLUSTER_BYTES);
    for (uint64_t i = 0; i < nr_clusters; i++)
        bf_be16_put(refcounts + 2 * i, 1);
    if (ftruncate(fd, (off_t)(nr_clusters * CLUSTER_BYTES)) < 0)
        return bf_error_set_errno(err, errno, "cannot write %s", path);
    r = write_at(fd, path, header, sizeof header, 0, err);
    if (r == 0)
        r = write_at(fd, path, table_entry, sizeof table_entry, CLUSTER_BYTES, err);
    if (r == 0)
        r = write_at(fd, path, refcounts, 2 * nr_clusters, 2 * (off_t)CLUSTER_BYTES, err);
    return r;
}

int bf_carrier_give(int fd, const char *path, const struct bf_live_identity *owner,
                    struct bf_error *err)
{
    if (geteuid() != 0 || owner->pid == 0 || owner->uid == 0)
        return 0;
    if (fchown(fd, owner->uid, owner->gid) < 0)
        return bf_error_set_errno(err, errno, "cannot give %s to QEMU's user %u", path,
                                  (unsigned)owner->uid);
    return 0;
}

int bf_empty_carrier_make(const char *path, uint64_t virtual_size_bytes,
                          const struct bf_live_identity *owner, struct bf_error *err)
{
    BF_CLEANUP(bf_fd_closep) int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    int r;

    if (fd < 0 && errno == EEXIST)
        return bf_error_set(err, BF_E_EXISTS, "the carrier %s exists already", path);
    if (fd < 0)
        return bf_error_set_errno(err, errno, "cannot make the carrier %s", path);
    r = fill(fd, path, virtual_size_bytes, err);
    if (r == 0)
        r = bf_carrier_give(fd, path, owner, err);
    if (r < 0)
        (void)unlink(path);
    return r;
}
