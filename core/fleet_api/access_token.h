/*
 * What an access token of Tesla states about itself: a JSON Web Token, whose signature is not checked
 * here, because the token came from Tesla over TLS and only Tesla relies on it.
 */
#ifndef FR_ACCESS_TOKEN_H
#define FR_ACCESS_TOKEN_H

struct fr_access_claims {
    char *scopes;   /* separated by spaces; NULL: not stated */
    char *base_url; /* audience of the account's region; NULL: not stated or no base URL */
    char region[8]; /* "na", "eu", "cn"; "": not stated */
};

/* Read the claims. A token of another form has none. The caller frees them with
 * fr_access_claims_free(). Any thread. */
void fr_access_claims_read(struct fr_access_claims *claims, const char *token);
void fr_access_claims_free(struct fr_access_claims *claims);

#endif
