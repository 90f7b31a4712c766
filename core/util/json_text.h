/* JSON strings, numbers and times. All functions append to a buffer; an allocation failure sets its
 * `failed`. */
#ifndef FR_JSON_TEXT_H
#define FR_JSON_TEXT_H

#include <stdbool.h>
#include <stdint.h>

#include "util/buffer.h"

/* Append a string of `len` bytes with its quotes. Each byte that is not part of valid UTF-8 becomes
 * U+FFFD. Characters that JSON does not allow or that control a terminal are escaped. The result is
 * valid JSON for any bytes. */
void fr_json_string(struct fr_buffer *out, const char *text, size_t len);

/* Append a string as Tesla's server writes it: only characters that JSON does not allow are escaped.
 * The text must be valid UTF-8. */
void fr_json_tesla_string(struct fr_buffer *out, const char *text, size_t len);

/* Append a number as Tesla's server writes it: the fewest digits that give the same double (is_float:
 * the same float) when they are read back, with an exponent below 1e-6 and from 1e21; "NaN",
 * "Infinity" and "-Infinity" with their quotes. */
void fr_json_tesla_number(struct fr_buffer *out, double number, bool is_float);

/* Append a number with the fewest digits, at least 15, that give the same double when they are read
 * back; "null" for NaN and infinities. */
void fr_json_number(struct fr_buffer *out, double number);

/* Append a quoted RFC 3339 time in UTC with milliseconds. `ms` is in ms since 1970. A time outside
 * the years 1 to 9999 is written as the first or last second of this range. */
void fr_json_time_ms(struct fr_buffer *out, int64_t ms);

/* The same without quotes. */
void fr_rfc3339_ms(struct fr_buffer *out, int64_t ms);

/* Whether fr_json_rfc3339() can express a time exactly. */
bool fr_json_rfc3339_fits(int64_t seconds, int32_t nanos);

/* Append an RFC 3339 time in UTC without quotes, with as many decimals (0, 3, 6 or 9) as the time
 * needs. `seconds` is in s since 1970, with the same limits. `nanos` outside 0 to 999999999 counts
 * as 0. */
void fr_json_rfc3339(struct fr_buffer *out, int64_t seconds, int32_t nanos);

/* Write the fewest digits, at least 6, that give the same float when they are read back. The number
 * must be finite. */
#define FR_FLOAT_TEXT_SIZE 32
void fr_float_text(float number, char text[FR_FLOAT_TEXT_SIZE]);

#endif
