/*
 * Finds the valid word that is nearest to a misspelt one, for "did you mean" messages.
 */
#ifndef FR_SUGGEST_H
#define FR_SUGGEST_H

#include <stddef.h>

struct fr_suggestion {
    const char *word; /* the misspelt word; not owned */
    const char *best; /* the nearest candidate so far, or NULL; not owned */
    size_t distance;  /* of `best`, in half edits */
};

/* Start a search for the candidate nearest to `word`, which must outlive the suggestion. */
struct fr_suggestion fr_suggest_begin(const char *word);

/* Consider a candidate; it must outlive the suggestion. */
void fr_suggest_try(struct fr_suggestion *suggestion, const char *candidate);

/* The nearest candidate; NULL if the distance of each is more than one third of the length of the
 * word (one edit for words of fewer than 6 characters). */
const char *fr_suggest_best(const struct fr_suggestion *suggestion);

#endif
