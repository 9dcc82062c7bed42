/** Numbers, sizes and foreign bytes as text for people. */
#ifndef BASE_TEXT_H
#define BASE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    BF_SIZE_TEXT_MAX = 16,
    BF_HEX_SHA256_MAX = 65,
};

/** "64 KiB", "1.5 TiB", "512 B": at most one decimal.  Writes at most BF_SIZE_TEXT_MAX bytes and
 *  returns @buf. */
const char *bf_size_text(uint64_t size_bytes, char buf[BF_SIZE_TEXT_MAX]);

/** A size as users write it: decimal digits with an optional suffix of 1024s (k, K, KiB, M, G, T,
 * P). False for anything else, overflow included. */
bool bf_size_parse(const char *text, uint64_t *ret_size_bytes);

/** Lower-case hexadecimal, @nr_bytes * 2 + 1 bytes into @buf. */
void bf_hex_encode(const uint8_t *bytes, size_t nr_bytes, char *buf);

/** Exactly @nr_bytes * 2 hexadecimal digits.  False (and @bytes undefined) for anything else. */
bool bf_hex_decode(const char *text, size_t nr_bytes, uint8_t *bytes);

/** Is it well-formed UTF-8 (no surrogates, no overlong forms), NUL excluded? */
bool bf_utf8_valid(const char *bytes, size_t nr_bytes);

/** @text as one word of a shell's command line, quoted where it must be.  NULL: no memory. */
char *bf_shell_word(const char *text);

#endif
