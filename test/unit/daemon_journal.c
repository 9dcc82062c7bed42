/* The journal's reader against everything that a kill, a power cut or a damaged disk can leave. */
#include "base/cleanup.h"
#include "daemon/journal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

enum { NR_RECORDS = 6 };

/* A whole journal, and where each of its records ends. */
struct journal {
    uint8_t bytes[4096];
    size_t nr_bytes;
    size_t ends[NR_RECORDS];
};

static void append(struct journal *journal, struct bf_journal_chain *chain, uint32_t kind,
                   const void *payload, size_t nr_payload_bytes)
{
    BF_CLEANUP(bf_freep) uint8_t *record = NULL;
    size_t nr_bytes = 0;

    assert_int_equal(
        bf_journal_encode(chain, kind, payload, nr_payload_bytes, &record, &nr_bytes, NULL), 0);
    memcpy(journal->bytes + journal->nr_bytes, record, nr_bytes);
    journal->nr_bytes += nr_bytes;
}

/* Payloads of different lengths, an empty one and one of zeroes among them. */
static void make(struct journal *journal)
{
    struct bf_journal_chain chain = {{0}};
    uint8_t payload[NR_RECORDS * 20] = {0};

    memset(journal, 0, sizeof *journal);
    memcpy(journal->bytes, bf_journal_magic, BF_JOURNAL_MAGIC_BYTES);
    journal->nr_bytes = BF_JOURNAL_MAGIC_BYTES;
    for (uint32_t i = 0; i < NR_RECORDS; i++) {
        memset(payload, (int)i, sizeof payload);
        append(journal, &chain, i + 1, payload, (i * 20) % 100);
        journal->ends[i] = journal->nr_bytes;
    }
}

/* Records that are read from the first @nr_bytes, or the error. */
static int count(const uint8_t *bytes, size_t nr_bytes)
{
    /* A copy of just this length, so that the sanitizer sees any reading behind it. */
    BF_CLEANUP(bf_freep) uint8_t *copy = malloc(nr_bytes + (nr_bytes == 0));
    struct bf_journal_cursor cursor;
    struct bf_journal_record record;
    int nr_records = 0;
    int r;

    assert_non_null(copy);
    memcpy(copy, bytes, nr_bytes);
    r = bf_journal_cursor_init(&cursor, copy, nr_bytes, NULL);
    while (r >= 0 && (r = bf_journal_next(&cursor, &record, NULL)) > 0) {
        assert_int_equal(record.kind, nr_records + 1);
        assert_int_equal(record.nr_payload_bytes, (nr_records * 20) % 100);
        nr_records++;
    }
    return r < 0 ? r : nr_records;
}

static int expected(const struct journal *journal, size_t nr_bytes)
{
    int nr_records = 0;

    while (nr_records < NR_RECORDS && journal->ends[nr_records] <= nr_bytes)
        nr_records++;
    return nr_records;
}

static void every_prefix_gives_its_whole_records(void **state)
{
    struct journal journal;

    (void)state;
    make(&journal);
    for (size_t n = 0; n <= journal.nr_bytes; n++)
        assert_int_equal(count(journal.bytes, n), expected(&journal, n));
}

static void a_tail_of_zeroes_is_a_torn_record(void **state)
{
    struct journal journal;

    (void)state;
    make(&journal);
    for (size_t n = BF_JOURNAL_MAGIC_BYTES; n <= journal.nr_bytes; n++) {
        struct journal torn = journal;
        int whole = expected(&journal, n);
        int r;

        memset(torn.bytes + n, 0, sizeof torn.bytes - n);
        r = count(torn.bytes, n + 512);
        /* What reached the disk of the torn record is followed by zeroes: damage, if its length
         * says that it ended before; never a record that was not written. */
        if (n == (whole > 0 ? torn.ends[whole - 1] : BF_JOURNAL_MAGIC_BYTES))
            assert_int_equal(r, whole);
        else
            assert_true(
                r == whole || r < 0 ||
                (r == whole + 1 && memcmp(torn.bytes, journal.bytes, torn.ends[whole]) == 0));
    }
}

static bool is_length(const struct journal *journal, size_t at)
{
    int hit = expected(journal, at);

    return at < (hit > 0 ? journal->ends[hit - 1] : BF_JOURNAL_MAGIC_BYTES) + sizeof(uint32_t);
}

static void a_flipped_bit_is_never_believed(void **state)
{
    struct journal journal;

    (void)state;
    make(&journal);
    for (size_t at = 0; at < journal.nr_bytes; at++) {
        int hit = expected(&journal, at);
        int r;

        journal.bytes[at] ^= 0x10;
        r = count(journal.bytes, journal.nr_bytes);
        journal.bytes[at] ^= 0x10;
        if (at < BF_JOURNAL_MAGIC_BYTES)
            assert_int_equal(r, -bf_code_errno(BF_E_VERSION));
        else if (is_length(&journal, at)) /* a record that seems to end behind the file is torn */
            assert_true(r == -bf_code_errno(BF_E_IMAGE_CORRUPT) || r == hit);
        else
            assert_int_equal(r, hit == NR_RECORDS - 1 ? hit : -bf_code_errno(BF_E_IMAGE_CORRUPT));
    }
    assert_int_equal(count(journal.bytes, journal.nr_bytes), NR_RECORDS);
}

/* The same record in another place is another record. */
static void a_record_belongs_to_its_place(void **state)
{
    struct journal journal;
    size_t nr_bytes = 0;

    (void)state;
    make(&journal);
    nr_bytes = journal.ends[2] - journal.ends[1];
    memmove(journal.bytes + journal.ends[1] + nr_bytes, journal.bytes + journal.ends[1],
            journal.nr_bytes - journal.ends[1]);
    journal.nr_bytes += nr_bytes; /* the third record twice */
    assert_int_equal(count(journal.bytes, journal.nr_bytes), -bf_code_errno(BF_E_IMAGE_CORRUPT));
}

static void a_record_has_a_cap(void **state)
{
    struct bf_journal_chain chain = {{0}};
    uint8_t *bytes = NULL;
    size_t nr_bytes = 0;

    (void)state;
    assert_int_equal(bf_journal_encode(&chain, 1, "", (size_t)BF_JOURNAL_PAYLOAD_MAX_BYTES + 1,
                                       &bytes, &nr_bytes, NULL),
                     -bf_code_errno(BF_E_LIMIT));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_prefix_gives_its_whole_records),
        cmocka_unit_test(a_tail_of_zeroes_is_a_torn_record),
        cmocka_unit_test(a_flipped_bit_is_never_believed),
        cmocka_unit_test(a_record_belongs_to_its_place),
        cmocka_unit_test(a_record_has_a_cap),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
