/* suggest.h - the word that was probably meant. */
#ifndef FR_SUGGEST_H
#define FR_SUGGEST_H

#include <stddef.h>

struct fr_suggestion {
    const char *word; /* what stands in the file */
    const char *best; /* the nearest candidate so far, or NULL */
    size_t distance;
};

/* Begin looking for what `word` was meant to be. */
struct fr_suggestion fr_suggest_begin(const char *word);

/* Consider a candidate; it must outlive the suggestion. */
void fr_suggest_try(struct fr_suggestion *suggestion, const char *candidate);

/* The nearest candidate, or NULL when none is near enough to be meant. */
const char *fr_suggest_best(const struct fr_suggestion *suggestion);

#endif
