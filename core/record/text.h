/* Parsers for values that a vehicle sends as text. Texts are not NUL-terminated. */
#ifndef FR_TEXT_H
#define FR_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Returns whether the bytes are valid UTF-8 (RFC 3629: no overlong forms, no surrogates). */
bool fr_text_is_utf8(const uint8_t *bytes, size_t len);

/* Parse a decimal number. Blanks and quotes around the number are allowed. Returns false if the
 * text is anything else, including "inf", "nan" and hexadecimal numbers. */
bool fr_text_to_real(const char *text, size_t len, double *number);

/* Parse a location in the form of old firmware, "(37.412374 N, 122.145867 W)", to degrees; north
 * and east are positive. Returns false if the text is anything else or the degrees exceed 90 or
 * 180. */
bool fr_text_to_location(const char *text, size_t len, double *latitude, double *longitude);

/* Returns whether the text is a number with a decimal point and an exponent ("-1.5e-03"). Tesla's
 * server rewrites such a number with five decimals. */
bool fr_text_is_scientific(const char *text, size_t len);

/* Strip blanks and double quotes from both ends of the text. Firmware 2024.26.3 adds quotes. */
void fr_text_unquote(const char **text, size_t *len);

/* Parse a location text as Tesla's server does (Sscanf() of Go with "(%f %1s, %f %1s)"): text behind
 * the closing parenthesis is ignored, and degrees have no range. Hexadecimal numbers, NaN and
 * infinities are not parsed. Returns false if the text is not a location. */
bool fr_text_tesla_location(const char *text, size_t len, double *latitude, double *longitude);

/* Convert a scientific number as Tesla's server does: read as a 32-bit float, written with five
 * decimals. Returns false for other texts, for numbers beyond a float, and if memory is exhausted. */
#define FR_TESLA_DECIMAL_SIZE 64
bool fr_text_tesla_decimal(const char *text, size_t len, char decimal[FR_TESLA_DECIMAL_SIZE]);

#endif
