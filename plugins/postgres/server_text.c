#include "postgres/server_text.h"

#include <string.h>

#include "postgres/sqlstate.h"

/* Where the reason begins in libpq's `connection to server at "…", port 5432 failed: FATAL:  28P01: …`. */
static const char *text_begin(const char *message)
{
    char state[6];
    const char *at;

    db_error_find_state(message, state);
    if (state[0] != '\0') {
        at = strstr(message, state) + 6;
        return at + strspn(at, " ");
    }
    at = strncmp(message, "connection to server ", 21) == 0 ? strstr(message, " failed: ") : NULL;
    if (at != NULL)
        return at + 9;
    for (at = message; *at >= 'A' && *at <= 'Z'; at++)
        ;
    return at != message && strncmp(at, ":  ", 3) == 0 ? at + 3 : message;
}

void server_text(const char *message, char *out, size_t size)
{
    const char *from = text_begin(message);
    size_t len = 0;

    for (; *from != '\0' && *from != '\n' && len + 1 < size; from++)
        out[len++] = *from >= ' ' && *from <= '~' ? *from : '?';
    out[len] = '\0';
}

const char *server_login_remedy(const char *message)
{
    static const struct {
        const char *part, *remedy;
    } remedies[] = {
        {"Connection refused", " (is PostgreSQL running there?)"},
        {"No such file or directory", " (is PostgreSQL running there, and is the file right?)"},
        {"no password supplied", " (set `password_file:`)"},
        {"session is read-only", " (the server must be the primary, not a standby)"},
        {"server does not support SSL",
         " (turn on ssl at the server, or set sslmode in `connection:`)"},
        {"root certificate file", " (set sslrootcert in `connection:` to the CA of the server)"},
        {"certificate verify failed",
         " (set sslrootcert in `connection:` to the CA of the server)"},
        {"does not match host name",
         " (the host in `connection:` must be a name in the certificate)"},
        {"SSL error", " (check sslmode and sslrootcert in `connection:`)"},
    };

    for (size_t i = 0; i < sizeof remedies / sizeof *remedies; i++)
        if (strstr(message, remedies[i].part) != NULL)
            return remedies[i].remedy;
    return NULL;
}
