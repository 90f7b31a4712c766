#include "ingest/connection_write.h"

#include <errno.h>
#include <openssl/err.h>
#include <sys/socket.h>

#include "util/counters.h"

bool fr_connection_paused(const struct fr_connection *c)
{
    return c->worker->paused || c->unacknowledged >= c->worker->settings.unacknowledged;
}

void fr_connection_update_events(struct fr_connection *c)
{
    bool read = !c->queued && (c->state != FR_CONNECTION_OPEN ||
                               (!fr_connection_paused(c) && c->unsent.len < FR_UNSENT_MAX));
    bool write = c->unsent.len != 0;
    short events = (short)(EV_PERSIST | (read ? EV_READ : 0) | (write ? EV_WRITE : 0));

    if (read == c->reading && write == c->writing)
        return;
    if (c->reading || c->writing)
        event_del(&c->event);
    c->reading = read;
    c->writing = write;
    if (!read && !write)
        return;
    event_assign(&c->event, c->worker->base, c->fd, events, c->worker->connection_ready, c);
    event_add(&c->event, NULL);
}

int fr_connection_encrypt(struct fr_connection *c, const uint8_t *bytes, size_t len)
{
    while (len > 0) {
        size_t n;

        c->tls.out = &c->worker->out;
        if (SSL_write_ex(c->tls.ssl, bytes, len, &n) != 1) {
            ERR_clear_error();
            return -1;
        }
        bytes += n;
        len -= n;
    }
    return 0;
}

int fr_connection_write_out(struct fr_connection *c)
{
    struct fr_buffer *out = &c->worker->out;
    size_t done = 0;
    int status = 0;

    if (out->failed)
        status = -1;
    if (c->unsent.len == 0) {
        while (status == 0 && done < out->len) {
            ssize_t n = send(c->fd, out->bytes + done, out->len - done, MSG_NOSIGNAL);

            if (n > 0)
                done += (size_t)n;
            else if (errno == EAGAIN)
                break;
            else if (errno != EINTR) {
                fr_count(FR_COUNT_WRITE_ERRORS);
                status = -1;
            }
        }
    }
    if (status == 0 && done < out->len)
        fr_buffer_append(&c->unsent, out->bytes + done, out->len - done);
    fr_buffer_clear(out);
    if (c->unsent.failed)
        status = -1;
    if (status == 0)
        fr_connection_update_events(c);
    return status;
}

int fr_connection_write_unsent(struct fr_connection *c)
{
    ssize_t n = send(c->fd, c->unsent.bytes, c->unsent.len, MSG_NOSIGNAL);

    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return 0;
    if (n < 0) {
        fr_count(FR_COUNT_WRITE_ERRORS);
        return -1;
    }
    c->heard = true; /* there is capacity because the peer has acknowledged earlier bytes */
    fr_buffer_drop(&c->unsent, (size_t)n);
    if (c->unsent.len == 0)
        fr_buffer_free(&c->unsent);
    fr_connection_update_events(c);
    return 0;
}

int fr_connection_write_replies(struct fr_connection *c)
{
    int status = 0;

    if (c->replies.failed || fr_connection_encrypt(c, c->replies.bytes, c->replies.len) != 0 ||
        fr_connection_write_out(c) != 0)
        status = -1;
    fr_buffer_free(&c->replies);
    return status;
}

void fr_connection_reply_later(struct fr_connection *c)
{
    if (c->dirty)
        return;
    c->dirty = true;
    c->next_dirty = c->worker->dirty;
    c->worker->dirty = c;
}
