#include "config/suggest.h"

#include <ctype.h>
#include <stdint.h>
#include <string.h>

#define WORD_MAX 63 /* longer words have no suggestion */

struct fr_suggestion fr_suggest_begin(const char *word)
{
    return (struct fr_suggestion){word, NULL, SIZE_MAX};
}

static size_t suggest_min(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* The distance of two words in half edits. An edit is an insertion, a deletion, a substitution or a
 * swap of adjacent characters (optimal string alignment); a change of case is half an edit.
 * SIZE_MAX: a word is longer than WORD_MAX. */
static size_t suggest_distance(const char *a, const char *b)
{
    size_t rows[3][WORD_MAX + 1], la = strlen(a), lb = strlen(b);

    if (la > WORD_MAX || lb > WORD_MAX)
        return SIZE_MAX;
    for (size_t j = 0; j <= lb; j++)
        rows[0][j] = 2 * j;
    for (size_t i = 1; i <= la; i++) {
        size_t *row = rows[i % 3];
        const size_t *previous = rows[(i + 2) % 3], *second_last = rows[(i + 1) % 3];

        row[0] = 2 * i;
        for (size_t j = 1; j <= lb; j++) {
            int x = tolower((unsigned char)a[i - 1]), y = tolower((unsigned char)b[j - 1]);
            size_t change = a[i - 1] == b[j - 1] ? 0 : x == y ? 1 : 2;

            row[j] =
                suggest_min(suggest_min(previous[j], row[j - 1]) + 2, previous[j - 1] + change);
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                row[j] = suggest_min(row[j], second_last[j - 2] + 2);
        }
    }
    return rows[la % 3][lb];
}

void fr_suggest_try(struct fr_suggestion *suggestion, const char *candidate)
{
    size_t distance = suggest_distance(suggestion->word, candidate);

    if (distance < suggestion->distance) {
        suggestion->distance = distance;
        suggestion->best = candidate;
    }
}

const char *fr_suggest_best(const struct fr_suggestion *suggestion)
{
    size_t len = strlen(suggestion->word);

    return suggestion->best != NULL && suggestion->distance / 2 <= (len < 6 ? 1 : len / 3)
               ? suggestion->best
               : NULL;
}
