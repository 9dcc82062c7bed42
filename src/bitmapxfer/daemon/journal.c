#include "daemon/journal.h"

#include "base/cleanup.h"

#include <endian.h>
#include <errno.h>
#include <nettle/sha2.h>
#include <string.h>

const char bf_journal_magic[BF_JOURNAL_MAGIC_BYTES + 1] = "BFMOVE1\n";

struct head {
    uint32_t nr_payload_bytes;
    uint32_t kind;
    uint8_t digest[BF_JOURNAL_DIGEST_BYTES];
};

_Static_assert(sizeof(struct head) == BF_JOURNAL_HEAD_BYTES, "the head is packed");

static void digest_of(const struct bf_journal_chain *before, const struct head *head,
                      const uint8_t *payload, uint8_t digest[BF_JOURNAL_DIGEST_BYTES])
{
    struct sha256_ctx sha;

    sha256_init(&sha);
    sha256_update(&sha, sizeof before->digest, before->digest);
    sha256_update(&sha, offsetof(struct head, digest), (const uint8_t *)head);
    sha256_update(&sha, le32toh(head->nr_payload_bytes), payload);
    sha256_digest(&sha, BF_JOURNAL_DIGEST_BYTES, digest);
}

static bool all_zero(const uint8_t *bytes, size_t nr_bytes)
{
    for (size_t i = 0; i < nr_bytes; i++) {
        if (bytes[i] != 0)
            return false;
    }
    return true;
}

/* The record at the cursor does not check.  Is that what a kill or a power cut in the middle of the
 * last append leaves: its beginning, all its length with some blocks missing, or nothing but room?
 */
static int judge_tail(const struct bf_journal_cursor *cursor, bool reaches_end,
                      struct bf_error *err)
{
    size_t left = cursor->nr_bytes - cursor->at;

    if (reaches_end || all_zero(cursor->bytes + cursor->at, left))
        return 0;
    return bf_error_set(err, BF_E_IMAGE_CORRUPT,
                        "the record at byte %zu of the journal is damaged, and more follows it",
                        cursor->at);
}

int bf_journal_cursor_init(struct bf_journal_cursor *cursor, const uint8_t *bytes, size_t nr_bytes,
                           struct bf_error *err)
{
    size_t nr_magic = nr_bytes < BF_JOURNAL_MAGIC_BYTES ? nr_bytes : BF_JOURNAL_MAGIC_BYTES;

    *cursor = (struct bf_journal_cursor){.bytes = bytes, .nr_bytes = nr_bytes, .at = nr_magic};
    if (memcmp(bytes, bf_journal_magic, nr_magic) != 0)
        return bf_error_set(err, BF_E_VERSION,
                            "the journal is of another version of bitferry, or damaged");
    return 0;
}

int bf_journal_next(struct bf_journal_cursor *cursor, struct bf_journal_record *ret_record,
                    struct bf_error *err)
{
    size_t left = cursor->nr_bytes - cursor->at;
    const uint8_t *payload = cursor->bytes + cursor->at + sizeof(struct head);
    uint8_t digest[BF_JOURNAL_DIGEST_BYTES];
    struct head head;
    uint32_t nr_payload_bytes;

    if (left < sizeof head)
        return 0;
    memcpy(&head, cursor->bytes + cursor->at, sizeof head);
    nr_payload_bytes = le32toh(head.nr_payload_bytes);
    if (nr_payload_bytes > BF_JOURNAL_PAYLOAD_MAX_BYTES)
        return judge_tail(cursor, false, err);
    if (nr_payload_bytes > left - sizeof head)
        return judge_tail(cursor, true, err);
    digest_of(&cursor->chain, &head, payload, digest);
    if (memcmp(digest, head.digest, sizeof digest) != 0)
        return judge_tail(cursor, nr_payload_bytes == left - sizeof head, err);
    memcpy(cursor->chain.digest, digest, sizeof digest);
    cursor->at += sizeof head + nr_payload_bytes;
    *ret_record = (struct bf_journal_record){
        .kind = le32toh(head.kind),
        .payload = payload,
        .nr_payload_bytes = nr_payload_bytes,
    };
    return 1;
}

int bf_journal_encode(struct bf_journal_chain *chain, uint32_t kind, const void *payload,
                      size_t nr_payload_bytes, uint8_t **ret_bytes, size_t *ret_nr_bytes,
                      struct bf_error *err)
{
    struct head head = {.kind = htole32(kind)};
    uint8_t *bytes;

    if (nr_payload_bytes > BF_JOURNAL_PAYLOAD_MAX_BYTES)
        return bf_error_set(err, BF_E_LIMIT, "a record of %zu bytes is too long for the journal",
                            nr_payload_bytes);
    bytes = malloc(sizeof head + nr_payload_bytes);
    if (!bytes)
        return bf_error_set(err, BF_E_NO_MEMORY, "no memory for a record of the journal");
    head.nr_payload_bytes = htole32((uint32_t)nr_payload_bytes);
    digest_of(chain, &head, payload, head.digest);
    memcpy(chain->digest, head.digest, sizeof chain->digest);
    memcpy(bytes, &head, sizeof head);
    if (nr_payload_bytes > 0)
        memcpy(bytes + sizeof head, payload, nr_payload_bytes);
    *ret_bytes = bytes;
    *ret_nr_bytes = sizeof head + nr_payload_bytes;
    return 0;
}
