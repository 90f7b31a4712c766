#include "util/grouped.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

const char *fr_grouped(uint64_t number, char text[FR_GROUPED_SIZE])
{
    char digits[FR_GROUPED_SIZE];
    size_t count, n = 0;

    snprintf(digits, sizeof digits, "%llu", (unsigned long long)number);
    count = strlen(digits);
    for (size_t i = 0; i < count; i++) {
        if (i != 0 && (count - i) % 3 == 0)
            text[n++] = ',';
        text[n++] = digits[i];
    }
    text[n] = '\0';
    return text;
}
