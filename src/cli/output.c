#include "output.h"

#include "base/cleanup.h"
#include "base/text.h"

#include <errno.h>
#include <langinfo.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <wchar.h>
#include <wctype.h>

int bf_print_json(json_t *json, struct bf_error *err)
{
    int dumped = json ? json_dumpf(json, stdout, JSON_INDENT(2)) : -1;

    if (!json)
        return bf_error_set(err, BF_E_NO_MEMORY, "out of memory");
    json_decref(json);
    (void)putchar('\n');
    if (dumped < 0 && !ferror(stdout))
        return bf_error_set(err, BF_E_NO_MEMORY, "out of memory");
    return bf_output_finish(err);
}

json_t *bf_json_text(const char *text)
{
    BF_CLEANUP(bf_freep) char *escaped = NULL;

    if (bf_utf8_valid(text, strlen(text)))
        return json_string(text);
    escaped = bf_escape(text);
    return escaped ? json_string(escaped) : NULL;
}

__attribute__((format(printf, 2, 0))) static void say(const char *prefix, const char *format,
                                                      va_list args)
{
    (void)fputs(prefix, stderr);
    (void)vfprintf(stderr, format, args);
    (void)fputc('\n', stderr);
}

void bf_note(const struct bf_arguments *args, const char *format, ...)
{
    va_list list;

    if (args->quiet)
        return;
    va_start(list, format);
    say("bitferry: note: ", format, list);
    va_end(list);
}

void bf_say_step(const struct bf_arguments *args, const char *format, ...)
{
    va_list list;

    if (!args->verbose)
        return;
    va_start(list, format);
    say("bitferry: ", format, list);
    va_end(list);
}

int bf_output_finish(struct bf_error *err)
{
    errno = 0;
    if (fflush(stdout) == 0 && !ferror(stdout))
        return 0;
    return bf_error_set_errno(err, errno ? errno : EIO, "cannot write to the standard output");
}

static bool locale_is_utf8(void)
{
    return strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
}

static unsigned columns_of(int fd)
{
    struct winsize size;
    const char *columns = getenv("COLUMNS");
    long value = columns ? strtol(columns, NULL, 10) : 0;

    if (value >= 20 && value <= 1000)
        return (unsigned)value;
    if (ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_col >= 20)
        return size.ws_col;
    return 80;
}

struct bf_screen bf_screen_of(FILE *stream)
{
    const char *no_color = getenv("NO_COLOR");
    const char *term = getenv("TERM");
    struct bf_screen screen = {
        .terminal = isatty(fileno(stream)) == 1,
        .utf8 = locale_is_utf8(),
        .columns = columns_of(fileno(stream)),
    };

    /* no-color.org: an empty NO_COLOR counts as not set. */
    screen.colour =
        screen.terminal && !(no_color && no_color[0] != '\0') && term && strcmp(term, "dumb") != 0;
    return screen;
}

static char *put_hex(char *to, unsigned char c)
{
    static const char digits[] = "0123456789abcdef";

    *to++ = '\\';
    *to++ = 'x';
    *to++ = digits[c >> 4];
    *to++ = digits[c & 15];
    return to;
}

/* Copy the multibyte character at @from (of @nr_bytes bytes) if it can be printed, else its bytes
 * in hexadecimal. */
static char *put_character(char *to, const char *from, size_t nr_bytes, wchar_t wide)
{
    if (nr_bytes == 1 && *from == '\\') {
        *to++ = '\\';
        *to++ = '\\';
        return to;
    }
    if (iswprint((wint_t)wide) && bf_utf8_valid(from, nr_bytes)) {
        memcpy(to, from, nr_bytes);
        return to + nr_bytes;
    }
    for (size_t i = 0; i < nr_bytes; i++)
        to = put_hex(to, (unsigned char)from[i]);
    return to;
}

char *bf_escape(const char *text)
{
    size_t left = strlen(text);
    char *escaped = malloc(left * 4 + 1);
    char *to = escaped;
    mbstate_t state = {0};

    if (!escaped)
        return NULL;
    while (left > 0) {
        wchar_t wide = L'\0';
        size_t nr_bytes = mbrtowc(&wide, text, left, &state);

        if (nr_bytes == (size_t)-1 || nr_bytes == (size_t)-2) {
            memset(&state, 0, sizeof state);
            nr_bytes = 1;
            wide = L'\0';
        }
        to = put_character(to, text, nr_bytes, wide);
        text += nr_bytes;
        left -= nr_bytes;
    }
    *to = '\0';
    return escaped;
}

size_t bf_text_columns(const char *text)
{
    mbstate_t state = {0};
    size_t left = strlen(text);
    size_t columns = 0;

    while (left > 0) {
        wchar_t wide;
        size_t nr_bytes = mbrtowc(&wide, text, left, &state);
        int width;

        if (nr_bytes == (size_t)-1 || nr_bytes == (size_t)-2)
            return columns + left;
        width = wcwidth(wide);
        columns += width > 0 ? (size_t)width : 0;
        text += nr_bytes;
        left -= nr_bytes;
    }
    return columns;
}
