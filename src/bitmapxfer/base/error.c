#include "base/error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const struct {
    const char *name;
    int errnum;
    int exit_code;
} codes[] = {
#define BF_ROW(name, err, exit_code) [BF_E_##name] = {#name, err, exit_code},
    BF_ERROR_CODES(BF_ROW)
#undef BF_ROW
};

static void replace_controls(char *text)
{
    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;
        if (c < 0x20 || c == 0x7f)
            *text = '?';
    }
}

__attribute__((format(printf, 2, 0))) static void set_text(struct bf_error *err, const char *format,
                                                           va_list args)
{
    (void)vsnprintf(err->text, sizeof err->text, format, args);
    replace_controls(err->text);
}

int bf_error_set(struct bf_error *err, enum bf_code code, const char *format, ...)
{
    if (err && err->code == BF_E_NONE) {
        va_list args;

        err->code = code;
        va_start(args, format);
        set_text(err, format, args);
        va_end(args);
    }
    return -codes[code].errnum;
}

static enum bf_code code_of_errno(int errnum)
{
    switch (errnum) {
    case ENOENT:
        return BF_E_NOT_FOUND;
    case EACCES:
    case EPERM:
        return BF_E_PERMISSION;
    case ENOSPC:
    case EDQUOT:
        return BF_E_NO_SPACE;
    case EROFS:
        return BF_E_READ_ONLY;
    case ENOMEM:
        return BF_E_NO_MEMORY;
    case EEXIST:
        return BF_E_EXISTS;
    default:
        return BF_E_IO;
    }
}

int bf_error_set_errno(struct bf_error *err, int errnum, const char *format, ...)
{
    enum bf_code code = code_of_errno(errnum);

    if (err && err->code == BF_E_NONE) {
        va_list args;
        size_t used;

        err->code = code;
        va_start(args, format);
        set_text(err, format, args);
        va_end(args);
        used = strlen(err->text);
        (void)snprintf(err->text + used, sizeof err->text - used, ": %s", strerror(errnum));
    }
    return -codes[code].errnum;
}

int bf_error_prefix(struct bf_error *err, const char *format, ...)
{
    char old[BF_ERROR_TEXT_MAX];
    va_list args;
    size_t used;

    if (!err)
        return -EIO;
    memcpy(old, err->text, sizeof old);
    va_start(args, format);
    set_text(err, format, args);
    va_end(args);
    used = strlen(err->text);
    (void)snprintf(err->text + used, sizeof err->text - used, ": %s", old);
    return -codes[err->code].errnum;
}

void bf_error_clear(struct bf_error *err)
{
    if (!err)
        return;
    err->code = BF_E_NONE;
    err->text[0] = '\0';
}

const char *bf_code_name(enum bf_code code)
{
    return codes[code].name;
}

int bf_code_exit(enum bf_code code)
{
    return codes[code].exit_code;
}

int bf_code_errno(enum bf_code code)
{
    return codes[code].errnum;
}
