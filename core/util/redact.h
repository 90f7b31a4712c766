/*
 * redact.h - outputs that can be shown to strangers.
 *
 * With redaction on, a VIN is shown as its first three characters (the maker) and a tag
 * that is the same for one vehicle within one run and says nothing to an outsider; a
 * coordinate keeps two decimals (about a kilometre); names of places become "redacted".
 */
#ifndef FR_REDACT_H
#define FR_REDACT_H

#include <stdbool.h>

#define FR_REDACTED_VIN_SIZE 80

/* Switch redaction for the whole process. Call it before threads start. */
void fr_redact_set(bool on);
bool fr_redacting(void);

/* Make the secret behind the tags, for an output that redacts although the process does not. */
void fr_redact_ready(void);

/* The VIN as it may be shown: itself, or its redacted form written into `buffer`. The second
 * always redacts. */
const char *fr_shown_vin(const char *vin, char buffer[FR_REDACTED_VIN_SIZE]);

const char *fr_redacted_vin(const char *vin, char buffer[FR_REDACTED_VIN_SIZE]);

/* A coordinate in degrees with two decimals. */
double fr_redacted_degrees(double degrees);

#endif
