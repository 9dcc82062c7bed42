/** The journal of a move: records appended one by one, each durable before the next deed.
 *
 * File: "BFMOVE1\n", then records of length (u32), kind (u32), SHA-256 (32 bytes), payload; little
 * endian.  The SHA-256 is over the digest before (32 zero bytes for the first), length, kind and
 * payload, so that no record can stand in another's place.
 *
 * Only the last record may be torn, because each was flushed before the next was begun: reading
 * stops before it.  Anything else that does not check is damage, and damage is told apart: a
 * journal that was changed behind our back must not be acted upon.
 */
#ifndef DAEMON_JOURNAL_H
#define DAEMON_JOURNAL_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    BF_JOURNAL_MAGIC_BYTES = 8,
    BF_JOURNAL_HEAD_BYTES = 40,
    BF_JOURNAL_PAYLOAD_MAX_BYTES = 16 << 20, /* the end of a move with 65,535 bitmaps */
    BF_JOURNAL_FILE_MAX_BYTES = 64 << 20,
    BF_JOURNAL_DIGEST_BYTES = 32,
};

/** Kinds of records.  The daemon's own are JSON; from FIRST_DRIVER on they are the driver's. */
enum bf_journal_kind {
    BF_JOURNAL_BEGUN = 1, /* {"schema":1, "role", "begun_s", and the plan} */
    BF_JOURNAL_ENDED = 2, /* {"schema":1, "state", ...}: the last record */
    BF_JOURNAL_FIRST_DRIVER = 16,
};

struct bf_journal_record {
    uint32_t kind;
    const uint8_t *payload; /* borrowed from the bytes that were read */
    size_t nr_payload_bytes;
};

/** The chain that the next record goes on with. */
struct bf_journal_chain {
    uint8_t digest[BF_JOURNAL_DIGEST_BYTES];
};

/** A reader's place.  Pure: bytes in, records out. */
struct bf_journal_cursor {
    const uint8_t *bytes;
    size_t nr_bytes;
    size_t at; /* behind the last good record */
    struct bf_journal_chain chain;
};

/** Errors: VERSION (a magic that is not ours), IMAGE_CORRUPT. */
int bf_journal_cursor_init(struct bf_journal_cursor *cursor, const uint8_t *bytes, size_t nr_bytes,
                           struct bf_error *err);

/** 1 and the next record; 0 at the end, a torn record included; IMAGE_CORRUPT for damage. */
int bf_journal_next(struct bf_journal_cursor *cursor, struct bf_journal_record *ret_record,
                    struct bf_error *err);

/** The bytes of a record, free()d by the caller; *chain goes on.  Errors: LIMIT, NO_MEMORY. */
int bf_journal_encode(struct bf_journal_chain *chain, uint32_t kind, const void *payload,
                      size_t nr_payload_bytes, uint8_t **ret_bytes, size_t *ret_nr_bytes,
                      struct bf_error *err);

extern const char bf_journal_magic[BF_JOURNAL_MAGIC_BYTES + 1];

#endif
