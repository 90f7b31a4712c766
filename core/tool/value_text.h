/* Prints a value of the daemon's JSON for people. Used by `tail` and `values`. */
#ifndef FR_VALUE_TEXT_H
#define FR_VALUE_TEXT_H

#include <jansson.h>

/* Print a text of a vehicle to stdout. Control characters, which a terminal may act on, become '?'. NULL
 * is empty. */
void fr_text_print(const char *text);

/* Print a value to stdout in short: real numbers with six digits, booleans as "yes" and "no",
 * locations as "LAT, LON", and the keys that are true of an object such as doors ("none": no key
 * is). Null and NULL are "-". */
void fr_value_print(const json_t *value);

#endif
