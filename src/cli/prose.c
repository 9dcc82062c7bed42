#include "prose.h"

#include <ctype.h>
#include <stdbool.h>
#include <string.h>

static bool is_word(char c)
{
    return isalnum((unsigned char)c) || c == '_' || c == '*';
}

/* Where the markup that begins at @at ends, or NULL if none begins there. */
static const char *markup_end(const char *text, const char *at, const char *end)
{
    if ((*at != '*' && *at != '_') || (at > text && is_word(at[-1])) || at + 1 >= end ||
        isspace((unsigned char)at[1]))
        return NULL;
    for (const char *close = at + 2; close < end; close++) {
        if (*close == *at && !isspace((unsigned char)close[-1]) &&
            (close + 1 == end || !is_word(close[1])))
            return close;
    }
    return NULL;
}

static void put_roff(FILE *out, char c)
{
    switch (c) {
    case '\\':
        (void)fputs("\\e", out);
        break;
    case '-':
        (void)fputs("\\-", out);
        break;
    case '\'':
        (void)fputs("\\(aq", out);
        break;
    case '^':
        (void)fputs("\\(ha", out);
        break;
    case '~':
        (void)fputs("\\(ti", out);
        break;
    default:
        (void)fputc(c, out);
        break;
    }
}

void bf_roff_literal(FILE *out, const char *text, size_t nr_bytes)
{
    bool line_begins = true;

    for (size_t i = 0; i < nr_bytes; i++) {
        if (line_begins && text[i] == '.')
            (void)fputs("\\&", out);
        put_roff(out, text[i]);
        line_begins = text[i] == '\n';
    }
}

void bf_prose_roff(FILE *out, const char *text, size_t nr_bytes)
{
    const char *end = text + nr_bytes;

    for (const char *at = text; at < end; at++) {
        const char *close = markup_end(text, at, end);

        if (close) {
            (void)fputs(*at == '*' ? "\\fB" : "\\fI", out);
            bf_roff_literal(out, at + 1, (size_t)(close - at - 1));
            (void)fputs("\\fR", out);
            at = close;
            continue;
        }
        if (*at == '.' && (at == text || at[-1] == '\n'))
            (void)fputs("\\&", out);
        put_roff(out, *at);
    }
}

/* A paragraph that is shown as it is; its four spaces are taken away line by line. */
static void put_example(FILE *out, const char *text, size_t nr_bytes)
{
    const char *end = text + nr_bytes;

    (void)fputs(".PP\n.RS 4\n.EX\n", out);
    while (text < end) {
        const char *newline = memchr(text, '\n', (size_t)(end - text));
        const char *line_end = newline ? newline : end;
        size_t indent = strspn(text, " ");

        text += indent < 4 ? indent : 4;
        bf_roff_literal(out, text, (size_t)(line_end - text));
        (void)fputc('\n', out);
        text = line_end + 1;
    }
    (void)fputs(".EE\n.RE\n", out);
}

void bf_prose_roff_paragraphs(FILE *out, const char *text)
{
    while (*text) {
        const char *gap = strstr(text, "\n\n");
        size_t length = gap ? (size_t)(gap - text) : strlen(text);

        while (length > 0 && text[length - 1] == '\n')
            length--;
        if (strncmp(text, "    ", 4) == 0) {
            put_example(out, text, length);
        } else {
            (void)fputs(".PP\n", out);
            bf_prose_roff(out, text, length);
            (void)fputc('\n', out);
        }
        text = gap ? gap + 2 : text + strlen(text);
    }
}

/* Print the word of @length bytes at @at without its markers, or only measure it if @out is NULL;
 * returns its columns.  Markup may span words: *@closing is where the one that is open ends. */
static size_t put_plain_word(FILE *out, const char *text, const char *at, size_t length,
                             const char **closing)
{
    const char *end = text + strlen(text);
    size_t columns = 0;

    for (size_t i = 0; i < length; i++) {
        const char *close = *closing ? NULL : markup_end(text, at + i, end);

        if (close) {
            *closing = close;
        } else if (at + i == *closing) {
            *closing = NULL;
        } else {
            columns++;
            if (out)
                (void)fputc(at[i], out);
        }
    }
    return columns;
}

void bf_prose_plain(FILE *out, const char *text, size_t indent, size_t columns)
{
    const char *closing = NULL;
    const char *at = text;
    size_t column = indent;

    while (*(at += strspn(at, " \n"))) {
        size_t length = strcspn(at, " \n");
        const char *measured_closing = closing;
        size_t width = put_plain_word(NULL, text, at, length, &measured_closing);

        if (column > indent && column + 1 + width > columns) {
            (void)fprintf(out, "\n%*s", (int)indent, "");
            column = indent;
        } else if (column > indent) {
            (void)fputc(' ', out);
            column++;
        }
        column += put_plain_word(out, text, at, length, &closing);
        at += length;
    }
    (void)fputc('\n', out);
}
