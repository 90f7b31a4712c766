/*
 * Signs telemetry configurations: a JSON Web Signature with Tesla's algorithm "Tesla.SS256", a
 * Schnorr signature over P-256 with a deterministic nonce (RFC 6979). Source of the format: Tesla's
 * vehicle-command, internal/schnorr and internal/authentication; vectors in tests/vectors/jws.
 */
#ifndef FR_JWS_H
#define FR_JWS_H

#include <openssl/evp.h>
#include <stddef.h>

#include "util/error.h"

/* Audience of a token for all vehicles of the owner. */
#define FR_JWS_AUDIENCE_FLEET "com.tesla.fleet.TelemetryClient"

/* The public half as the claim `iss`: base64, with padding, of the 65 bytes of the uncompressed
 * point. The caller frees the text. NULL: `error` is set. Any thread. */
char *fr_jws_issuer(EVP_PKEY *key, struct fr_error *error);

/* Sign `payload` (JSON, `len` bytes, used as it is) with a P-256 key. Returns the compact form
 * header.payload.signature, which the caller frees, or NULL with `error` set. Any thread. */
char *fr_jws_sign(EVP_PKEY *key, const char *payload, size_t len, struct fr_error *error);

/* Sign a telemetry configuration: `config` is its JSON object (the inner object, NUL-terminated), to
 * which the claims `iss` and `aud` (`audience`) are added. Keys are sorted. Result as above. */
char *fr_jws_sign_config(EVP_PKEY *key, const char *config, const char *audience,
                         struct fr_error *error);

#endif
