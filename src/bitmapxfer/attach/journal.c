#include "journal.h"

#include "model/summary.h"
#include "staged_blob.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

static const char magic[8] = "BFJRNL1";

/* Refcounts of a terabyte of 512-byte clusters would be 4 GiB; a run changes a few KiB of them. */
#define JOURNAL_MAX_BYTES (INT64_C(256) << 20)

struct head {
    char magic[8];
    uint32_t refcount_bits;
    uint32_t nr_records;
};

struct record {
    uint32_t kind;
    uint32_t nr_bytes;
    uint64_t offset_bytes;
};

enum piece_state { PIECE_BEFORE, PIECE_AFTER, PIECE_BETWEEN, PIECE_OTHER };

static void digest_of(const uint8_t *bytes, size_t nr_bytes, struct bf_summarizer *summarizer,
                      uint8_t ret_sha256[BF_SHA256_BYTES])
{
    struct bf_summary summary;

    bf_summarizer_feed(summarizer, bytes, nr_bytes);
    bf_summarizer_finish(summarizer, &summary);
    memcpy(ret_sha256, summary.sha256, BF_SHA256_BYTES);
}

static size_t record_bytes(uint64_t nr_bytes)
{
    return sizeof(struct record) + 2 * (size_t)nr_bytes;
}

static bool is_recorded(const struct bf_change *change)
{
    return change->kind != BF_CHANGE_FREE;
}

static int append_record(const struct bf_stage *stage, int overlay_fd,
                         const struct bf_change *change, uint8_t *to, struct bf_error *err)
{
    const struct bf_staged_extent *where = &change->where;
    struct record record = {
        .kind = htole32((uint32_t)change->kind),
        .nr_bytes = htole32((uint32_t)where->length_bytes),
        .offset_bytes = htole64(where->image_offset_bytes),
    };
    uint8_t *before = to + sizeof record;
    int r;

    memcpy(to, &record, sizeof record);
    r = bf_staged_read_old(stage, where->image_offset_bytes, before, where->length_bytes, err);
    return r < 0 ? r
                 : bf_staged_read_new(overlay_fd, where, 0, before + where->length_bytes,
                                      where->length_bytes, err);
}

static int build(const struct bf_stage *stage, int overlay_fd, const struct bf_change_plan *plan,
                 uint8_t **ret_bytes, size_t *ret_nr_bytes, struct bf_error *err)
{
    BF_CLEANUP(bf_summarizer_freep) struct bf_summarizer *summarizer = NULL;
    BF_CLEANUP(bf_freep) uint8_t *bytes = NULL;
    struct head head = {.refcount_bits = htole32(plan->refcount_bits)};
    size_t nr_bytes = sizeof head;
    uint32_t nr_records = 0;
    int r = bf_summarizer_new(&summarizer, err);

    for (size_t i = 0; i < plan->nr_changes; i++)
        nr_bytes +=
            is_recorded(&plan->changes[i]) ? record_bytes(plan->changes[i].where.length_bytes) : 0;
    bytes = malloc(nr_bytes + BF_SHA256_BYTES);
    if (r == 0 && !bytes)
        r = bf_error_set(err, BF_E_NO_MEMORY, "no memory for the journal");
    nr_bytes = sizeof head;
    for (size_t i = 0; r == 0 && i < plan->nr_changes; i++) {
        if (!is_recorded(&plan->changes[i]))
            continue;
        r = append_record(stage, overlay_fd, &plan->changes[i], bytes + nr_bytes, err);
        nr_bytes += record_bytes(plan->changes[i].where.length_bytes);
        nr_records++;
    }
    if (r < 0)
        return r;
    memcpy(head.magic, magic, sizeof magic);
    head.nr_records = htole32(nr_records);
    memcpy(bytes, &head, sizeof head);
    digest_of(bytes, nr_bytes, summarizer, bytes + nr_bytes);
    *ret_nr_bytes = nr_bytes + BF_SHA256_BYTES;
    *ret_bytes = bf_steal_ptr(&bytes);
    return 0;
}

int bf_journal_write(const struct bf_stage *stage, int overlay_fd,
                     const struct bf_change_plan *plan, struct bf_error *err)
{
    BF_CLEANUP(bf_freep) uint8_t *bytes = NULL;
    BF_CLEANUP(bf_fd_closep) int fd = -1;
    size_t nr_bytes = 0;
    int r = build(stage, overlay_fd, plan, &bytes, &nr_bytes, err);

    if (r < 0)
        return r;
    fd = openat(stage->folder->fd, BF_WORK_JOURNAL, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    for (size_t at = 0; fd >= 0 && at < nr_bytes;) {
        ssize_t put = write(fd, bytes + at, nr_bytes - at);

        if (put < 0 && errno != EINTR)
            break;
        at += put < 0 ? 0 : (size_t)put;
        if (at == nr_bytes && fsync(fd) == 0 && fsync(stage->folder->fd) == 0)
            return 0;
    }
    r = bf_error_set_errno(err, errno, "cannot write to the work folder %s", stage->folder->path);
    (void)unlinkat(stage->folder->fd, BF_WORK_JOURNAL, 0);
    return r;
}

/* The whole journal in memory; *ret_bytes stays NULL for one that was not written to its end (then
 * the image was not touched). */
static int load(const struct bf_work_folder *folder, uint8_t **ret_bytes, size_t *ret_nr_bytes,
                struct bf_error *err)
{
    BF_CLEANUP(bf_fd_closep)
    int fd = openat(folder->fd, BF_WORK_JOURNAL, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    BF_CLEANUP(bf_summarizer_freep) struct bf_summarizer *summarizer = NULL;
    BF_CLEANUP(bf_freep) uint8_t *bytes = NULL;
    uint8_t sha256[BF_SHA256_BYTES];
    struct stat st;
    size_t nr_bytes;

    if (fd < 0 || fstat(fd, &st) < 0)
        return bf_error_set_errno(err, errno, "cannot open the journal in %s", folder->path);
    if (st.st_size > JOURNAL_MAX_BYTES)
        return bf_error_set(err, BF_E_LIMIT, "the journal in %s is too large", folder->path);
    nr_bytes = (size_t)st.st_size;
    if (nr_bytes < sizeof(struct head) + BF_SHA256_BYTES)
        return 0;
    bytes = malloc(nr_bytes);
    if (!bytes || bf_summarizer_new(&summarizer, err) < 0)
        return bf_error_set(err, BF_E_NO_MEMORY, "no memory for the journal in %s", folder->path);
    if (pread(fd, bytes, nr_bytes, 0) != (ssize_t)nr_bytes)
        return bf_error_set(err, BF_E_IO, "cannot read the journal in %s", folder->path);
    nr_bytes -= BF_SHA256_BYTES;
    digest_of(bytes, nr_bytes, summarizer, sha256);
    if (memcmp(sha256, bytes + nr_bytes, BF_SHA256_BYTES) != 0 ||
        memcmp(bytes, magic, sizeof magic) != 0)
        return 0;
    *ret_nr_bytes = nr_bytes;
    *ret_bytes = bf_steal_ptr(&bytes);
    return 0;
}

struct replay {
    int image_fd;
    unsigned refcount_bits;
    const uint8_t *records;
    size_t nr_bytes;
    uint8_t now[BF_CHANGE_MAX_BYTES];
    uint8_t between[BF_CHANGE_MAX_BYTES];
};

static struct record decode_record(const uint8_t *from)
{
    struct record record;

    memcpy(&record, from, sizeof record);
    record.kind = le32toh(record.kind);
    record.nr_bytes = le32toh(record.nr_bytes);
    record.offset_bytes = le64toh(record.offset_bytes);
    return record;
}

static enum piece_state state_of(struct replay *replay, const struct record *record,
                                 const uint8_t *before, const uint8_t *after)
{
    size_t nr_bytes = record->nr_bytes;

    if (pread(replay->image_fd, replay->now, nr_bytes, (off_t)record->offset_bytes) !=
        (ssize_t)nr_bytes)
        return PIECE_OTHER;
    if (memcmp(replay->now, before, nr_bytes) == 0)
        return PIECE_BEFORE;
    if (memcmp(replay->now, after, nr_bytes) == 0)
        return PIECE_AFTER;
    if (record->kind != BF_CHANGE_REFCOUNTS)
        return PIECE_OTHER;
    bf_refcounts_max(replay->refcount_bits, before, after, replay->between, nr_bytes);
    return memcmp(replay->now, replay->between, nr_bytes) == 0 ? PIECE_BETWEEN : PIECE_OTHER;
}

/* Which state is the image in?  False if others have written to it. */
static bool judge(struct replay *replay, bool *ret_switched)
{
    bool old_header = false;
    bool new_header = false;

    for (size_t at = 0; at < replay->nr_bytes;) {
        struct record record = decode_record(replay->records + at);
        const uint8_t *before = replay->records + at + sizeof record;
        enum piece_state state;

        if (record.nr_bytes > BF_CHANGE_MAX_BYTES)
            return false;
        state = state_of(replay, &record, before, before + record.nr_bytes);
        if (state == PIECE_OTHER)
            return false;
        if (record.kind == BF_CHANGE_HEADER) {
            old_header |= state == PIECE_BEFORE;
            new_header |= state == PIECE_AFTER;
        }
        at += record_bytes(record.nr_bytes);
    }
    *ret_switched = new_header;
    return old_header != new_header;
}

static int rewrite(const struct replay *replay, bool switched, struct bf_error *err)
{
    for (size_t at = 0; at < replay->nr_bytes;) {
        struct record record = decode_record(replay->records + at);
        const uint8_t *bytes = replay->records + at + sizeof record;

        bytes += switched ? record.nr_bytes : 0;
        if (record.kind != BF_CHANGE_HEADER &&
            pwrite(replay->image_fd, bytes, record.nr_bytes, (off_t)record.offset_bytes) !=
                (ssize_t)record.nr_bytes)
            return bf_error_set_errno(err, errno, "cannot write to the image");
        at += record_bytes(record.nr_bytes);
    }
    if (fdatasync(replay->image_fd) < 0)
        return bf_error_set_errno(err, errno, "cannot write the image to the disk");
    return 0;
}

int bf_journal_replay(const struct bf_work_folder *folder, int image_fd, struct bf_error *err)
{
    BF_CLEANUP(bf_freep) uint8_t *bytes = NULL;
    BF_CLEANUP(bf_freep) struct replay *replay = malloc(sizeof *replay);
    struct head head;
    size_t nr_bytes = 0;
    bool switched;
    int r = load(folder, &bytes, &nr_bytes, err);

    if (r < 0 || !bytes)
        return r;
    if (!replay)
        return bf_error_set(err, BF_E_NO_MEMORY, "no memory");
    memcpy(&head, bytes, sizeof head);
    replay->image_fd = image_fd;
    replay->refcount_bits = le32toh(head.refcount_bits);
    replay->records = bytes + sizeof head;
    replay->nr_bytes = nr_bytes - sizeof head;
    if (!judge(replay, &switched))
        return bf_error_set(err, BF_E_IMAGE_CHANGED,
                            "a former run on %s was killed, and the image was written by others "
                            "since: it may hold unused clusters, free them with `qemu-img check -r "
                            "leaks`",
                            folder->image_path);
    return rewrite(replay, switched, err);
}
