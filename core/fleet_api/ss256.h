/*
 * Tesla's signature "Tesla.SS256": Schnorr over P-256 with SHA-256 and a deterministic nonce. Source
 * of the format: Tesla's vehicle-command, internal/schnorr; RFC 6979 for the nonce. Vectors in
 * tests/vectors/jws.
 */
#ifndef FR_SS256_H
#define FR_SS256_H

#include <openssl/evp.h>
#include <stddef.h>

#include "util/error.h"

#define FR_SS256_POINT_BYTES 65     /* uncompressed point: 4, x, y */
#define FR_SS256_SIGNATURE_BYTES 96 /* V.x, V.y, r */

/* The public half of a P-256 key as an uncompressed point. Returns 0, or -1 with `error` set; the
 * message names the kind of another key. Any thread. */
int fr_ss256_public(EVP_PKEY *key, unsigned char point[FR_SS256_POINT_BYTES],
                    struct fr_error *error);

/* Sign `len` bytes with a private P-256 key. The time does not depend on the private key. Returns 0,
 * or -1 with `error` set. Any thread. */
int fr_ss256_sign(EVP_PKEY *key, const void *input, size_t len,
                  unsigned char signature[FR_SS256_SIGNATURE_BYTES], struct fr_error *error);

#endif
