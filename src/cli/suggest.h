/** "Did you mean": the known word nearest to a mistyped one. */
#ifndef CLI_SUGGEST_H
#define CLI_SUGGEST_H

#include <stddef.h>

struct bf_suggestion {
    const char *typed;
    const char *best; /* NULL while nothing is near enough to be what was meant */
    size_t distance;
};

struct bf_suggestion bf_suggestion_for(const char *typed);
void bf_suggestion_offer(struct bf_suggestion *suggestion, const char *known);

/** Single-letter insertions, deletions, replacements and swaps of neighbours that turn @a into @b;
 *  words longer than 63 bytes are "far". */
size_t bf_edit_distance(const char *a, const char *b);

#endif
