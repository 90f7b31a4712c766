#include "ingest/without_certificate.h"

#include "ingest/connection.h"
#include "ingest/http_request.h"
#include "ingest/http_upgrade.h"
#include "ingest/limits.h"
#include "util/clock.h"
#include "util/counters.h"
#include "util/log.h"

/* ---- places ---------------------------------------------------------------------- */

static void anonymous_log_full(const struct fr_connection *c)
{
    static struct fr_log_limit limit;

    fr_log_limited(&limit, FR_LOG_INFO,
                   "%s: closed: too many clients without a certificate are connected; they are "
                   "scanners or an attack, vehicles are not affected",
                   c->peer);
}

/* The handshake of each client is done, so only its age counts. */
static enum fr_half_open_rank anonymous_rank(const void *connection, int64_t age_ms)
{
    (void)connection, (void)age_ms;
    return FR_HALF_OPEN_IDLE;
}

/* Whether there is a place, possibly after an older client has been closed for it. */
static bool anonymous_admit(struct fr_connection *c, int64_t now_ms)
{
    struct fr_worker *worker = c->worker;
    struct fr_half_open *table = &worker->without_certificate;
    struct fr_connection *victim;

    if (fr_half_open_of_source(table, c->source) >= FR_WITHOUT_CERTIFICATE_PER_SOURCE) {
        victim = fr_half_open_victim(table, &c->source, now_ms, anonymous_rank);
        if (victim == NULL)
            return false;
        fr_connection_free(victim);
    }
    if (fr_limits_take_place(c, now_ms))
        return true;
    victim = fr_half_open_victim(table, NULL, now_ms, anonymous_rank);
    if (victim == NULL)
        return false;
    fr_connection_free(victim);
    return fr_limits_take_place(c, now_ms);
}

int fr_without_certificate_begin(struct fr_connection *c)
{
    int64_t now = fr_monotonic_ms();

    if (!anonymous_admit(c, now)) {
        fr_count(FR_COUNT_WITHOUT_CERTIFICATE_REFUSED);
        anonymous_log_full(c);
        return -1;
    }
    c->state = FR_CONNECTION_WITHOUT_CERTIFICATE;
    c->deadline_ms = now + FR_WITHOUT_CERTIFICATE_MS;
    return 0;
}

/* ---- the request ----------------------------------------------------------------- */

/* A vehicle opens a WebSocket. It sends no certificate if its CA is not among the names that the
 * server sends, and a proxy that terminates TLS has no certificate of the vehicle to send. */
static void anonymous_log_refusal(const struct fr_connection *c,
                                  const struct fr_http_request *request)
{
    static struct fr_log_limit vehicle, other;

    if (request->status == 0 && request->upgrade)
        fr_log_limited(&vehicle, FR_LOG_WARNING,
                       "%s: 401: the peer sent no client certificate and asked for a WebSocket: a "
                       "proxy terminates TLS in front of the daemon, or this is a vehicle whose CA "
                       "tls.vehicle_ca lacks",
                       c->peer);
    else
        fr_log_limited(&other, FR_LOG_INFO,
                       "%s: 401: the peer sent no client certificate and did not ask for the "
                       "public key: a scanner",
                       c->peer);
}

static void anonymous_log_missing_key(const struct fr_connection *c)
{
    static struct fr_log_limit limit;

    fr_log_limited(
        &limit, FR_LOG_WARNING,
        "%s: 404: the public key was requested, and there is none; run `fleetroute key`, "
        "or correct `tls: public_key:`",
        c->peer);
}

static bool anonymous_wants_key(const struct fr_http_request *request)
{
    return request->status == 0 && request->is_public_key && !request->is_http_1_0 &&
           (request->is_get || request->is_head) && !request->has_content;
}

static void anonymous_answer(struct fr_connection *c, const struct fr_http_request *request)
{
    const char *key = c->worker->settings.public_key;
    int64_t deadline_ms = c->deadline_ms;

    if (!anonymous_wants_key(request)) {
        anonymous_log_refusal(c, request);
        fr_http_answer(&c->replies, 401, "a client certificate is required\n", request->is_head);
    } else if (key == NULL) {
        anonymous_log_missing_key(c);
        fr_http_answer(&c->replies, 404, "no public key is configured here\n", request->is_head);
    } else {
        c->key_served = true;
        fr_http_answer(&c->replies, 200, key, request->is_head);
    }
    fr_connection_end(c);
    if (c->deadline_ms > deadline_ms)
        c->deadline_ms = deadline_ms;
}

int fr_without_certificate_receive(struct fr_connection *c, const uint8_t *bytes, size_t len)
{
    struct fr_http_request request = {.status = 431};
    size_t before = c->head.len, capacity = FR_WITHOUT_CERTIFICATE_HEAD_MAX - before;

    fr_buffer_append(&c->head, bytes, len < capacity ? len : capacity);
    if (!c->head.failed && fr_http_head_may_end((char *)c->head.bytes, c->head.len, before))
        fr_http_request_read((char *)c->head.bytes, c->head.len, &request);
    else if (!c->head.failed && c->head.len < FR_WITHOUT_CERTIFICATE_HEAD_MAX)
        return 0;
    anonymous_answer(c, &request);
    return -1;
}
