/*
 * Texts of a server and of libpq, for people. Any thread.
 */
#ifndef FR_POSTGRES_SERVER_TEXT_H
#define FR_POSTGRES_SERVER_TEXT_H

#include <stddef.h>

/* Copy the first line of a message to `out`, shortened, with '?' for each character that is not
 * printable ASCII. Without libpq's words before the reason, and the SQLSTATE. */
void server_text(const char *message, char *out, size_t size);

/* The remedy for a failed connection whose message has no SQLSTATE, by libpq's words; NULL: unknown. */
const char *server_login_remedy(const char *message);

#endif
