#include "admin/http_sessions.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util/counters.h"
#include "util/memory.h"

#define DIGEST_SIZE 32
#define ID_BYTES 32

struct session {
    unsigned number; /* 0: free */
    unsigned char digest[DIGEST_SIZE];
    int64_t begun_ms, used_ms; /* monotonic */
};

struct tries {
    uint64_t source;
    unsigned wrong;   /* 0: free */
    int64_t begun_ms; /* monotonic: of the window */
};

struct fr_http_sessions {
    bool has_token;
    unsigned char token[DIGEST_SIZE];
    struct session list[FR_HTTP_SESSIONS_MAX];
    struct tries tries[FR_HTTP_TRIES_SOURCES];
    unsigned last_number;
};

/* SHA-256. Texts are compared by their digests, so the time depends on no byte of a secret. */
static bool sessions_digest(const char *text, size_t len, unsigned char digest[DIGEST_SIZE])
{
    return EVP_Digest(text, len, digest, NULL, EVP_sha256(), NULL) == 1;
}

struct fr_http_sessions *fr_http_sessions_new(const char *token)
{
    struct fr_http_sessions *sessions = fr_calloc(1, sizeof *sessions);

    sessions->has_token = token != NULL && sessions_digest(token, strlen(token), sessions->token);
    return sessions;
}

void fr_http_sessions_free(struct fr_http_sessions *sessions)
{
    if (sessions == NULL)
        return;
    OPENSSL_cleanse(sessions, sizeof *sessions);
    free(sessions);
}

bool fr_http_sessions_set_token(struct fr_http_sessions *sessions, const char *token)
{
    unsigned char digest[DIGEST_SIZE];

    if (!sessions_digest(token, strlen(token), digest) ||
        CRYPTO_memcmp(digest, sessions->token, DIGEST_SIZE) == 0)
        return false;
    memcpy(sessions->token, digest, DIGEST_SIZE);
    for (size_t i = 0; i < FR_HTTP_SESSIONS_MAX; i++)
        sessions->list[i].number = 0;
    return true;
}

/* ---- the token ------------------------------------------------------------------- */

/* The entry of a source; NULL: it has sent no wrong token in this window. */
static struct tries *sessions_find_tries(struct fr_http_sessions *sessions, uint64_t source,
                                         int64_t now_ms)
{
    for (size_t i = 0; i < FR_HTTP_TRIES_SOURCES; i++) {
        struct tries *tries = &sessions->tries[i];

        if (tries->wrong != 0 && now_ms - tries->begun_ms >= FR_HTTP_TRIES_WINDOW_MS)
            tries->wrong = 0;
        if (tries->wrong != 0 && tries->source == source)
            return tries;
    }
    return NULL;
}

/* A full table forgets the source with the fewest wrong tokens, so that other addresses do not
 * release a source that is refused. */
static void sessions_count_mismatch(struct fr_http_sessions *sessions, struct tries *tries,
                                    uint64_t source, int64_t now_ms)
{
    struct tries *fewest = &sessions->tries[0];

    if (tries != NULL) {
        tries->wrong++;
        return;
    }
    for (size_t i = 1; i < FR_HTTP_TRIES_SOURCES; i++)
        if (sessions->tries[i].wrong < fewest->wrong)
            fewest = &sessions->tries[i];
    *fewest = (struct tries){source, 1, now_ms};
}

enum fr_http_token fr_http_sessions_try(struct fr_http_sessions *sessions, const char *text,
                                        uint64_t source, int64_t now_ms)
{
    struct tries *tries = sessions_find_tries(sessions, source, now_ms);
    unsigned char digest[DIGEST_SIZE];

    if (tries != NULL && tries->wrong >= FR_HTTP_TRIES_MAX) {
        fr_count(FR_COUNT_ADMIN_TRIES_REFUSED);
        return FR_HTTP_TOKEN_REFUSED;
    }
    if (sessions->has_token && sessions_digest(text, strlen(text), digest) &&
        CRYPTO_memcmp(digest, sessions->token, DIGEST_SIZE) == 0) {
        if (tries != NULL)
            tries->wrong = 0;
        return FR_HTTP_TOKEN_RIGHT;
    }
    sessions_count_mismatch(sessions, tries, source, now_ms);
    fr_count(FR_COUNT_ADMIN_TOKENS_WRONG);
    return FR_HTTP_TOKEN_WRONG;
}

/* ---- sessions -------------------------------------------------------------------- */

static bool sessions_is_valid(const struct session *session, int64_t now_ms)
{
    return session->number != 0 && now_ms - session->used_ms < FR_HTTP_SESSION_IDLE_MS &&
           now_ms - session->begun_ms < FR_HTTP_SESSION_MAX_MS;
}

unsigned fr_http_sessions_begin(struct fr_http_sessions *sessions, int64_t now_ms,
                                char id[FR_HTTP_SESSION_ID_SIZE])
{
    struct session *session = &sessions->list[0];
    unsigned char bytes[ID_BYTES];

    if (RAND_bytes(bytes, sizeof bytes) != 1)
        return 0;
    for (size_t i = 0; i < sizeof bytes; i++) {
        id[2 * i] = "0123456789abcdef"[bytes[i] >> 4];
        id[2 * i + 1] = "0123456789abcdef"[bytes[i] & 15];
    }
    id[2 * sizeof bytes] = '\0';
    for (size_t i = 0; i < FR_HTTP_SESSIONS_MAX; i++) {
        struct session *other = &sessions->list[i];

        if (!sessions_is_valid(other, now_ms))
            other->number = 0;
        if (session->number != 0 && (other->number == 0 || other->used_ms < session->used_ms))
            session = other;
    }
    if (++sessions->last_number == 0)
        sessions->last_number = 1;
    *session =
        (struct session){.number = sessions->last_number, .begun_ms = now_ms, .used_ms = now_ms};
    if (!sessions_digest(id, FR_HTTP_SESSION_ID_SIZE - 1, session->digest))
        session->number = 0;
    OPENSSL_cleanse(bytes, sizeof bytes);
    return session->number;
}

static unsigned sessions_find_id(struct fr_http_sessions *sessions, const char *id, int64_t now_ms)
{
    unsigned char digest[DIGEST_SIZE];

    if (!sessions_digest(id, FR_HTTP_SESSION_ID_SIZE - 1, digest))
        return 0;
    for (size_t i = 0; i < FR_HTTP_SESSIONS_MAX; i++) {
        struct session *session = &sessions->list[i];

        if (sessions_is_valid(session, now_ms) &&
            CRYPTO_memcmp(session->digest, digest, DIGEST_SIZE) == 0) {
            session->used_ms = now_ms;
            return session->number;
        }
    }
    return 0;
}

/* A header may have several cookies of one name, for example of a page on another port of this
 * host. At most 8 are tried. */
unsigned fr_http_sessions_find(struct fr_http_sessions *sessions, const char *cookies,
                               const char *name, int64_t now_ms)
{
    size_t name_len = strlen(name), len;
    unsigned number = 0, tried = 0;

    for (; cookies != NULL && cookies[0] != '\0' && number == 0 && tried < 8;
         cookies += len + (cookies[len] == ';')) {
        cookies += strspn(cookies, " \t");
        len = strcspn(cookies, ";");
        if (len == name_len + FR_HTTP_SESSION_ID_SIZE && cookies[name_len] == '=' &&
            strncmp(cookies, name, name_len) == 0) {
            number = sessions_find_id(sessions, cookies + name_len + 1, now_ms);
            tried++;
        }
    }
    return number;
}

static const struct session *sessions_by_number(const struct fr_http_sessions *sessions,
                                                unsigned number)
{
    for (size_t i = 0; i < FR_HTTP_SESSIONS_MAX && number != 0; i++)
        if (sessions->list[i].number == number)
            return &sessions->list[i];
    return NULL;
}

bool fr_http_sessions_valid(const struct fr_http_sessions *sessions, unsigned number,
                            int64_t now_ms)
{
    const struct session *session = sessions_by_number(sessions, number);

    return session != NULL && sessions_is_valid(session, now_ms);
}

void fr_http_sessions_end(struct fr_http_sessions *sessions, unsigned number)
{
    for (size_t i = 0; i < FR_HTTP_SESSIONS_MAX; i++)
        if (number != 0 && sessions->list[i].number == number)
            sessions->list[i].number = 0;
}
