/*
 * OpenSSL without sockets: a BIO on memory of the caller.
 *
 * A worker reads a socket once into its own buffer, from which OpenSSL takes the ciphertext.
 * OpenSSL appends what it writes to a buffer that the worker sends at once. So a connection owns no
 * I/O buffer, and a batch of messages costs one recv(2) and one send(2).
 */
#ifndef FR_TLS_STREAM_H
#define FR_TLS_STREAM_H

#include <openssl/ssl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/buffer.h"

/* A stream must stay at its address while it is open. It belongs to one thread. */
struct fr_tls_stream {
    SSL *ssl;
    const uint8_t *in; /* ciphertext that OpenSSL has yet to read; owned by the caller */
    size_t in_len;
    struct fr_buffer *out; /* receives ciphertext; set by the caller before OpenSSL writes */
};

/* Initialize the stream for the client's or the server's side. -1: out of memory. */
int fr_tls_stream_open(struct fr_tls_stream *stream, SSL_CTX *context, bool client);

/* Free the SSL object; no effect on a zeroed or closed stream. */
void fr_tls_stream_close(struct fr_tls_stream *stream);

#endif
