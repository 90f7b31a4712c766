/* Numbers in texts for people: 1,234,567. */
#ifndef FR_GROUPED_H
#define FR_GROUPED_H

#include <stdint.h>

#define FR_GROUPED_SIZE 27 /* of the greatest number, with its NUL */

/* Write the number with a comma before each group of three digits. Returns `text`. Any thread. */
const char *fr_grouped(uint64_t number, char text[FR_GROUPED_SIZE]);

#endif
