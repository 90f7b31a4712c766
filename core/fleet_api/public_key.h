/*
 * The public half of the command key: its text, its file for a web server, and the check that the
 * TLS server does not use the same key.
 */
#ifndef FR_PUBLIC_KEY_H
#define FR_PUBLIC_KEY_H

#include <openssl/evp.h>

#include "config/server_types.h"
#include "util/error.h"

/* The public half as PEM ("PUBLIC KEY", uncompressed point). The caller frees the text. NULL: OpenSSL
 * failed. */
char *fr_public_key_pem(EVP_PKEY *key);

/* The SHA-256 of the public half in DER (SubjectPublicKeyInfo), in lower-case hexadecimal digits. The
 * caller frees the text. NULL: OpenSSL failed. */
char *fr_public_key_fingerprint(EVP_PKEY *key);

/* The uncompressed point of the public half in 130 lower-case hexadecimal digits, as
 * fr_api_registered_key() returns that of Tesla. The caller frees the text. NULL: `error` is set. */
char *fr_public_key_point(EVP_PKEY *key, struct fr_error *error);

/* Write `pem` to FR_PUBLIC_KEY_PATH below `folder` with mode 0644, in one step; an existing file is
 * replaced. `folder` must exist; the two folders below it are made with mode 0755. Returns the path,
 * which the caller frees, or NULL with `error` set. */
char *fr_public_key_write(const char *folder, const char *pem, struct fr_error *error);

/* Check that `path` is not the file `tls_key`, also by another name. None of the files need exist.
 * `tls_key` may be NULL. Returns 0, or -1 with `error` set. */
int fr_public_key_check_path(const char *path, const char *tls_key, struct fr_error *error);

/* Check that `key`, which was read from `path`, is not the key in the file `tls_key` nor that of the
 * first certificate in the file `certificate`. Files that are NULL or cannot be read are not
 * compared. Returns 0, or -1 with `error` set. */
int fr_public_key_check_tls(EVP_PKEY *key, const char *path, const char *tls_key,
                            const char *certificate, struct fr_error *error);

#endif
