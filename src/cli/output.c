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

json_t *bf_text_to_json(const char *text)
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

/* What a person says in the environment counts more than what the terminal says. */
static unsigned extent_of(const char *variable, unsigned measured, unsigned least, unsigned other)
{
    const char *said = getenv(variable);
    long value = said ? strtol(said, NULL, 10) : 0;

    if (value >= (long)least && value <= 1000)
        return (unsigned)value;
    return measured >= least ? measured : other;
}

static struct winsize size_of(int fd)
{
    struct winsize size = {0};

    (void)ioctl(fd, TIOCGWINSZ, &size); /* of what is no terminal: nothing */
    return size;
}

struct bf_screen bf_screen_of(FILE *stream)
{
    const char *no_color = getenv("NO_COLOR");
    const char *term = getenv("TERM");
    struct winsize size = size_of(fileno(stream));
    struct bf_screen screen = {
        .terminal = isatty(fileno(stream)) == 1,
        .utf8 = locale_is_utf8(),
        .columns = extent_of("COLUMNS", size.ws_col, 20, 80),
        .rows = extent_of("LINES", size.ws_row, 4, 24),
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

static size_t escape_sequence_bytes(const char *text)
{
    size_t nr_bytes = 2;

    if (text[0] != '\033' || text[1] != '[')
        return 0;
    while (text[nr_bytes] && text[nr_bytes] != 'm')
        nr_bytes++;
    return nr_bytes + (text[nr_bytes] == 'm');
}

void bf_text_clip(char *text, size_t columns)
{
    mbstate_t state = {0};
    size_t used = 0;

    while (*text) {
        wchar_t wide;
        size_t nr_bytes = escape_sequence_bytes(text);

        if (nr_bytes == 0) {
            nr_bytes = mbrtowc(&wide, text, strlen(text), &state);
            if (nr_bytes == (size_t)-1 || nr_bytes == (size_t)-2)
                break;
            used += wcwidth(wide) > 0 ? (size_t)wcwidth(wide) : 0;
        }
        if (used > columns)
            break;
        text += nr_bytes;
    }
    *text = '\0';
}
