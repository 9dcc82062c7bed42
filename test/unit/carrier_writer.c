/* The carrier writer, read back with our own reader; test/integration/carrier_write.sh asks QEMU.
 */
#include "base/math.h"
#include "carrier/refcounts.h"
#include "carrier/writer.h"
#include "carrier_support.h"
#include "directory.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

enum {
    CLUSTER = BF_CARRIER_CLUSTER_BYTES,
    MAX_BITMAPS = 4,
};

static const uint64_t GIB = UINT64_C(1) << 30;
static const uint64_t TIB = UINT64_C(1) << 40;
static const uint64_t PIB = UINT64_C(1) << 50;

/* What the disk does to us; the linker sends the calls of the writer here. */
static struct {
    unsigned nr_calls;
    unsigned failing_call; /* 0: none */
    bool stutter;          /* short writes and interruptions */
} disk;

ssize_t __real_pwrite64(int fd, const void *buf, size_t nr_bytes, off_t offset);
ssize_t __wrap_pwrite64(int fd, const void *buf, size_t nr_bytes, off_t offset);
int __real_ftruncate64(int fd, off_t length);
int __wrap_ftruncate64(int fd, off_t length);
int __real_fdatasync(int fd);
int __wrap_fdatasync(int fd);

static bool call_fails(void)
{
    disk.nr_calls++;
    errno = ENOSPC;
    return disk.nr_calls == disk.failing_call;
}

ssize_t __wrap_pwrite64(int fd, const void *buf, size_t nr_bytes, off_t offset)
{
    if (call_fails())
        return -1;
    errno = EINTR;
    if (disk.stutter && disk.nr_calls % 2 == 0)
        return -1;
    return __real_pwrite64(fd, buf, disk.stutter ? nr_bytes / 2 + 1 : nr_bytes, offset);
}

int __wrap_ftruncate64(int fd, off_t length)
{
    return call_fails() ? -1 : __real_ftruncate64(fd, length);
}

int __wrap_fdatasync(int fd)
{
    return call_fails() ? -1 : __real_fdatasync(fd);
}

static int new_file(void)
{
    int fd = memfd_create("carrier", MFD_CLOEXEC);

    assert_true(fd >= 0);
    return fd;
}

struct image {
    uint8_t *bytes;
    uint64_t size_bytes;
};

static struct image map_file(int fd)
{
    struct image image = {.size_bytes = (uint64_t)lseek(fd, 0, SEEK_END)};

    image.bytes = mmap(NULL, image.size_bytes, PROT_READ, MAP_SHARED, fd, 0);
    assert_true(image.bytes != MAP_FAILED);
    return image;
}

static void unmap(struct image *image)
{
    assert_int_equal(munmap(image->bytes, image->size_bytes), 0);
}

static struct bf_writer *new_writer(int fd, uint64_t disk_size_bytes)
{
    struct bf_writer *writer = NULL;
    struct bf_error err = BF_ERROR_INIT;

    if (bf_writer_new(fd, "/there/it.carrier", disk_size_bytes, &writer, &err) < 0)
        fail_msg("%s", err.text);
    return writer;
}

static bool all_are(const uint8_t *bytes, uint64_t nr_bytes, uint8_t value)
{
    for (uint64_t i = 0; i < nr_bytes; i++) {
        if (bytes[i] != value)
            return false;
    }
    return true;
}

/* Append some of @bitmap from @at on, by whichever function fits; returns how much. */
static uint64_t append_some(uint64_t *seed, struct bf_writer *writer,
                            const struct bf_bitmap *bitmap, uint64_t at)
{
    static uint8_t piece[3 * CLUSTER];
    uint64_t packed_bytes = bf_geometry_packed_bytes(&bitmap->geometry);
    uint64_t nr_bytes = bf_min_u64(chance(seed, sizeof piece), packed_bytes - at);
    bool with_tail = at + nr_bytes == packed_bytes && bitmap->nr_bits % 64 != 0;

    memcpy(piece, bitmap->packed + at, nr_bytes);
    if (with_tail && nr_bytes > 0) { /* garbage in the padding is dropped */
        for (uint64_t bit = bitmap->nr_bits; bit < packed_bytes * 8; bit++) {
            if (bit / 8 >= at)
                piece[bit / 8 - at] |= (uint8_t)(1 << bit % 8);
        }
    }
    if (nr_bytes > 0 && all_are(piece, nr_bytes, 0xff))
        assert_int_equal(bf_writer_append_dirty(writer, nr_bytes, NULL), 0);
    else if (all_are(piece, nr_bytes, 0))
        assert_int_equal(bf_writer_append_clean(writer, nr_bytes, NULL), 0);
    else
        assert_int_equal(bf_writer_append(writer, piece, nr_bytes, NULL), 0);
    return nr_bytes;
}

static void write_bitmap(uint64_t *seed, struct bf_writer *writer, const char *name, bool recording,
                         const struct bf_bitmap *bitmap)
{
    struct bf_bitmap_spec spec = {name, bitmap->geometry.granularity_bytes, recording};
    struct bf_bits bits = bf_bitmap_bits(bitmap);
    struct bf_summary written;
    struct bf_summary expected;

    if (chance(seed, 2)) {
        assert_int_equal(bf_writer_add(writer, &spec, &bits, NULL, &written, NULL), 0);
    } else {
        uint64_t at = 0;

        assert_int_equal(bf_writer_begin(writer, &spec, NULL), 0);
        while (at < bf_geometry_packed_bytes(&bitmap->geometry))
            at += append_some(seed, writer, bitmap, at);
        assert_int_equal(bf_writer_end(writer, &written, NULL), 0);
    }
    assert_int_equal(bf_bits_summarize(&bits, NULL, &expected, NULL), 0);
    assert_true(bf_summary_equal(&written, &expected));
}

/* Clusters of bits that are neither all clean nor all dirty; padding makes the last one data. */
static uint64_t nr_data_clusters(const struct bf_bitmap *bitmap)
{
    uint64_t packed_bytes = bf_geometry_packed_bytes(&bitmap->geometry);
    uint64_t nr = 0;

    for (uint64_t at = 0; at < packed_bytes; at += CLUSTER) {
        uint64_t nr_bytes = bf_min_u64(CLUSTER, packed_bytes - at);

        nr += !all_are(bitmap->packed + at, nr_bytes, 0) &&
              !all_are(bitmap->packed + at, nr_bytes, 0xff);
    }
    return nr;
}

static void assert_all_used_once(const struct image *image)
{
    BF_CLEANUP(bf_blob_freep) struct bf_blob *blob = NULL;
    BF_CLEANUP(bf_refcounts_freep) struct bf_refcounts *refcounts = NULL;
    uint64_t refcount;

    assert_int_equal(image->size_bytes % CLUSTER, 0);
    assert_int_equal(bf_blob_open_memory(image->bytes, image->size_bytes, &blob, NULL), 0);
    assert_int_equal(bf_refcounts_new(blob, &refcounts, NULL), 0);
    for (uint64_t at = 0; at < image->size_bytes; at += CLUSTER) {
        assert_int_equal(bf_refcounts_get(refcounts, at, &refcount, NULL), 0);
        assert_int_equal(refcount, 1);
    }
    assert_int_equal(bf_refcounts_get(refcounts, image->size_bytes, &refcount, NULL), 0);
    assert_int_equal(refcount, 0);
}

static void one_random_carrier(uint64_t *seed)
{
    static const char *const names[MAX_BITMAPS] = {"a", "b\xff", "name with / and %", "\xc3\xa4"};
    BF_CLEANUP(bf_fd_closep) int fd = new_file();
    BF_CLEANUP(bf_writer_freep) struct bf_writer *writer = NULL;
    BF_CLEANUP(bf_reader_freep) struct bf_reader *reader = NULL;
    struct bf_bitmap *bitmaps[MAX_BITMAPS];
    uint32_t nr_bitmaps = 1 + (uint32_t)chance(seed, MAX_BITMAPS);
    uint64_t disk_size_bytes;
    uint64_t nr_clusters;
    struct image image;

    bitmaps[0] = random_bitmap(seed, PIB);
    disk_size_bytes = bitmaps[0]->geometry.disk_size_bytes;
    /* header, L1 table, directory, refcount block and table; for each bitmap a table and its data
     */
    nr_clusters = 4 + nr_l1_clusters(disk_size_bytes);
    writer = new_writer(fd, disk_size_bytes);
    for (uint32_t i = 0; i < nr_bitmaps; i++) {
        if (i > 0)
            bitmaps[i] = random_bitmap_of_disk(seed, disk_size_bytes);
        write_bitmap(seed, writer, names[i], i % 2 == 0, bitmaps[i]);
        nr_clusters += 1 + nr_data_clusters(bitmaps[i]);
    }
    assert_int_equal(bf_writer_finish(writer, NULL), 0);
    image = map_file(fd);
    assert_int_equal(image.size_bytes, nr_clusters * CLUSTER);
    assert_all_used_once(&image);
    reader = open_image(image.bytes, image.size_bytes);
    assert_int_equal(bf_reader_image(reader)->nr_bitmaps, nr_bitmaps);
    for (uint32_t i = 0; i < nr_bitmaps; i++) {
        assert_bitmap(reader, i, names[i], i % 2 == 0, bitmaps[i]);
        bf_bitmap_free(bitmaps[i]);
    }
    unmap(&image);
}

static void what_was_written_is_read_back(void **state)
{
    uint64_t seed = 4711;

    (void)state;
    for (int i = 0; i < 150; i++)
        one_random_carrier(&seed);
}

/* Two bitmaps of three clusters; the first error comes back. */
static int write_sample(int fd, struct bf_error *err)
{
    const struct bf_geometry geometry = {UINT64_C(3 * 8) * CLUSTER * 512, 512};
    const struct bf_bitmap_spec first = {"first", 512, true};
    const struct bf_bitmap_spec second = {"second", 512, false};
    BF_CLEANUP(bf_bitmap_freep) struct bf_bitmap *bitmap = NULL;
    BF_CLEANUP(bf_writer_freep) struct bf_writer *writer = NULL;
    struct bf_bits bits;
    int r;

    assert_int_equal(bf_bitmap_new(&geometry, &bitmap, NULL), 0);
    memset(bitmap->packed, 0x5a, 2 * CLUSTER);
    bits = bf_bitmap_bits(bitmap);
    writer = new_writer(fd, geometry.disk_size_bytes);
    r = bf_writer_add(writer, &first, &bits, NULL, NULL, err);
    if (r == 0)
        r = bf_writer_add(writer, &second, &bits, NULL, NULL, err);
    if (r == 0)
        r = bf_writer_finish(writer, err);
    if (r < 0) {
        assert_int_equal(bf_writer_begin(writer, &first, NULL), -EINVAL);
        assert_int_equal(bf_writer_finish(writer, NULL), -EINVAL);
    }
    return r;
}

/* Does the file pass for a complete carrier? */
static bool looks_complete(int fd)
{
    uint8_t magic[4] = {0};

    assert_true(pread(fd, magic, sizeof magic, 0) >= 0);
    return memcmp(magic, "QFI\xfb", sizeof magic) == 0;
}

static unsigned nr_calls_of_sample(void)
{
    BF_CLEANUP(bf_fd_closep) int fd = new_file();

    disk.failing_call = 0;
    disk.nr_calls = 0;
    assert_int_equal(write_sample(fd, NULL), 0);
    return disk.nr_calls;
}

static void no_space_at_any_write_is_reported_and_leaves_no_carrier(void **state)
{
    unsigned nr_calls = nr_calls_of_sample();

    (void)state;
    assert_true(nr_calls > 10);
    for (unsigned i = 1; i <= nr_calls; i++) {
        BF_CLEANUP(bf_fd_closep) int fd = new_file();
        struct bf_error err = BF_ERROR_INIT;

        disk.nr_calls = 0;
        disk.failing_call = i;
        assert_int_equal(write_sample(fd, &err), -ENOSPC);
        disk.failing_call = 0;
        assert_int_equal(err.code, BF_E_NO_SPACE);
        assert_non_null(strstr(err.text, "/there/it.carrier"));
        /* Only the last call of all, the second fdatasync, finds the header in place. */
        assert_int_equal(looks_complete(fd), i == nr_calls);
    }
}

static void short_and_interrupted_writes_are_continued(void **state)
{
    BF_CLEANUP(bf_fd_closep) int fd = new_file();
    BF_CLEANUP(bf_fd_closep) int stutter_fd = new_file();
    struct image image;
    struct image stutter_image;

    (void)state;
    assert_int_equal(write_sample(fd, NULL), 0);
    disk.stutter = true;
    assert_int_equal(write_sample(stutter_fd, NULL), 0);
    disk.stutter = false;
    image = map_file(fd);
    stutter_image = map_file(stutter_fd);
    assert_int_equal(image.size_bytes, stutter_image.size_bytes);
    assert_memory_equal(image.bytes, stutter_image.bytes, image.size_bytes);
    unmap(&image);
    unmap(&stutter_image);
}

static void only_disks_that_qcow2_can_have_are_accepted(void **state)
{
    BF_CLEANUP(bf_fd_closep) int fd = new_file();
    struct bf_writer *writer = NULL;

    (void)state;
    assert_int_equal(bf_writer_new(fd, "x", 0, &writer, NULL), -EINVAL);
    assert_int_equal(bf_writer_new(fd, "x", 1000, &writer, NULL), -EINVAL);
    assert_int_equal(bf_writer_new(fd, "x", 2 * PIB + 512, &writer, NULL), -E2BIG);
    assert_null(writer);
    bf_writer_free(new_writer(fd, 2 * PIB));
    bf_writer_free(new_writer(fd, 512));
}

static void only_an_empty_regular_file_is_written_into(void **state)
{
    BF_CLEANUP(bf_fd_closep) int fd = new_file();
    BF_CLEANUP(bf_fd_closep) int device = open("/dev/full", O_WRONLY | O_CLOEXEC);
    struct bf_writer *writer = NULL;

    (void)state;
    assert_int_equal(write(fd, "x", 1), 1);
    assert_int_equal(bf_writer_new(fd, "x", TIB, &writer, NULL), -EINVAL);
    assert_int_equal(bf_writer_new(device, "x", TIB, &writer, NULL), -EINVAL);
    assert_null(writer);
}

static int begin(struct bf_writer *writer, const char *name, uint64_t granularity_bytes)
{
    struct bf_bitmap_spec spec = {name, granularity_bytes, false};

    return bf_writer_begin(writer, &spec, NULL);
}

/* One dirty bitmap of eight bytes. */
static void write_small(struct bf_writer *writer, const char *name)
{
    assert_int_equal(begin(writer, name, GIB / 64), 0);
    assert_int_equal(bf_writer_append_dirty(writer, 8, NULL), 0);
    assert_int_equal(bf_writer_end(writer, NULL, NULL), 0);
}

static void bad_names_and_shapes_are_refused_and_change_nothing(void **state)
{
    BF_CLEANUP(bf_fd_closep) int fd = new_file();
    BF_CLEANUP(bf_writer_freep) struct bf_writer *writer = new_writer(fd, GIB);
    char longest[BF_BITMAP_NAME_MAX + 2];
    struct image image;
    struct bf_reader *reader;

    (void)state;
    memset(longest, 'n', sizeof longest);
    longest[BF_BITMAP_NAME_MAX + 1] = '\0';
    assert_int_equal(begin(writer, longest, 65536), -EINVAL);
    assert_int_equal(begin(writer, "", 65536), -EINVAL);
    assert_int_equal(begin(writer, "g", 65537), -EINVAL);
    assert_int_equal(begin(writer, "g", 256), -EINVAL);
    longest[BF_BITMAP_NAME_MAX] = '\0';
    write_small(writer, longest);
    write_small(writer, "b");
    assert_int_equal(begin(writer, "b", 65536), -EEXIST);
    assert_int_equal(begin(writer, longest, 65536), -EEXIST);
    write_small(writer, "c");
    assert_int_equal(bf_writer_finish(writer, NULL), 0);
    image = map_file(fd);
    reader = open_image(image.bytes, image.size_bytes);
    assert_int_equal(bf_reader_image(reader)->nr_bitmaps, 3);
    bf_reader_free(reader);
    unmap(&image);
}

static void more_bits_than_qemu_can_load_are_refused(void **state)
{
    BF_CLEANUP(bf_fd_closep) int fd = new_file();
    BF_CLEANUP(bf_writer_freep) struct bf_writer *writer = new_writer(fd, 16 * TIB);

    (void)state;
    assert_int_equal(begin(writer, "b", 2048), -E2BIG);
    assert_int_equal(begin(writer, "b", 4096), 0);
}

static void bits_must_be_complete_and_in_their_place(void **state)
{
    BF_CLEANUP(bf_fd_closep) int fd = new_file();
    BF_CLEANUP(bf_writer_freep) struct bf_writer *writer = new_writer(fd, GIB);
    const uint8_t bits[16] = {1};

    (void)state;
    assert_int_equal(bf_writer_append(writer, bits, 8, NULL), -EINVAL);
    assert_int_equal(bf_writer_end(writer, NULL, NULL), -EINVAL);
    assert_int_equal(bf_writer_finish(writer, NULL), -EINVAL); /* no bitmap */
    assert_int_equal(begin(writer, "b", GIB / 64), 0);
    assert_int_equal(begin(writer, "c", GIB / 64), -EINVAL);
    assert_int_equal(bf_writer_append(writer, bits, 9, NULL), -EINVAL);
    assert_int_equal(bf_writer_append(writer, bits, 7, NULL), 0);
    assert_int_equal(bf_writer_end(writer, NULL, NULL), -EINVAL);
    assert_int_equal(bf_writer_finish(writer, NULL), -EINVAL);
    assert_int_equal(bf_writer_append_clean(writer, 1, NULL), 0);
    assert_int_equal(bf_writer_append_clean(writer, 1, NULL), -EINVAL);
    assert_int_equal(bf_writer_end(writer, NULL, NULL), 0);
    assert_int_equal(bf_writer_finish(writer, NULL), 0);
    assert_int_equal(bf_writer_finish(writer, NULL), -EINVAL);
}

static int stop_at_half(void *ctx, uint64_t done_bytes, uint64_t total_bytes)
{
    uint64_t *last = ctx;

    assert_true(done_bytes > *last && done_bytes <= total_bytes);
    *last = done_bytes;
    return done_bytes >= total_bytes / 2;
}

static void an_interrupted_carrier_cannot_be_finished(void **state)
{
    const struct bf_geometry geometry = {TIB, 65536};
    const struct bf_bitmap_spec spec = {"b", 65536, false};
    BF_CLEANUP(bf_fd_closep) int fd = new_file();
    BF_CLEANUP(bf_writer_freep) struct bf_writer *writer = new_writer(fd, TIB);
    struct bf_bits bits = bf_bits_dirty(&geometry);
    uint64_t done = 0;
    struct bf_progress progress = {stop_at_half, &done};

    (void)state;
    assert_int_equal(bf_writer_add(writer, &spec, &bits, &progress, NULL, NULL), -EINTR);
    assert_int_equal(done, bf_geometry_packed_bytes(&geometry) / 2);
    assert_int_equal(bf_writer_finish(writer, NULL), -EINVAL);
}

static void bits_of_another_disk_are_refused(void **state)
{
    const struct bf_geometry geometry = {TIB - 512, 65536};
    const struct bf_bitmap_spec spec = {"b", 65536, false};
    BF_CLEANUP(bf_fd_closep) int fd = new_file();
    BF_CLEANUP(bf_writer_freep) struct bf_writer *writer = new_writer(fd, TIB);
    struct bf_bits bits = bf_bits_dirty(&geometry);

    (void)state;
    assert_int_equal(bf_writer_add(writer, &spec, &bits, NULL, NULL, NULL), -EINVAL);
    assert_int_equal(begin(writer, "b", 65536), 0);
}

/* The longest names fill the directory before the number of bitmaps does. */
static void the_directory_ends_at_the_limits_of_qemu(void **state)
{
    const struct bf_geometry geometry = {TIB, 65536};
    struct bf_directory directory = {0};
    struct bf_directory_entry *entry;
    char name[BF_BITMAP_NAME_MAX + 1];
    unsigned nr = 0;

    (void)state;
    do {
        (void)snprintf(name, sizeof name, "checkpoint-%u", nr++);
    } while (bf_directory_add(&directory, name, &geometry, false, &entry, NULL) == 0);
    assert_int_equal(directory.nr_bitmaps, 65535);
    assert_int_equal(bf_directory_add(&directory, "one more", &geometry, false, &entry, NULL),
                     -E2BIG);
    bf_directory_release(&directory);

    memset(name, 'n', sizeof name);
    name[BF_BITMAP_NAME_MAX] = '\0';
    nr = 0;
    do {
        (void)snprintf(name, 6, "%05u", nr++);
        name[5] = 'n';
    } while (bf_directory_add(&directory, name, &geometry, false, &entry, NULL) == 0);
    assert_int_equal(directory.nr_bitmaps, 65535 * 1024 / 1048);
    assert_true(directory.nr_bytes <= BF_QCOW2_DIRECTORY_MAX_BYTES);
    bf_directory_release(&directory);
}

/* A file of terabytes, whose refcounts take clusters that have refcounts themselves. */
static void refcounts_count_themselves(void **state)
{
    const uint64_t per_block = CLUSTER / 2;
    const uint64_t per_table = CLUSTER / 8;

    (void)state;
    for (uint64_t nr = 1; nr < 3 * per_block * per_table; nr += nr < 3 * per_block ? 1 : 99991) {
        uint64_t nr_blocks;
        uint64_t nr_table;

        bf_layout_refcount_clusters(nr, &nr_blocks, &nr_table);
        assert_true(nr + nr_blocks + nr_table <= nr_blocks * per_block);
        assert_true(nr_blocks <= nr_table * per_table);
        /* and not too many */
        assert_true(nr + nr_blocks + nr_table > (nr_blocks - 1) * per_block);
        assert_true(nr_blocks > (nr_table - 1) * per_table);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_written_is_read_back),
        cmocka_unit_test(no_space_at_any_write_is_reported_and_leaves_no_carrier),
        cmocka_unit_test(short_and_interrupted_writes_are_continued),
        cmocka_unit_test(only_disks_that_qcow2_can_have_are_accepted),
        cmocka_unit_test(only_an_empty_regular_file_is_written_into),
        cmocka_unit_test(bad_names_and_shapes_are_refused_and_change_nothing),
        cmocka_unit_test(more_bits_than_qemu_can_load_are_refused),
        cmocka_unit_test(bits_must_be_complete_and_in_their_place),
        cmocka_unit_test(an_interrupted_carrier_cannot_be_finished),
        cmocka_unit_test(bits_of_another_disk_are_refused),
        cmocka_unit_test(refcounts_count_themselves),
        cmocka_unit_test(the_directory_ends_at_the_limits_of_qemu),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
