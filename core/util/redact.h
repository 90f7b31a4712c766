/* Redaction of personal data in logs, status and outputs. A redacted VIN consists of its first
 * three characters (the manufacturer) and a tag. The tag of a vehicle is the same within one run of
 * the process and cannot be traced back to the VIN. Without random bytes for the secret key of the
 * tags, each tag is "redacted". A redacted coordinate has two decimals (about
 * one kilometre). Names of places become "redacted". */
#ifndef FR_REDACT_H
#define FR_REDACT_H

#include <stdbool.h>

#define FR_REDACTED_VIN_SIZE 80

/* Switch redaction of the whole process on or off. Called before other threads start. */
void fr_redact_set(bool on);

/* Returns whether redaction is on. Any thread. */
bool fr_redacting(void);

/* Make the secret key of the tags. Needed before fr_redacted_vin() if redaction is off. */
void fr_redact_ready(void);

/* Returns the VIN in the form that may be logged: `vin` itself if redaction is off, else the
 * redacted form, which is written to `buffer`. Any thread. */
const char *fr_display_vin(const char *vin, char buffer[FR_REDACTED_VIN_SIZE]);

/* Returns the redacted form of the VIN, written to `buffer`. Any thread. */
const char *fr_redacted_vin(const char *vin, char buffer[FR_REDACTED_VIN_SIZE]);

/* Returns a coordinate, in degrees, rounded to two decimals. */
double fr_redacted_degrees(double degrees);

#endif
