#include "base/name.h"

#include "base/text.h"

#include <stdbool.h>
#include <string.h>

static const char view_suffix[] = ".qcow2";
enum { VIEW_SUFFIX_LENGTH = sizeof view_suffix - 1 };

static bool has_suffix(const char *text, size_t length)
{
    return length >= VIEW_SUFFIX_LENGTH &&
           memcmp(text + length - VIEW_SUFFIX_LENGTH, view_suffix, VIEW_SUFFIX_LENGTH) == 0;
}

static char *put_encoded(char *to, unsigned char c)
{
    static const char digits[] = "0123456789ABCDEF";

    *to++ = '%';
    *to++ = digits[c >> 4];
    *to++ = digits[c & 15];
    return to;
}

/* Encode @name at @to, NUL excluded, and return the end.  @dot is the index of a byte that is to be
 * encoded whatever it is, or past the end. */
static char *encode_part(char *to, const char *name, size_t dot)
{
    size_t length = strlen(name);
    bool utf8 = bf_utf8_valid(name, length);

    for (size_t i = 0; i < length; i++) {
        unsigned char c = (unsigned char)name[i];
        if (c < 0x20 || c == 0x7f || c == '%' || c == '/' || i == dot || (c >= 0x80 && !utf8))
            to = put_encoded(to, c);
        else
            *to++ = (char)c;
    }
    return to;
}

static int check_lengths(const char *disk, const char *bitmap, enum bf_view_kind view,
                         struct bf_error *err)
{
    size_t disk_length = strlen(disk);
    size_t bitmap_length = strlen(bitmap);

    if (disk_length == 0 || disk_length > BF_DISK_NAME_MAX)
        return bf_error_set(err, BF_E_INVALID, "a disk name has 1 to %d bytes, this one has %zu",
                            BF_DISK_NAME_MAX, disk_length);
    if (view == BF_VIEW_DISK)
        return bitmap_length == 0
                   ? 0
                   : bf_error_set(err, BF_E_INVALID, "the export of a whole disk names no bitmap");
    if (bitmap_length == 0 || bitmap_length > BF_BITMAP_NAME_MAX)
        return bf_error_set(err, BF_E_INVALID, "a bitmap name has 1 to %d bytes, this one has %zu",
                            BF_BITMAP_NAME_MAX, bitmap_length);
    return 0;
}

int bf_export_name_encode(const char *disk, const char *bitmap, enum bf_view_kind view,
                          char buf[BF_EXPORT_NAME_MAX + 1], struct bf_error *err)
{
    size_t bitmap_length = strlen(bitmap);
    size_t dot = SIZE_MAX;
    char *to = buf;
    int r = check_lengths(disk, bitmap, view, err);

    if (r < 0)
        return r;
    if (has_suffix(bitmap, bitmap_length))
        dot = bitmap_length - VIEW_SUFFIX_LENGTH;
    to = encode_part(to, disk, SIZE_MAX);
    if (view != BF_VIEW_DISK)
        *to++ = '/';
    to = encode_part(to, bitmap, dot);
    strcpy(to, view == BF_VIEW_QCOW2 ? view_suffix : "");
    return 0;
}

/* Decode the @length bytes at @text into @buf; false if they are malformed or do not fit. */
static bool decode_part(const char *text, size_t length, char *buf, size_t max)
{
    size_t used = 0;

    for (size_t i = 0; i < length; i++) {
        char c = text[i];
        if (c == '%') {
            char pair[3] = "";
            if (length - i < 3)
                return false;
            memcpy(pair, text + i + 1, 2);
            if (!bf_hex_decode(pair, 1, (uint8_t *)&c) || c == '\0')
                return false;
            i += 2;
        }
        if (used == max)
            return false;
        buf[used++] = c;
    }
    buf[used] = '\0';
    return used > 0;
}

static bool decode(const char *text, struct bf_export_name *name)
{
    const char *slash = strchr(text, '/');
    size_t length = strlen(text);

    if (!slash) {
        name->view = BF_VIEW_DISK;
        return decode_part(text, length, name->disk, BF_DISK_NAME_MAX);
    }
    if (has_suffix(text, length)) {
        name->view = BF_VIEW_QCOW2;
        length -= VIEW_SUFFIX_LENGTH;
    }
    return slash < text + length &&
           decode_part(text, (size_t)(slash - text), name->disk, BF_DISK_NAME_MAX) &&
           decode_part(slash + 1, length - (size_t)(slash + 1 - text), name->bitmap,
                       BF_BITMAP_NAME_MAX);
}

int bf_export_name_decode(const char *text, struct bf_export_name *ret_name, struct bf_error *err)
{
    char canonical[BF_EXPORT_NAME_MAX + 1];
    struct bf_export_name name = {.view = BF_VIEW_BITS};

    if (!decode(text, &name) ||
        bf_export_name_encode(name.disk, name.bitmap, name.view, canonical, NULL) < 0 ||
        strcmp(canonical, text) != 0)
        return bf_error_set(err, BF_E_NOT_FOUND, "'%.200s' is not the name of an export of bitmaps",
                            text);
    *ret_name = name;
    return 0;
}
