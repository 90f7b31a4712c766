/* The members that each record of fleetroute's JSON has. The function has no state. */
#ifndef FR_HTTP_RECORD_KEYS_H
#define FR_HTTP_RECORD_KEYS_H

#include <stdbool.h>

/* Whether a member of a record describes the record, and is no content of it. */
bool record_key_is_general(const char *key);

#endif
