/*
 * Configuration keys of earlier development versions. The message for an unknown key names its
 * current name.
 */
#ifndef FR_RENAMED_KEYS_H
#define FR_RENAMED_KEYS_H

/* The current name of the key `old`, or NULL if it was not renamed. Static text. Any thread. */
const char *fr_renamed_key(const char *old);

#endif
