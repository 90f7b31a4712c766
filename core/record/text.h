/* text.h - questions to text that a vehicle sent. */
#ifndef FR_TEXT_H
#define FR_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Whether the bytes are well-formed UTF-8 (RFC 3629: no overlong forms, no surrogates). */
bool fr_text_is_utf8(const uint8_t *bytes, size_t len);

/* A decimal number that takes up the whole text, blanks around it allowed. False for
 * anything else, "inf", "nan" and hexadecimal included. */
bool fr_text_to_real(const char *text, size_t len, double *number);

/* "(37.412374 N, 122.145867 W)", the form of old firmware: degrees, north and east positive.
 * False for any other text and for what lies outside the globe. */
bool fr_text_to_location(const char *text, size_t len, double *latitude, double *longitude);

/* Whether the text is a number with a decimal point and an exponent ("-1.5e-03"): what
 * Tesla's server rewrites with five decimals. */
bool fr_text_is_scientific(const char *text, size_t len);

/* Narrow to what stands inside double quotes or blanks that firmware 2024.26.3 put around. */
void fr_text_unquote(const char **text, size_t *len);

#endif
