/*
 * The owner's tokens in FOLDER/tokens.json, mode 0600. A refresh token is used once: the new one is
 * on disk before the old one is dropped. All commands that change tokens or state hold the lock.
 */
#ifndef FR_TOKENS_H
#define FR_TOKENS_H

#include <stdint.h>

#include "util/error.h"

/* Validity of a refresh token that is not used (Tesla: three months), in ms. */
#define FR_TOKENS_REFRESH_LIFE_MS (INT64_C(90) * 24 * 3600 * 1000)
/* Validity of a refresh token after its first use, in ms. */
#define FR_TOKENS_GRACE_MS (INT64_C(24) * 3600 * 1000)

struct fr_tokens {
    char *access;              /* secret; NULL: none */
    char *refresh;             /* secret; NULL: none */
    char *refresh_previous;    /* secret; the last one used; NULL: none */
    int64_t previous_until_ms; /* Tesla accepts it until then, ms since 1970 */
    int64_t access_expires_ms; /* ms since 1970 */
    int64_t refresh_issued_ms; /* when `refresh` was received, ms since 1970 */
    char *base_url;            /* Fleet API of the account's region; NULL: unknown */
    char *scopes;              /* granted, separated by spaces; NULL: unknown */
    char *client_id;           /* for which they were issued; NULL: unknown */
};

enum fr_tokens_result { FR_TOKENS_READ, FR_TOKENS_MISSING, FR_TOKENS_REFUSED };

/* Read the tokens of a folder. The file must have access for its owner alone and belong to root or
 * this user. FR_TOKENS_REFUSED: `error` is set; never with content of the file. A previous refresh
 * token is dropped when its time is over. The caller frees the tokens with fr_tokens_free(). */
enum fr_tokens_result fr_tokens_read(const char *folder, struct fr_tokens *tokens,
                                     struct fr_error *error);

/* Write the tokens in one step. The old file stays whole if it fails. A missing folder is made with
 * mode 0750. The lock must be held. Returns 0, or -1 with `error` set. */
int fr_tokens_write(const char *folder, const struct fr_tokens *tokens, struct fr_error *error);

/* Replace access and refresh token by new ones, which are copied. The refresh token so far becomes
 * the previous one for FR_TOKENS_GRACE_MS. `refresh` NULL: it stays. */
void fr_tokens_replace(struct fr_tokens *tokens, const char *access, int64_t access_expires_ms,
                       const char *refresh, int64_t now_ms);

/* Remove the tokens, after consent was revoked. Returns 0, or -1 with `error` set. */
int fr_tokens_remove(const char *folder, struct fr_error *error);

/* Erases and frees the members. */
void fr_tokens_free(struct fr_tokens *tokens);

/* Lock the folder (flock(2) on FOLDER/lock), waiting max `wait_ms`, and remove the unfinished files of
 * killed processes, which can have tokens. Returns a descriptor, which
 * fr_tokens_unlock() closes, or -1 with `error` set; the message names the process that holds it. */
int fr_tokens_lock(const char *folder, int64_t wait_ms, struct fr_error *error);
void fr_tokens_unlock(int lock);

#endif
