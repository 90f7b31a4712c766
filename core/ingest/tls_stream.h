/*
 * tls_stream.h - OpenSSL without sockets.
 *
 * A worker reads a socket once into its own buffer and lets OpenSSL eat from there; what
 * OpenSSL writes is gathered in a buffer that the worker writes once. So a connection owns
 * no I/O buffer, and a batch of messages costs one read(2) and one write(2).
 */
#ifndef FR_TLS_STREAM_H
#define FR_TLS_STREAM_H

#include <openssl/ssl.h>
#include <stddef.h>
#include <stdint.h>

#include "util/buffer.h"

struct fr_tls_stream {
    SSL *ssl;
    const uint8_t *in; /* ciphertext that OpenSSL has yet to read; the worker's */
    size_t in_len;
    struct fr_buffer *out; /* where ciphertext goes; the worker's */
};

/* Set up the stream. role: 0 server, 1 client. -1: no memory. */
int fr_tls_stream_open(struct fr_tls_stream *stream, SSL_CTX *context, int client);

/* Free it. */
void fr_tls_stream_close(struct fr_tls_stream *stream);

#endif
