/* A connection from its first byte to its open WebSocket: TLS, the vehicle's identity, HTTP. */
#include <openssl/err.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <string.h>

#include "ingest/tls.h"
#include "ingest/worker.h"
#include "util/counters.h"
#include "util/log.h"
#include "util/memory.h"
#include "util/redact.h"

/* ---- TLS ------------------------------------------------------------------------- */

/* How many bytes of the first TLS record are missing; 0: none, or it is no ClientHello. */
static size_t handshake_record_missing(const struct fr_buffer *head)
{
    size_t size = 9; /* the record's head and that of the handshake message in it */

    if (head->bytes[0] != 0x16)
        return 0;
    if (head->len >= 5 && (size_t)(head->bytes[3] << 8 | head->bytes[4]) > size - 5)
        size = 5 + (size_t)(head->bytes[3] << 8 | head->bytes[4]);
    return size > 5 + FR_WORKER_FIRST_RECORD || head->len >= size ? 0 : size - head->len;
}

/* Whether the first record begins a ClientHello of more than one record's size, of which OpenSSL
 * would gather up to 128 kB, or hides its size by being too short to hold it. */
static bool handshake_hello_too_long(const struct fr_buffer *head)
{
    if (head->len < 9 || head->bytes[0] != 0x16)
        return false;
    return (head->bytes[3] == 0 && head->bytes[4] < 4) ||
           ((size_t)head->bytes[6] << 16 | (size_t)head->bytes[7] << 8 | head->bytes[8]) >
               FR_WORKER_FIRST_RECORD;
}

/* OpenSSL's state takes 45 kB, so a connection has it from its first complete TLS record on. */
int fr_handshake_begin(struct fr_connection *c)
{
    static struct fr_log_limit limit;

    fr_buffer_append(&c->head, c->tls.in, c->tls.in_len);
    if (c->head.failed)
        return -1;
    if (handshake_hello_too_long(&c->head)) {
        fr_count(FR_COUNT_HANDSHAKE_FAILED);
        fr_log_limited(&limit, FR_LOG_INFO,
                       "%s: TLS handshake failed: its ClientHello is longer than %d bytes; no "
                       "vehicle sends that",
                       c->peer, FR_WORKER_FIRST_RECORD);
        return -1;
    }
    if (handshake_record_missing(&c->head) != 0)
        return 1;
    if (fr_tls_stream_open(&c->tls, c->worker->context, 0) != 0)
        return -1;
    /* The worker's buffer has room for both: the record was incomplete before this read. */
    memcpy(c->worker->in, c->head.bytes, c->head.len);
    c->tls.in = c->worker->in;
    c->tls.in_len = c->head.len;
    fr_buffer_free(&c->head);
    return 0;
}

static void handshake_log_failure(struct fr_connection *c)
{
    static struct fr_log_limit scanners, strangers, rejections, others;
    char why[320];
    const char *class = fr_tls_failure(c->tls.ssl, why, sizeof why);
    bool scanner = strcmp(class, "no-certificate") == 0;
    bool stranger = strcmp(class, "not-trusted") == 0;
    bool rejected = strcmp(class, "rejected-us") == 0;

    fr_count(FR_COUNT_HANDSHAKE_FAILED);
    fr_log_limited(scanner    ? &scanners
                   : stranger ? &strangers
                   : rejected ? &rejections
                              : &others,
                   rejected || stranger ? FR_LOG_WARNING : FR_LOG_INFO,
                   "%s: TLS handshake failed: %s", c->peer, why);
}

/* Who is it, and is it let in? A refusal is told in the answer to its HTTP request. */
static void handshake_identify(struct fr_connection *c)
{
    static struct fr_log_limit unknown, unlisted;
    struct fr_identity identity = {.type = ""};
    struct fr_error error;
    char shown[FR_REDACTED_VIN_SIZE];

    if (fr_identity_of(SSL_get0_peer_certificate(c->tls.ssl), &identity, &error) != 0) {
        fr_count(FR_COUNT_IDENTITY_REFUSED);
        fr_log_limited(&unknown, FR_LOG_WARNING, "%s: refused: %s", c->peer, error.text);
        c->who.refusal = fr_asprintf("no identity: %s\n", error.text);
        return;
    }
    c->who.sender = fr_asprintf("%s.%s", identity.type, identity.id);
    c->who.vin = c->who.sender + strlen(identity.type) + 1;
    if (!fr_routes_admit(c->worker->routes, identity.id)) {
        fr_count(FR_COUNT_VIN_REFUSED);
        fr_log_limited(&unlisted, FR_LOG_WARNING,
                       "%s: refused: VIN %s is not under `vehicles:` in the routing file", c->peer,
                       fr_shown_vin(identity.id, shown));
        c->who.refusal = fr_strdup("this VIN is not on the list of vehicles\n");
    }
}

int fr_handshake_continue(struct fr_connection *c)
{
    int status = SSL_accept(c->tls.ssl);

    if (status == 1) {
        handshake_identify(c);
        c->state = FR_CONNECTION_UPGRADE;
        return 0;
    }
    if (SSL_get_error(c->tls.ssl, status) == SSL_ERROR_WANT_READ)
        return 1;
    handshake_log_failure(c);
    fr_connection_end(c); /* the alert is already in the buffer */
    return -1;
}

/* ---- HTTP ------------------------------------------------------------------------ */

/* Count the connection among the vehicles'. NULL, or which limit is reached. */
static const char *handshake_count(struct fr_connection *c)
{
    struct fr_worker *worker = c->worker;
    struct fr_ingest *ingest = worker->ingest;

    if (worker->free_count == 0)
        return "limits.connections";
    if (!fr_source_counts_add(ingest->sources, c->source, worker->settings.connections_per_source))
        return "limits.connections_per_source";
    if (atomic_fetch_add(&ingest->connections, 1) < worker->settings.connections)
        return NULL;
    atomic_fetch_sub(&ingest->connections, 1);
    fr_source_counts_remove(ingest->sources, c->source);
    return "limits.connections";
}

/* From the half-open connections to the vehicles'. NULL, or which limit is reached. */
static const char *handshake_take_slot(struct fr_connection *c)
{
    struct fr_worker *worker = c->worker;
    struct fr_ingest *ingest = worker->ingest;
    const char *limit = handshake_count(c);

    if (limit != NULL)
        return limit;
    fr_half_open_remove(&worker->half_open, c);
    atomic_fetch_sub(&ingest->half_open, 1);
    c->has_slot = true;
    c->slot = worker->free_slots[--worker->free_count];
    c->generation = ++worker->next_generation;
    c->link.owner = worker;
    c->link.slot = c->slot;
    c->link.generation = c->generation;
    worker->slots[c->slot] = c;
    return NULL;
}

static void handshake_refuse(struct fr_connection *c, int status, const char *text)
{
    fr_count(FR_COUNT_UPGRADE_REFUSED);
    fr_http_answer(&c->replies, status, text);
    fr_connection_end(c);
}

static void handshake_refuse_for_limit(struct fr_connection *c, const char *name)
{
    static struct fr_log_limit limit;
    char text[96], shown[FR_REDACTED_VIN_SIZE];

    fr_count(FR_COUNT_CONNECTIONS_REFUSED);
    fr_log_limited(&limit, FR_LOG_WARNING,
                   "%s (%s) refused: as many vehicles are connected as %s allows; raise it if they "
                   "are all yours",
                   fr_shown_vin(c->who.vin, shown), c->peer, name);
    snprintf(text, sizeof text, "as many vehicles are connected as %s allows\n", name);
    handshake_refuse(c, 503, text);
}

static void handshake_uuid(char uuid[37])
{
    unsigned char b[16];

    if (RAND_bytes(b, sizeof b) != 1)
        memset(b, 0, sizeof b);
    b[6] = (unsigned char)((b[6] & 0x0f) | 0x40);
    b[8] = (unsigned char)((b[8] & 0x3f) | 0x80);
    snprintf(uuid, 37, "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", b[0],
             b[1], b[2], b[3], b[4], b[5], b[6], b[7], b[8], b[9], b[10], b[11], b[12], b[13],
             b[14], b[15]);
}

/* Three short texts in one allocation: there may be a hundred thousand vehicles. */
static void handshake_remember(struct fr_connection *c, const struct fr_http_request *request,
                               const char *connection_id)
{
    size_t version = strlen(request->client_version) + 1, id = strlen(connection_id) + 1;
    char *texts = fr_asprintf("%s%c%s%c%s", request->client_version, '\0', connection_id, '\0',
                              request->network_interface);

    c->who.client_version = texts;
    c->who.connection_id = texts + version;
    c->who.network_interface = texts + version + id;
}

/* A vehicle with more connections than it may have loses its oldest. */
static void handshake_limit_vehicle(struct fr_connection *c)
{
    struct fr_presence_link oldest;
    size_t most = c->worker->settings.connections_per_vin;

    if (most != 0 && fr_presence_excess(c->worker->ingest->presence, c->present, most, &oldest))
        fr_worker_evict(oldest.owner, oldest.slot, oldest.generation);
}

static void handshake_open(struct fr_connection *c, const struct fr_http_request *request)
{
    char uuid[37], shown[FR_REDACTED_VIN_SIZE];

    handshake_uuid(uuid);
    handshake_remember(c, request, request->connection_id[0] ? request->connection_id : uuid);
    fr_http_accept(&c->replies, request->key);
    fr_buffer_free(&c->head);
    c->state = FR_CONNECTION_OPEN;
    c->deadline_ms = 0;
    fr_log(FR_LOG_DEBUG, "%s connected from %s, interface %s, client version %s (%s)",
           fr_shown_vin(c->who.vin, shown), c->peer, request->network_interface,
           request->client_version, request->user_agent);
    fr_message_connectivity(c, true);
    handshake_limit_vehicle(c);
    fr_connection_reply_later(c);
}

ssize_t fr_handshake_upgrade(struct fr_connection *c, const uint8_t *bytes, size_t len)
{
    struct fr_http_request request;
    size_t before = c->head.len, size;
    const char *full;

    fr_buffer_append(&c->head, bytes, len);
    if (!c->head.failed && !fr_http_head_may_end((const char *)c->head.bytes, c->head.len, before))
        return (ssize_t)len;
    size = fr_http_request_read((const char *)c->head.bytes, c->head.len, &request);
    if (size == 0 && !c->head.failed)
        return (ssize_t)len;
    if (request.status != 0 || c->head.failed)
        handshake_refuse(c, request.status ? request.status : 503, "the request cannot be read\n");
    else if (strcmp(request.path, "/status") == 0 && request.is_get && !request.upgrade) {
        fr_http_answer(&c->replies, 200, "mtls ok");
        fr_connection_end(c);
    } else if (c->who.refusal != NULL)
        handshake_refuse(c, 403, c->who.refusal);
    else if (!request.is_get)
        handshake_refuse(c, 405, "GET only\n");
    else if (!request.upgrade || !request.version_13 || request.key[0] == '\0')
        handshake_refuse(c, 426, "this port is for vehicles' WebSockets\n");
    else if ((full = handshake_take_slot(c)) != NULL)
        handshake_refuse_for_limit(c, full);
    else {
        handshake_open(c, &request);
        return size > before ? (ssize_t)(size - before) : 0;
    }
    return -1;
}
