/** What goes to stdout and stderr, and how much room it has there. */
#ifndef CLI_OUTPUT_H
#define CLI_OUTPUT_H

#include "command.h"

#include <jansson.h>
#include <stdio.h>

/** Print @json and a newline on stdout; takes the reference, NULL is "out of memory". */
int bf_print_json(json_t *json, struct bf_error *err);

/** A JSON string; what is not UTF-8 is escaped first, as bf_escape() does.  NULL: out of memory. */
json_t *bf_text_to_json(const char *text);

/** "bitferry: note: ..." on stderr, unless --quiet: for what a person should know. */
void bf_note(const struct bf_arguments *args, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/** "bitferry: ..." on stderr with --verbose: one line a step. */
void bf_say_step(const struct bf_arguments *args, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/** Flush stdout.  Errors: NO_SPACE and the like, which would otherwise be lost. */
int bf_output_finish(struct bf_error *err);

struct bf_screen {
    bool terminal;
    bool colour; /* a terminal, and neither NO_COLOR nor TERM=dumb */
    bool utf8;
    unsigned columns; /* of the terminal or $COLUMNS; 80 if there is neither */
    unsigned rows;    /* likewise, $LINES; 24 */
};

struct bf_screen bf_screen_of(FILE *stream);

/** Any bytes as text that is safe on a terminal: control characters and what is not UTF-8 (all that
 * is not ASCII where the locale has no UTF-8) become \xNN, a backslash becomes \\.  The caller
 * frees; NULL: out of memory. */
char *bf_escape(const char *text);

/** Columns that @text takes on the screen. */
size_t bf_text_columns(const char *text);

/** Cut @text off where it would take more columns; escape sequences for colour take none. */
void bf_text_clip(char *text, size_t columns);

#endif
