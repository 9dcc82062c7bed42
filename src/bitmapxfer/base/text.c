#include "base/text.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};

const char *bf_size_text(uint64_t size_bytes, char buf[BF_SIZE_TEXT_MAX])
{
    unsigned unit = 0;
    uint64_t whole = size_bytes;
    uint64_t rest = 0;

    while (whole >= 1024 && unit + 1 < sizeof units / sizeof units[0]) {
        rest = whole % 1024;
        whole /= 1024;
        unit++;
    }
    if (rest * 10 / 1024 == 0)
        (void)snprintf(buf, BF_SIZE_TEXT_MAX, "%u %s", (unsigned)whole, units[unit]);
    else
        (void)snprintf(buf, BF_SIZE_TEXT_MAX, "%u.%u %s", (unsigned)whole,
                       (unsigned)(rest * 10 / 1024), units[unit]);
    return buf;
}

/* How far to shift for a suffix, or -1.  An empty suffix and "B" mean bytes. */
static int suffix_shift(const char *suffix)
{
    static const char letters[] = "KMGTPE";
    const char *found;

    if (suffix[0] == '\0' || strcmp(suffix, "B") == 0)
        return 0;
    found = strchr(letters, toupper((unsigned char)suffix[0]));
    if (!found || *found == '\0')
        return -1;
    if (suffix[1] != '\0' && strcmp(suffix + 1, "iB") != 0)
        return -1;
    return (int)(found - letters + 1) * 10;
}

bool bf_size_parse(const char *text, uint64_t *ret_size_bytes)
{
    uint64_t value = 0;
    const char *at = text;
    int shift;

    for (; *at >= '0' && *at <= '9'; at++) {
        uint64_t digit = (uint64_t)(*at - '0');
        if (value > (UINT64_MAX - digit) / 10)
            return false;
        value = value * 10 + digit;
    }
    shift = suffix_shift(at);
    if (at == text || shift < 0 || (shift > 0 && value > (UINT64_MAX >> shift)))
        return false;
    *ret_size_bytes = value << shift;
    return true;
}

void bf_hex_encode(const uint8_t *bytes, size_t nr_bytes, char *buf)
{
    static const char digits[] = "0123456789abcdef";

    for (size_t i = 0; i < nr_bytes; i++) {
        buf[2 * i] = digits[bytes[i] >> 4];
        buf[2 * i + 1] = digits[bytes[i] & 15];
    }
    buf[2 * nr_bytes] = '\0';
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

bool bf_hex_decode(const char *text, size_t nr_bytes, uint8_t *bytes)
{
    if (strlen(text) != nr_bytes * 2)
        return false;
    for (size_t i = 0; i < nr_bytes; i++) {
        int high = hex_digit(text[2 * i]);
        int low = hex_digit(text[2 * i + 1]);
        if (high < 0 || low < 0)
            return false;
        bytes[i] = (uint8_t)(high << 4 | low);
    }
    return true;
}

/* Length of the well-formed sequence at @at, 0 if there is none (table 3-7 of the Unicode
 * standard). */
static size_t utf8_sequence(const unsigned char *at, size_t nr_left)
{
    unsigned char low = 0x80;
    unsigned char high = 0xbf;
    size_t nr;

    if (at[0] >= 1 && at[0] <= 0x7f)
        return 1;
    if (at[0] >= 0xc2 && at[0] <= 0xdf)
        nr = 2;
    else if (at[0] >= 0xe0 && at[0] <= 0xef)
        nr = 3;
    else if (at[0] >= 0xf0 && at[0] <= 0xf4)
        nr = 4;
    else
        return 0;
    if (at[0] == 0xe0)
        low = 0xa0;
    else if (at[0] == 0xed)
        high = 0x9f;
    else if (at[0] == 0xf0)
        low = 0x90;
    else if (at[0] == 0xf4)
        high = 0x8f;
    if (nr > nr_left || at[1] < low || at[1] > high)
        return 0;
    for (size_t i = 2; i < nr; i++) {
        if ((at[i] & 0xc0) != 0x80)
            return 0;
    }
    return nr;
}

bool bf_utf8_valid(const char *bytes, size_t nr_bytes)
{
    const unsigned char *at = (const unsigned char *)bytes;

    while (nr_bytes > 0) {
        size_t nr = utf8_sequence(at, nr_bytes);
        if (nr == 0)
            return false;
        at += nr;
        nr_bytes -= nr;
    }
    return true;
}

char *bf_shell_word(const char *text)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                "-_./:=@%+,";
    size_t nr_bytes = strlen(text);
    char *word;
    char *at;

    if (text[0] && strspn(text, plain) == nr_bytes)
        return strdup(text);
    word = malloc(nr_bytes * 4 + 3);
    if (!word)
        return NULL;
    at = stpcpy(word, "'");
    for (; *text; text++) {
        if (*text == '\'')
            at = stpcpy(at, "'\\''");
        else
            *at++ = *text;
    }
    (void)strcpy(at, "'");
    return word;
}
