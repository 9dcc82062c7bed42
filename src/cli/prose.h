/** The little markup of the command tables (*bold*, _italic_), as plain text and as roff.
 *
 * A marker counts where a word begins, and ends at the same marker where a word ends, on the same
 * stretch of text; anything else is itself.
 */
#ifndef CLI_PROSE_H
#define CLI_PROSE_H

#include <stddef.h>
#include <stdio.h>

/** @nr_bytes of @text to roff: markup to fonts, everything else escaped. */
void bf_prose_roff(FILE *out, const char *text, size_t nr_bytes);

/** Whole paragraphs to roff (see struct bf_command, description). */
void bf_prose_roff_paragraphs(FILE *out, const char *text);

/** Literally, escaped, without markup. */
void bf_roff_literal(FILE *out, const char *text, size_t nr_bytes);

/** Plain text, filled to @columns; lines but the first begin with @indent spaces, and the first is
 *  taken to stand there already.  Ends with a newline. */
void bf_prose_plain(FILE *out, const char *text, size_t indent, size_t columns);

#endif
