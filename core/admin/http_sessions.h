/*
 * http_sessions.h - the token of the admin listener, the sessions of browsers that have sent it once,
 * and the bound on wrong tokens.
 *
 * A session is a random text of 256 bits in a cookie. The server keeps its SHA-256 alone, in memory:
 * a restart ends all sessions. Main thread.
 */
#ifndef FR_HTTP_SESSIONS_H
#define FR_HTTP_SESSIONS_H

#include <stdbool.h>
#include <stdint.h>

/* At most this many sessions; a new one replaces the one that was used least recently. */
#define FR_HTTP_SESSIONS_MAX 64

#define FR_HTTP_SESSION_IDLE_MS (INT64_C(24) * 3600 * 1000) /* without a request */
#define FR_HTTP_SESSION_MAX_MS (INT64_C(7) * 24 * 3600 * 1000)

/* Wrong tokens of one source in a window; then each token of the source is refused until the window
 * ends. */
#define FR_HTTP_TRIES_MAX 10
#define FR_HTTP_TRIES_WINDOW_MS 60000
#define FR_HTTP_TRIES_SOURCES 256

#define FR_HTTP_SESSION_ID_SIZE 65 /* 64 hexadecimal digits, NUL */

struct fr_http_sessions;

/* `token` is not stored, only its digest; NULL: no token exists, and no text is the token. Never
 * NULL. */
struct fr_http_sessions *fr_http_sessions_new(const char *token);
void fr_http_sessions_free(struct fr_http_sessions *sessions);

/* Replace the token. Returns whether it differs from the former one; then all sessions have ended. */
bool fr_http_sessions_set_token(struct fr_http_sessions *sessions, const char *token);

enum fr_http_token {
    FR_HTTP_TOKEN_RIGHT,
    FR_HTTP_TOKEN_WRONG,
    FR_HTTP_TOKEN_REFUSED, /* not compared: too many wrong tokens of this source */
};

/* Compare a text with the token, in a time that does not depend on either. `source` is
 * fr_address_source() of the client; now_ms is monotonic. Wrong tokens are counted. */
enum fr_http_token fr_http_sessions_try(struct fr_http_sessions *sessions, const char *text,
                                        uint64_t source, int64_t now_ms);

/* Begin a session and write its id. Returns its number, from 1; 0: no random bytes. */
unsigned fr_http_sessions_begin(struct fr_http_sessions *sessions, int64_t now_ms,
                                char id[FR_HTTP_SESSION_ID_SIZE]);

/* The number of the session in the cookie `name` of a Cookie header (NULL: none); 0: none that is
 * valid. The session counts as used now. */
unsigned fr_http_sessions_find(struct fr_http_sessions *sessions, const char *cookies,
                               const char *name, int64_t now_ms);

/* Whether a session has neither ended nor expired. */
bool fr_http_sessions_valid(const struct fr_http_sessions *sessions, unsigned number,
                            int64_t now_ms);

void fr_http_sessions_end(struct fr_http_sessions *sessions, unsigned number);

#endif
