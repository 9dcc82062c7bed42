#include "suggest.h"

#include <stdint.h>
#include <string.h>

enum { WORD_MAX = 63 };

static size_t min3(size_t a, size_t b, size_t c)
{
    size_t least = a < b ? a : b;

    return least < c ? least : c;
}

/* Optimal string alignment: three rows of the table are enough, as a swap looks two rows back. */
size_t bf_edit_distance(const char *a, const char *b)
{
    size_t rows[3][WORD_MAX + 1];
    size_t a_length = strlen(a);
    size_t b_length = strlen(b);

    if (a_length > WORD_MAX || b_length > WORD_MAX)
        return SIZE_MAX;
    for (size_t j = 0; j <= b_length; j++)
        rows[0][j] = j;
    for (size_t i = 1; i <= a_length; i++) {
        size_t *row = rows[i % 3];
        const size_t *above = rows[(i - 1) % 3];
        const size_t *two_above = rows[(i + 1) % 3];

        row[0] = i;
        for (size_t j = 1; j <= b_length; j++) {
            row[j] = min3(above[j] + 1, row[j - 1] + 1, above[j - 1] + (a[i - 1] != b[j - 1]));
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                row[j] = min3(row[j], two_above[j - 2] + 1, SIZE_MAX);
        }
    }
    return rows[a_length % 3][b_length];
}

struct bf_suggestion bf_suggestion_for(const char *typed)
{
    size_t length = strlen(typed);

    /* Further than a third of the word, it was another word. */
    return (struct bf_suggestion){.typed = typed, .distance = length < 3 ? 1 : length / 3 + 1};
}

void bf_suggestion_offer(struct bf_suggestion *suggestion, const char *known)
{
    size_t distance = bf_edit_distance(suggestion->typed, known);
    size_t typed_length = strlen(suggestion->typed);

    /* The beginning of a word means that word, unless another is nearer. */
    if (typed_length >= 2 && strncmp(suggestion->typed, known, typed_length) == 0 && distance > 1)
        distance = 1;
    if (distance < suggestion->distance ||
        (distance == suggestion->distance && !suggestion->best)) {
        suggestion->best = known;
        suggestion->distance = distance;
    }
}
