#include "config/vin.h"

#include <string.h>

/* The value of a character: a digit itself; the letters are numbered in the order of EBCDIC, so
 * that those without a value (I, O, Q) are spaces here. -1: it is in no VIN. */
static int vin_value(char c)
{
    static const char letters[] = "ABCDEFGH JKLMN P R STUVWXYZ";
    static const char values[] = "12345678 12345 7 9 23456789";
    const char *at = c != '\0' && c != ' ' ? strchr(letters, c) : NULL;

    if (c >= '0' && c <= '9')
        return c - '0';
    return at != NULL ? values[at - letters] - '0' : -1;
}

char fr_vin_check_digit(const char *vin)
{
    static const int weights[FR_CAR_VIN_LENGTH] = {8, 7, 6, 5, 4, 3, 2, 10, 0,
                                                   9, 8, 7, 6, 5, 4, 3, 2};
    int sum = 0;

    if (strlen(vin) != FR_CAR_VIN_LENGTH)
        return '\0';
    for (int i = 0; i < FR_CAR_VIN_LENGTH; i++) {
        int value = vin_value(vin[i]);

        if (value < 0)
            return '\0';
        sum += value * weights[i];
    }
    return "0123456789X"[sum % 11];
}
