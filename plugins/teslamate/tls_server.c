#include "teslamate/tls_server.h"

#include <errno.h>
#include <event2/bufferevent_ssl.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "util/file_remedy.h"
#include "util/no_passphrase.h"

/* What changes when a file is replaced or written. */
struct file_mark {
    uint64_t device, inode, size;
    struct timespec changed;
};

struct tls_server {
    const char *certificate, *key;
    SSL_CTX *context; /* NULL: none was read */
    struct file_mark marks[2];
    char why[320]; /* of the last attempt; "": it succeeded */
};

struct tls_server *tls_server_new(const char *certificate, const char *key)
{
    struct tls_server *tls = calloc(1, sizeof *tls);

    if (tls != NULL) {
        tls->certificate = certificate;
        tls->key = key;
    }
    return tls;
}

void tls_server_free(struct tls_server *tls)
{
    if (tls == NULL)
        return;
    SSL_CTX_free(tls->context);
    free(tls);
}

bool tls_server_is_ready(const struct tls_server *tls)
{
    return tls->context != NULL;
}

/* ---- reading --------------------------------------------------------------------- */

static const char *tls_server_reason(void)
{
    unsigned long code = ERR_peek_last_error();
    const char *reason = code != 0 ? ERR_reason_error_string(code) : NULL;

    ERR_clear_error();
    return reason != NULL ? reason : "unknown reason";
}

static SSL_CTX *tls_server_load(const struct tls_server *tls, char *why, size_t why_size)
{
    SSL_CTX *context;
    const char *failed = "TLS";

    ERR_clear_error();
    context = SSL_CTX_new(TLS_server_method());
    if (context != NULL) {
        SSL_CTX_set_default_passwd_cb(context, fr_no_passphrase);
        SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
        SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
        SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_TICKET);
        SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS);
        failed = SSL_CTX_use_certificate_chain_file(context, tls->certificate) != 1
                     ? tls->certificate
                 : SSL_CTX_use_PrivateKey_file(context, tls->key, SSL_FILETYPE_PEM) != 1 ||
                         SSL_CTX_check_private_key(context) != 1
                     ? tls->key
                     : NULL;
    }
    if (failed == NULL)
        return context;
    snprintf(why, why_size, "%.200s: %s (it must be PEM, and `key:` the key of `certificate:`)",
             failed, tls_server_reason());
    SSL_CTX_free(context);
    return NULL;
}

static bool tls_server_look(const char *path, struct file_mark *mark, char *why, size_t why_size)
{
    struct stat st;

    memset(mark, 0, sizeof *mark);
    if (stat(path, &st) != 0) {
        snprintf(why, why_size, "%.200s: %s (%s)", path, strerror(errno), fr_file_remedy(errno));
        return false;
    }
    if (!S_ISREG(st.st_mode)) { /* to open a FIFO would block the thread */
        snprintf(why, why_size, "%.200s is not a regular file", path);
        return false;
    }
    mark->device = st.st_dev;
    mark->inode = st.st_ino;
    mark->size = (uint64_t)st.st_size;
    mark->changed = st.st_ctim;
    return true;
}

bool tls_server_refresh(struct tls_server *tls, char *why, size_t why_size)
{
    struct file_mark marks[2];
    SSL_CTX *context;

    if (!tls_server_look(tls->certificate, &marks[0], why, why_size) ||
        !tls_server_look(tls->key, &marks[1], why, why_size))
        return false;
    if (memcmp(marks, tls->marks, sizeof marks) == 0) {
        snprintf(why, why_size, "%s", tls->why);
        return tls->why[0] == '\0';
    }
    memcpy(tls->marks, marks, sizeof marks);
    tls->why[0] = '\0';
    context = tls_server_load(tls, tls->why, sizeof tls->why);
    snprintf(why, why_size, "%s", tls->why);
    if (context == NULL)
        return false;
    SSL_CTX_free(tls->context);
    tls->context = context;
    return true;
}

/* ---- connections ----------------------------------------------------------------- */

struct bufferevent *tls_server_accept(struct tls_server *tls, struct event_base *base, int fd)
{
    SSL *ssl = SSL_new(tls->context);
    struct bufferevent *socket;

    if (ssl == NULL)
        return NULL;
    socket = bufferevent_openssl_socket_new(base, fd, ssl, BUFFEREVENT_SSL_ACCEPTING,
                                            BEV_OPT_CLOSE_ON_FREE | BEV_OPT_DEFER_CALLBACKS);
    if (socket == NULL)
        SSL_free(ssl);
    else
        bufferevent_openssl_set_allow_dirty_shutdown(socket, 1);
    return socket;
}
