/*
 * published_key.h - the public half of the command key, which the vehicles' listener serves to
 * clients without a certificate.
 *
 * Only a public key can be published: the file is parsed, and its key is written as PEM again. Main
 * thread, except that a key may be read by any thread while it exists.
 */
#ifndef FR_PUBLISHED_KEY_H
#define FR_PUBLISHED_KEY_H

#include "util/error.h"

/* Max bytes of the file. */
#define FR_PUBLISHED_KEY_MAX 4096

struct fr_published_key {
    char *pem;
    char *sha256; /* of the public key in DER, in hexadecimal digits */
};

/* Read a public key: PEM ("PUBLIC KEY"), P-256. Returns 0, with *key NULL if there is no such file;
 * the caller frees it. -1: the file is no public key, or cannot be read; *key is NULL, and the cause
 * is in *error. */
int fr_published_key_read(const char *path, struct fr_published_key **key, struct fr_error *error);

/* NULL is ignored. */
void fr_published_key_free(struct fr_published_key *key);

#endif
