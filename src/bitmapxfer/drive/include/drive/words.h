/** Words of the machines as messages, and back. */
#ifndef DRIVE_WORDS_H
#define DRIVE_WORDS_H

#include "drive/offer.h"

struct bf_saying {
    const struct bf_offer *offer;
    struct bf_word word;
    Bitferry__Role role; /* who says it */
    /* what a payload may need besides */
    const char *vm;      /* OFFER */
    const uint8_t *uuid; /* OFFER: 16 bytes */
    const char *host;    /* exports: "" for the connection's address */
    uint16_t port;
    const uint8_t *token;
    size_t nr_token_bytes;
    const uint8_t *dest_move_id; /* placement: 16 bytes, or NULL */
    enum bf_drop reason;         /* ABORT */
    const uint8_t *definitions;  /* SEAL from the destination: one for each checkpoint, or NULL */
};

struct bf_said;

/** An envelope with all that it points to.  Errors: NO_MEMORY. */
int bf_said_new(const struct bf_saying *saying, struct bf_said **ret_said, struct bf_error *err);
const Bitferry__Envelope *bf_said_envelope(const struct bf_said *said);
void bf_said_free(struct bf_said *said);
BF_DEFINE_CLEANUP(struct bf_said *, bf_said_free)

/** The word in @envelope, borrowed from it.  Errors: PROTOCOL for drops that do not fit. */
int bf_word_from_envelope(const Bitferry__Envelope *envelope, uint32_t nr_bitmaps,
                          struct bf_word *ret_word, struct bf_error *err);

/** Is @index (of a bitmap, or of a disk when @round is DELTA) to travel in this round? */
bool bf_offer_travels(const struct bf_offer *offer, enum bf_round round, uint32_t index);
enum bf_round bf_step_round(enum bf_step step);

enum { BF_EXPORT_DISK_BYTES = 16 };

/** What stands for the disk in the name of the export that travels as @index of @round. */
const char *bf_export_disk(enum bf_round round, uint32_t index, char buf[BF_EXPORT_DISK_BYTES]);

/** "16 bytes" from "xxxxxxxx-xxxx-...".  False: it is no UUID. */
bool bf_uuid_parse(const char *text, uint8_t ret_uuid[16]);

/** And back, in lower case; @buf has room for BF_PLAN_UUID_CHARS and a NUL. */
void bf_uuid_text(const uint8_t uuid[16], char *buf);

#endif
