/* address.h - what an IP address means. */
#ifndef FR_ADDRESS_H
#define FR_ADDRESS_H

#include <stdbool.h>

/* Whether an address, as text, is reached from this machine only. */
bool fr_is_loopback(const char *address);

#endif
