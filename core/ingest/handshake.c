#include "ingest/handshake.h"

#include <assert.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "ingest/connection.h"
#include "ingest/connection_log.h"
#include "ingest/connection_write.h"
#include "ingest/connectivity.h"
#include "ingest/http_request.h"
#include "ingest/http_upgrade.h"
#include "ingest/identity.h"
#include "ingest/inbox.h"
#include "ingest/limits.h"
#include "ingest/tls.h"
#include "ingest/tls_release.h"
#include "ingest/without_certificate.h"
#include "util/counters.h"
#include "util/log.h"
#include "util/memory.h"
#include "util/redact.h"
#include "util/utf8.h"

/* ---- TLS ------------------------------------------------------------------------- */

#define TLS_RECORD_HEAD 5        /* bytes: type, version, length */
#define TLS_CONTENT_HANDSHAKE 22 /* type of a record with handshake messages (RFC 8446, 5.1) */

/* The number of bytes of the first TLS record that are missing; 0: none, or the bytes are not a
 * handshake record of at most FR_WORKER_FIRST_RECORD bytes, which OpenSSL then rejects. */
static size_t handshake_record_missing(const struct fr_buffer *head)
{
    size_t size = TLS_RECORD_HEAD + 4; /* up to the length of the handshake message */

    if (head->bytes[0] != TLS_CONTENT_HANDSHAKE)
        return 0;
    if (head->len >= TLS_RECORD_HEAD) {
        size_t content = (size_t)(head->bytes[3] << 8 | head->bytes[4]);

        if (content > size - TLS_RECORD_HEAD)
            size = TLS_RECORD_HEAD + content;
    }
    return size > TLS_RECORD_HEAD + FR_WORKER_FIRST_RECORD || head->len >= size ? 0
                                                                                : size - head->len;
}

/* Whether the first record begins a ClientHello larger than one record, for which OpenSSL would
 * buffer up to 128 kB, or is too short to hold the length of its ClientHello. */
static bool handshake_hello_too_long(const struct fr_buffer *head)
{
    if (head->len < TLS_RECORD_HEAD + 4 || head->bytes[0] != TLS_CONTENT_HANDSHAKE)
        return false;
    return (head->bytes[3] == 0 && head->bytes[4] < 4) ||
           ((size_t)head->bytes[6] << 16 | (size_t)head->bytes[7] << 8 | head->bytes[8]) >
               FR_WORKER_FIRST_RECORD;
}

/* Whether the peer has closed the connection since it sent the ClientHello that is read now: a
 * vehicle that waited longer than its own time limit has, and its handshake would be lost work. The
 * wait, which began in the kernel's queue, is noted for the worker's report. */
static bool handshake_peer_left(struct fr_connection *c)
{
    struct fr_handshake_queue *queue = &c->worker->handshakes;
    struct tcp_info info = {0};
    socklen_t len = sizeof info;

    if (getsockopt(c->fd, IPPROTO_TCP, TCP_INFO, &info, &len) != 0)
        return false;
    if (info.tcpi_last_data_recv > queue->longest_ms)
        queue->longest_ms = info.tcpi_last_data_recv;
    return info.tcpi_state == TCP_CLOSE_WAIT || info.tcpi_state == TCP_CLOSE;
}

/* OpenSSL's state takes 45 kB, so it is created only when the first TLS record is complete. */
enum fr_handshake_status fr_handshake_begin(struct fr_connection *c)
{
    static struct fr_log_limit limit;

    fr_buffer_append(&c->head, c->tls.in, c->tls.in_len);
    if (c->head.failed)
        return FR_HANDSHAKE_BROKEN;
    if (handshake_hello_too_long(&c->head)) {
        fr_count(FR_COUNT_HANDSHAKE_FAILED);
        fr_log_limited(
            &limit, FR_LOG_INFO,
            "%s: TLS handshake failed: its ClientHello is longer than %d bytes, which no "
            "vehicle sends",
            c->peer, FR_WORKER_FIRST_RECORD);
        return FR_HANDSHAKE_BROKEN;
    }
    if (handshake_record_missing(&c->head) != 0)
        return FR_HANDSHAKE_INCOMPLETE;
    if (handshake_peer_left(c)) {
        fr_count(FR_COUNT_HANDSHAKE_LEFT);
        return FR_HANDSHAKE_BROKEN;
    }
    if (fr_tls_stream_open(&c->tls, c->worker->context, false) != 0)
        return FR_HANDSHAKE_BROKEN;
    /* The worker's buffer has capacity for both: the record was incomplete before this read. */
    assert(c->head.len <= FR_WORKER_READ_SIZE + FR_WORKER_FIRST_RECORD + TLS_RECORD_HEAD + 4);
    memcpy(c->worker->in, c->head.bytes, c->head.len);
    c->tls.in = c->worker->in;
    c->tls.in_len = c->head.len;
    fr_buffer_free(&c->head);
    return FR_HANDSHAKE_DONE;
}

static void handshake_log_failure(struct fr_connection *c)
{
    static struct fr_log_limit limits[FR_TLS_FAILURE_CLASSES];
    char why[448];
    enum fr_tls_failure_class class = fr_tls_describe_failure(c->tls.ssl, why, sizeof why);
    bool vehicle = class == FR_TLS_FAILURE_NOT_TRUSTED || class == FR_TLS_FAILURE_REJECTED_SERVER;

    fr_count(FR_COUNT_HANDSHAKE_FAILED);
    fr_log_limited(&limits[class], vehicle ? FR_LOG_WARNING : FR_LOG_INFO,
                   "%s: TLS handshake failed: %s", c->peer, why);
}

/* Set the identity from the client certificate. A peer that is not admitted gets the reason as the
 * response to its HTTP request. -1: out of memory. */
static int handshake_identify(struct fr_connection *c)
{
    X509 *leaf = SSL_get0_peer_certificate(c->tls.ssl);
    static struct fr_log_limit unknown, unlisted;
    struct fr_identity identity = {.type = ""};
    struct fr_error error;
    char vin[FR_REDACTED_VIN_SIZE];

    if (fr_identity_of(leaf, &identity, &error) != 0) {
        fr_count(FR_COUNT_IDENTITY_REFUSED);
        fr_log_limited(&unknown, FR_LOG_WARNING, "%s: refused: %s", c->peer, error.text);
        c->identity.refusal = fr_asprintf("no identity: %s\n", error.text);
        return 0;
    }
    c->identity.certificate = fr_certificate_id_new(leaf);
    if (c->identity.certificate == NULL)
        return -1;
    c->identity.sender = fr_asprintf("%s.%s", identity.type, identity.id);
    c->identity.vin = c->identity.sender + strlen(identity.type) + 1;
    if (!fr_routes_admit(c->worker->routes, identity.id)) {
        fr_count(FR_COUNT_VIN_REFUSED);
        fr_log_limited(&unlisted, FR_LOG_WARNING,
                       "%s: refused: VIN %s is not under `vehicles:` in the routing file", c->peer,
                       fr_display_vin(identity.id, vin));
        c->identity.refusal = fr_strdup("this VIN is not on the list of vehicles\n");
    }
    return 0;
}

enum fr_handshake_status fr_handshake_continue(struct fr_connection *c)
{
    int status;

    c->tls.out = &c->worker->out;
    ERR_clear_error(); /* SSL_get_error() reads the error queue of this thread */
    status = SSL_accept(c->tls.ssl);
    if (status == 1 && SSL_get0_peer_certificate(c->tls.ssl) == NULL)
        return fr_without_certificate_begin(c) == 0 ? FR_HANDSHAKE_DONE : FR_HANDSHAKE_BROKEN;
    if (status == 1) {
        if (handshake_identify(c) != 0)
            return FR_HANDSHAKE_BROKEN;
        fr_tls_release_handshake(c->tls.ssl);
        c->state = FR_CONNECTION_UPGRADE;
        return FR_HANDSHAKE_DONE;
    }
    if (SSL_get_error(c->tls.ssl, status) == SSL_ERROR_WANT_READ)
        return FR_HANDSHAKE_INCOMPLETE;
    handshake_log_failure(c);
    fr_connection_end(c); /* sends the alert that OpenSSL has written to `out` */
    return FR_HANDSHAKE_CLOSING;
}

/* ---- HTTP ------------------------------------------------------------------------ */

static void handshake_answer_and_end(struct fr_connection *c, const struct fr_http_request *request,
                                     int status, const char *text)
{
    if (status != 200)
        fr_count(FR_COUNT_UPGRADE_REFUSED);
    fr_http_answer(&c->replies, status, text, request->is_head);
    fr_connection_end(c);
}

static void handshake_refuse_for_limit(struct fr_connection *c,
                                       const struct fr_http_request *request, const char *name)
{
    static struct fr_log_limit limit;
    char text[96], vin[FR_REDACTED_VIN_SIZE];

    fr_count(FR_COUNT_CONNECTIONS_REFUSED);
    fr_log_limited(&limit, FR_LOG_WARNING,
                   "%s (%s) refused: as many vehicles are connected as %s allows; raise this limit "
                   "if all of them are yours",
                   fr_display_vin(c->identity.vin, vin), c->peer, name);
    snprintf(text, sizeof text, "as many vehicles are connected as %s allows\n", name);
    handshake_answer_and_end(c, request, 503, text);
}

/* Write a random UUID (version 4) and its NUL. False: OpenSSL has no random bytes. */
static bool handshake_make_uuid(char uuid[37])
{
    unsigned char b[16];

    if (RAND_bytes(b, sizeof b) != 1)
        return false;
    b[6] = (unsigned char)((b[6] & 0x0f) | 0x40);
    b[8] = (unsigned char)((b[8] & 0x3f) | 0x80);
    snprintf(uuid, 37, "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", b[0],
             b[1], b[2], b[3], b[4], b[5], b[6], b[7], b[8], b[9], b[10], b[11], b[12], b[13],
             b[14], b[15]);
    return true;
}

static void handshake_refuse_without_uuid(struct fr_connection *c,
                                          const struct fr_http_request *request)
{
    static struct fr_log_limit limit;

    fr_log_limited(&limit, FR_LOG_ERROR,
                   "%s refused: OpenSSL has no random bytes for the id of the connection; restart "
                   "fleetrouted",
                   c->peer);
    handshake_answer_and_end(c, request, 503, "no random bytes\n");
}

/* Append a text; bytes that are not UTF-8 become '?', because protobuf texts are UTF-8. */
static void handshake_append_utf8(struct fr_buffer *out, const char *text)
{
    size_t left = strlen(text);

    while (left > 0) {
        size_t n = fr_utf8_length((const uint8_t *)text, left);

        fr_buffer_append(out, n != 0 ? text : "?", n != 0 ? n : 1);
        text += n != 0 ? n : 1;
        left -= n != 0 ? n : 1;
    }
    fr_buffer_byte(out, '\0');
}

/* The three texts share one allocation to save memory: 100,000 vehicles may be connected. */
static int handshake_store_texts(struct fr_connection *c, const struct fr_http_request *request,
                                 const char *connection_id)
{
    size_t version = strlen(request->client_version) + 1, id = strlen(connection_id) + 1;
    struct fr_buffer *texts = &c->worker->scratch;

    fr_buffer_clear(texts);
    fr_buffer_append(texts, request->client_version, version);
    fr_buffer_append(texts, connection_id, id);
    handshake_append_utf8(texts, request->network_interface);
    if (texts->failed)
        return -1;
    c->identity.client_version = malloc(texts->len);
    if (c->identity.client_version == NULL)
        return -1;
    memcpy(c->identity.client_version, texts->bytes, texts->len);
    c->identity.connection_id = c->identity.client_version + version;
    c->identity.network_interface = c->identity.connection_id + id;
    return 0;
}

/* Evict the vehicle's oldest connection, of any worker, if it has more than
 * limits.connections_per_vin. */
static void handshake_limit_vehicle(struct fr_connection *c)
{
    struct fr_presence_link oldest;
    size_t max = c->worker->settings.connections_per_vin;
    struct fr_worker *owner;

    if (max == 0 || !fr_presence_excess(c->worker->ingest->presence, c->vehicle, max, &oldest))
        return;
    owner = oldest.owner;
    fr_inbox_evict(&owner->inbox, (struct fr_connection_id){oldest.slot, oldest.generation});
}

/* -1: out of memory. */
static int handshake_open(struct fr_connection *c, const struct fr_http_request *request,
                          const char *uuid)
{
    if (handshake_store_texts(c, request,
                              request->connection_id[0] ? request->connection_id : uuid))
        return -1;
    fr_http_accept(&c->replies, request->key);
    fr_connection_log_opened(c, request->user_agent);
    fr_buffer_free(&c->head); /* the texts of *request were in it */
    c->state = FR_CONNECTION_OPEN;
    c->deadline_ms = 0;
    c->heard = true;
    fr_connectivity_opened(c);
    handshake_limit_vehicle(c);
    fr_connection_reply_later(c);
    return 0;
}

/* The status to refuse a well-formed request with, and the reason; 0: its WebSocket may be opened. */
static int handshake_judge(const struct fr_connection *c, const struct fr_http_request *request,
                           bool bytes_follow, const char **why)
{
    if (request->status != 0)
        return *why = "the request cannot be read\n", request->status;
    if (request->is_status)
        return *why = "mtls ok", 200;
    if (c->identity.refusal != NULL)
        return *why = c->identity.refusal, 403;
    if (!request->is_get)
        return *why = "GET only\n", 405;
    if (!request->upgrade || !request->version_13)
        return *why = "this port is for vehicles' WebSockets, version 13\n", 426;
    if (request->key[0] == '\0')
        return *why = "Sec-WebSocket-Key must be 16 bytes in base64\n", 400;
    if (request->is_http_1_0)
        return *why = "a WebSocket needs HTTP/1.1\n", 400;
    if (request->has_content && bytes_follow)
        return *why = "a WebSocket request has no content\n", 400;
    return 0;
}

/* Answer a complete request. -1: the connection is closing; 0: its WebSocket is open. */
static int handshake_answer(struct fr_connection *c, const struct fr_http_request *request,
                            bool bytes_follow)
{
    const char *why;
    char uuid[37];
    int status = handshake_judge(c, request, bytes_follow, &why);

    if (status != 0)
        handshake_answer_and_end(c, request, status, why);
    else if (!handshake_make_uuid(uuid))
        handshake_refuse_without_uuid(c, request);
    else if ((why = fr_limits_take_slot(c)) != NULL)
        handshake_refuse_for_limit(c, request, why);
    else if (handshake_open(c, request, uuid) != 0)
        handshake_answer_and_end(c, request, 503, "out of memory\n");
    else
        return 0;
    return -1;
}

ssize_t fr_handshake_upgrade(struct fr_connection *c, const uint8_t *bytes, size_t len)
{
    struct fr_http_request request = {.status = 503};
    size_t before = c->head.len, size;

    fr_buffer_append(&c->head, bytes, len);
    if (c->head.failed) {
        handshake_answer_and_end(c, &request, 503, "out of memory\n");
        return -1;
    }
    if (!fr_http_head_may_end((const char *)c->head.bytes, c->head.len, before))
        return (ssize_t)len;
    size = fr_http_request_read((char *)c->head.bytes, c->head.len, &request);
    if (size == 0)
        return (ssize_t)len;
    if (handshake_answer(c, &request, size < c->head.len) != 0)
        return -1;
    return size > before ? (ssize_t)(size - before) : 0;
}
