/* The check digit of a car's VIN (ISO 3779; 49 CFR 565.15 defines the computation). */
#ifndef FR_CONFIG_VIN_H
#define FR_CONFIG_VIN_H

#define FR_CAR_VIN_LENGTH 17
#define FR_VIN_CHECK_POSITION 9 /* from 1 */

/* The character that belongs in position 9 of a VIN, computed from the others: '0' to '9' or 'X'.
 * '\0': the text is no VIN of 17 capital letters without I, O and Q, and digits. Any thread. */
char fr_vin_check_digit(const char *vin);

#endif
