#include "ingest/tls_stream.h"

#include <limits.h>
#include <openssl/bio.h>
#include <pthread.h>
#include <string.h>

static BIO_METHOD *method;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static int stream_read(BIO *bio, char *to, int len)
{
    struct fr_tls_stream *stream = BIO_get_data(bio);
    size_t n = stream->in_len < (size_t)len ? stream->in_len : (size_t)len;

    BIO_clear_retry_flags(bio);
    if (n == 0) {
        BIO_set_retry_read(bio);
        return -1;
    }
    memcpy(to, stream->in, n);
    stream->in += n;
    stream->in_len -= n;
    return (int)n;
}

static int stream_write(BIO *bio, const char *from, int len)
{
    struct fr_tls_stream *stream = BIO_get_data(bio);

    BIO_clear_retry_flags(bio);
    fr_buffer_append(stream->out, from, (size_t)len);
    return stream->out->failed ? -1 : len;
}

static long stream_ctrl(BIO *bio, int command, long number, void *pointer)
{
    (void)bio, (void)number, (void)pointer;
    return command == BIO_CTRL_FLUSH;
}

static void stream_make_method(void)
{
    method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "fleetroute worker buffers");
    if (method == NULL)
        return;
    BIO_meth_set_read(method, stream_read);
    BIO_meth_set_write(method, stream_write);
    BIO_meth_set_ctrl(method, stream_ctrl);
}

int fr_tls_stream_open(struct fr_tls_stream *stream, SSL_CTX *context, bool client)
{
    BIO *bio;

    memset(stream, 0, sizeof *stream);
    pthread_once(&once, stream_make_method);
    bio = method != NULL ? BIO_new(method) : NULL;
    if (bio == NULL)
        return -1;
    BIO_set_data(bio, stream);
    BIO_set_init(bio, 1);
    stream->ssl = SSL_new(context);
    if (stream->ssl == NULL) {
        BIO_free(bio);
        return -1;
    }
    SSL_set_bio(stream->ssl, bio, bio);
    if (client)
        SSL_set_connect_state(stream->ssl);
    else
        SSL_set_accept_state(stream->ssl);
    return 0;
}

void fr_tls_stream_close(struct fr_tls_stream *stream)
{
    SSL_free(stream->ssl);
    stream->ssl = NULL;
}
