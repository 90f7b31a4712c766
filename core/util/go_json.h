/* JSON in the notation of Go's encoding/json, for consumers that compare the bytes with those of
 * Tesla's server. All functions append to a buffer; an allocation failure sets its `failed`. Any
 * thread. Source of the notation: the documentation of encoding/json (Marshal) and strconv
 * (FormatFloat with the precision -1). */
#ifndef FR_GO_JSON_H
#define FR_GO_JSON_H

#include <stddef.h>
#include <stdint.h>

#include "util/buffer.h"

/* Append a string of `len` bytes with its quotes. Beside the characters that JSON does not allow,
 * <, >, &, U+2028 and U+2029 are escaped. Each byte that is not part of valid UTF-8 becomes U+FFFD.
 */
void fr_go_string(struct fr_buffer *out, const char *text, size_t len);

/* Append a double or a float with the fewest digits that give the same number when they are read
 * back; with an exponent if it is below 1e-6 or at least 1e21. "null" for NaN and infinities, which
 * encoding/json refuses. */
void fr_go_double(struct fr_buffer *out, double number);
void fr_go_float(struct fr_buffer *out, float number);

/* Append a quoted RFC 3339 time in UTC with whole seconds. `seconds` is in s since 1970, `nanos` in
 * ns; a value outside 0 to 999999999 is carried to the seconds. Years before 0 have a sign, years
 * after 9999 more digits. */
void fr_go_time(struct fr_buffer *out, int64_t seconds, int32_t nanos);

#endif
