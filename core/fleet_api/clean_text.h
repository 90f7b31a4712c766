/*
 * Makes text from Tesla's answers fit for a terminal, a log and a status page: the text is hostile
 * until it has passed here.
 */
#ifndef FR_CLEAN_TEXT_H
#define FR_CLEAN_TEXT_H

#include <stdbool.h>
#include <stddef.h>

/* Copy `len` bytes to `to`, NUL-terminated and cut to `size` bytes at the end of a character. White
 * space and control characters become one space, other bytes that are not valid UTF-8 become '?'.
 * Characters that change the direction of text are dropped. Max 4 * `size` bytes are read. Any thread.
 */
void fr_clean_text(char *to, size_t size, const char *text, size_t len);

/* The same for a message of Tesla: a word that can be a token or a secret (20 characters or more,
 * with a digit) becomes "[removed]", and VINs are redacted if redaction is on (util/redact.h). */
void fr_clean_message(char *to, size_t size, const char *text, size_t len);

/* Whether the text is a VIN: 17 capital letters and digits, without I, O and Q. */
bool fr_is_vin(const char *text);

#endif
