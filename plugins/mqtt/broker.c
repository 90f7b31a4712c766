#include "mqtt/broker.h"

#include <errno.h>
#include <event2/event.h>
#include <mosquitto.h>
#include <mqtt_protocol.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "clock_ms.h"
#include "mqtt/client_id.h"
#include "mqtt/in_flight.h"
#include "mqtt/suspect.h"
#include "text_buffer.h"

#define RETRY_LEAST_MS 500
#define RETRY_MOST_MS 4000
#define MISC_MS 1000
#define CONFIRM_MS 60000 /* a broker that confirms nothing for so long is given up */
#define SHORT_MS 5000    /* a connection that was lost sooner was hardly of use */
#define SHORT_MAX 3      /* so many in a row: another client may have our id */
#define PASSWORD_MOST 512
#define PAYLOAD_MAX 268435455 /* MQTT's own limit */

struct broker {
    struct fr_sink *sink;
    const struct fr_host *host;
    const char *will;
    const struct broker_events *events;
    void *ctx;
    struct mosquitto *client; /* NULL: not connected, nor about to be */
    bool up, was_up;
    bool refused; /* it has said why; that it hangs up then is no news */
    int version;
    struct event *readable, *writable, *misc, *again;
    int64_t retry_ms;
    struct client_id own_id; /* without the option `client_id` */
    struct fr_text_buffer client_id;
    int reason;           /* of the broker's DISCONNECT (MQTT 5); 0: none came */
    int64_t connected_ms; /* monotonic */
    unsigned short_count; /* connections in a row that were lost within SHORT_MS */
    int qos;
    struct job_queue *jobs;
    struct in_flight in_flight;
    struct suspect suspect;
    int64_t
        progress_ms; /* monotonic: the last message confirmed, or sent while none was in flight */
};

/* ---- messages in flight ---------------------------------------------------------- */

/* What was in flight is lost: its deliveries come again. */
static void broker_lose_messages(struct broker *b)
{
    const struct in_flight_message *only = in_flight_only(&b->in_flight);
    size_t size = only != NULL ? only->size : 0;
    struct in_flight_message message;

    if (suspect_lost(&b->suspect, b->in_flight.count, only != NULL ? only->hash : 0, size,
                     fr_clock_monotonic_ms()))
        b->host->log(b->sink, FR_LOG_WARNING,
                     "the broker hung up %d times on one message of %zu bytes: it is refused, and "
                     "for 10 minutes%s; look into the broker's log: its packet limit (mosquitto: "
                     "max_packet_size) or the user's rights may be too small",
                     SUSPECT_LOSSES, size,
                     size >= SUSPECT_SIZE_MIN ? " every message of this size or more"
                                              : " its topic with this size");
    while (in_flight_take_any(&b->in_flight, &message))
        if (message.job != NULL) {
            message.job->retry = message.job->lost = true;
            job_confirmed(b->jobs, message.job);
        }
}

/* ---- the connection -------------------------------------------------------------- */

static void free_event(struct event **event)
{
    if (*event != NULL)
        event_free(*event);
    *event = NULL;
}

static void forget_client(struct broker *b)
{
    free_event(&b->readable);
    free_event(&b->writable);
    if (b->client != NULL)
        mosquitto_destroy(b->client);
    b->client = NULL;
    b->up = false;
}

static int port_of(const struct broker *b)
{
    int64_t port = b->host->number(b->sink, "port");

    return port != 0 ? (int)port : b->host->number(b->sink, "tls") ? 8883 : 1883;
}

/* A broker that does not know MQTT 5 hangs up, or answers in a form that makes no sense to it. */
static void choose_version(struct broker *b)
{
    if (b->host->number(b->sink, "protocol") == 0 && !b->was_up)
        b->version = b->version == MQTT_PROTOCOL_V5 ? MQTT_PROTOCOL_V311 : MQTT_PROTOCOL_V5;
}

static const char *broker_client_id(const struct broker *b)
{
    const char *id = b->host->text(b->sink, "client_id");

    return id != NULL ? id : fr_text_buffer_string(&b->client_id);
}

/* Report that it is connected, and what is wrong all the same. */
static void broker_report_up(struct broker *b)
{
    if (b->own_id.sink == NULL || b->own_id.kept)
        b->host->health(b->sink, FR_HEALTH_UP, "connected");
    else
        b->host->health(b->sink, FR_HEALTH_DEGRADED,
                        "connected; %s; until then a restart takes another client id",
                        fr_text_buffer_string(&b->own_id.why));
}

/* Report why the connection was lost, with the remedy as far as it is known. */
static void broker_report_loss(struct broker *b, const char *why)
{
    if (b->reason == MQTT_RC_SESSION_TAKEN_OVER)
        b->host->health(b->sink, FR_HEALTH_DOWN,
                        "another client connected with our client id %.100s; give each sink and "
                        "each fleetrouted its own `client_id:`",
                        broker_client_id(b));
    else if (b->short_count >= SHORT_MAX)
        b->host->health(b->sink, FR_HEALTH_DOWN,
                        "%s, %u times right after connecting; does another client use the client "
                        "id %.100s? (see `client_id:`, and the broker's log)",
                        b->reason != 0 ? mosquitto_reason_string(b->reason) : why, b->short_count,
                        broker_client_id(b));
    else
        b->host->health(b->sink, FR_HEALTH_DOWN, "%s (is the broker %s:%d there?)",
                        b->reason != 0 ? mosquitto_reason_string(b->reason) : why,
                        b->host->text(b->sink, "host"), port_of(b));
}

/* The connection is of no more use. */
static void lost(struct broker *b, const char *why, bool spoke)
{
    struct timeval pause;
    bool was_up = b->up;

    forget_client(b);
    if (spoke)
        choose_version(b);
    b->was_up = false;
    if (was_up)
        b->short_count =
            fr_clock_monotonic_ms() - b->connected_ms < SHORT_MS ? b->short_count + 1 : 0;
    if (!b->refused)
        broker_report_loss(b, why);
    b->refused = false;
    if (b->reason == MQTT_RC_SESSION_TAKEN_OVER) /* two clients must not alternate at full speed */
        b->retry_ms = RETRY_MOST_MS;
    else if (b->retry_ms < RETRY_LEAST_MS)
        b->retry_ms = RETRY_LEAST_MS;
    pause = (struct timeval){b->retry_ms / 1000, b->retry_ms % 1000 * 1000};
    event_add(b->again, &pause);
    b->retry_ms = b->retry_ms * 2 < RETRY_MOST_MS ? b->retry_ms * 2 : RETRY_MOST_MS;
    if (was_up)
        b->events->down(b->ctx);
    broker_lose_messages(b);
    job_queue_lost(b->jobs);
}

static void want_write(struct broker *b)
{
    if (b->client != NULL && b->writable != NULL && mosquitto_want_write(b->client))
        event_add(b->writable, NULL);
}

/* Look at what a call to libmosquitto returned. */
static void after_call(struct broker *b, int code)
{
    if (b->client == NULL)
        return;
    if (code == MOSQ_ERR_SUCCESS && mosquitto_socket(b->client) < 0) /* a DISCONNECT came */
        code = MOSQ_ERR_CONN_LOST;
    if (code != MOSQ_ERR_SUCCESS)
        lost(b, code == MOSQ_ERR_ERRNO ? strerror(errno) : mosquitto_strerror(code),
             code != MOSQ_ERR_ERRNO && code != MOSQ_ERR_TLS);
    else
        want_write(b);
}

static void can_read(evutil_socket_t fd, short what, void *ctx)
{
    struct broker *b = ctx;

    (void)fd, (void)what;
    after_call(b, mosquitto_loop_read(b->client, 1));
}

static void can_write(evutil_socket_t fd, short what, void *ctx)
{
    struct broker *b = ctx;

    (void)fd, (void)what;
    after_call(b, mosquitto_loop_write(b->client, 1));
}

static void look_after(evutil_socket_t fd, short what, void *ctx)
{
    struct broker *b = ctx;

    (void)fd, (void)what;
    if (client_id_tend(&b->own_id) && b->up)
        broker_report_up(b);
    if (b->client != NULL && b->in_flight.count != 0 &&
        fr_clock_monotonic_ms() - b->progress_ms > CONFIRM_MS)
        lost(b, "it confirms no message any more", false);
    else if (b->client != NULL)
        after_call(b, mosquitto_loop_misc(b->client));
}

static void connected(struct mosquitto *client, void *ctx, int code, int flags,
                      const mosquitto_property *properties)
{
    struct broker *b = ctx;
    bool v5 = b->version == MQTT_PROTOCOL_V5;
    bool login = v5 ? code == MQTT_RC_BAD_USERNAME_OR_PASSWORD || code == MQTT_RC_NOT_AUTHORIZED
                    : code == 4 || code == 5;

    (void)client, (void)flags, (void)properties;
    if (code != 0) {
        b->host->health(b->sink, FR_HEALTH_DOWN, "the broker refused us: %s%s",
                        v5 ? mosquitto_reason_string(code) : mosquitto_connack_string(code),
                        login ? " (check `username:` and `password_file:`)" : "");
        b->refused = true;
        b->was_up = login; /* it understood us: another version would not help */
        return;            /* it hangs up; then we come back */
    }
    b->up = b->was_up = true;
    b->retry_ms = 0;
    b->connected_ms = fr_clock_monotonic_ms();
    broker_report_up(b);
    b->events->up(b->ctx);
}

static void disconnected(struct mosquitto *client, void *ctx, int reason,
                         const mosquitto_property *properties)
{
    struct broker *b = ctx;

    (void)client, (void)properties;
    if (reason >= MQTT_RC_UNSPECIFIED) /* else it is libmosquitto's own error */
        b->reason = reason;
}

/* Whether a reason of MQTT 5 is one that no other try changes. */
static bool broker_refuses_for_good(int reason)
{
    return reason == MQTT_RC_TOPIC_NAME_INVALID || reason == MQTT_RC_PACKET_TOO_LARGE ||
           reason == MQTT_RC_PAYLOAD_FORMAT_INVALID;
}

static void published(struct mosquitto *client, void *ctx, int mid, int reason,
                      const mosquitto_property *properties)
{
    struct broker *b = ctx;
    struct in_flight_message message;

    (void)client, (void)properties;
    if (!in_flight_take(&b->in_flight, mid, &message))
        return;
    b->progress_ms = fr_clock_monotonic_ms();
    suspect_confirmed(&b->suspect, message.hash);
    if (message.job != NULL) {
        if (reason >= 0x80)
            job_fail(message.job, broker_refuses_for_good(reason) ? FR_REFUSED : FR_FAILED,
                     "the broker refused a message: %s%s", mosquitto_reason_string(reason),
                     reason == MQTT_RC_NOT_AUTHORIZED ? " (may this user write to the topic?)"
                                                      : "");
        job_confirmed(b->jobs, message.job);
    }
    job_queue_wake(b->jobs);
}

static void came(struct mosquitto *client, void *ctx, const struct mosquitto_message *message,
                 const mosquitto_property *properties)
{
    struct broker *b = ctx;

    (void)client, (void)properties;
    /* The payload is not NUL-terminated, and NULL where it is empty. */
    if (message->payload != NULL && message->payloadlen > 0)
        b->events->message(b->ctx, message->topic, message->payload, (size_t)message->payloadlen,
                           message->retain);
}

/* ---- connecting ------------------------------------------------------------------ */

static int read_password(struct broker *b, char *password)
{
    const char *path = b->host->text(b->sink, "password_file");
    FILE *file = path != NULL ? fopen(path, "r") : NULL;

    password[0] = '\0';
    if (path == NULL)
        return 0;
    if (file == NULL || fgets(password, PASSWORD_MOST, file) == NULL) {
        b->host->log(b->sink, FR_LOG_ERROR, "password_file %s: %s", path,
                     file == NULL ? strerror(errno) : "it is empty");
        if (file != NULL)
            fclose(file);
        return -1;
    }
    fclose(file);
    password[strcspn(password, "\r\n")] = '\0';
    return 0;
}

static int configure(struct broker *b)
{
    const char *user = b->host->text(b->sink, "username"), *ca = b->host->text(b->sink, "ca");
    char password[PASSWORD_MOST];
    int code = mosquitto_int_option(b->client, MOSQ_OPT_PROTOCOL_VERSION, b->version);

    if (code == MOSQ_ERR_SUCCESS) /* a small message must not wait for the one before */
        code = mosquitto_int_option(b->client, MOSQ_OPT_TCP_NODELAY, 1);
    if (read_password(b, password) != 0)
        return MOSQ_ERR_AUTH;
    if (user != NULL && code == MOSQ_ERR_SUCCESS)
        code = mosquitto_username_pw_set(b->client, user, password[0] ? password : NULL);
    explicit_bzero(password, sizeof password);
    if (code == MOSQ_ERR_SUCCESS && b->host->number(b->sink, "tls"))
        code = mosquitto_tls_set(b->client, ca, ca == NULL ? "/etc/ssl/certs" : NULL,
                                 b->host->text(b->sink, "certificate"),
                                 b->host->text(b->sink, "key"), NULL);
    if (code == MOSQ_ERR_SUCCESS && b->will != NULL)
        code =
            mosquitto_will_set(b->client, b->will, (int)strlen("offline"), "offline", b->qos, true);
    mosquitto_max_inflight_messages_set(b->client, 0);
    mosquitto_connect_v5_callback_set(b->client, connected);
    mosquitto_disconnect_v5_callback_set(b->client, disconnected);
    mosquitto_publish_v5_callback_set(b->client, published);
    mosquitto_message_v5_callback_set(b->client, came);
    return code;
}

static void begin_connecting(struct broker *b)
{
    int code, fd;

    b->reason = 0;
    in_flight_used_id(&b->in_flight, 0); /* a new client counts from 1 */
    b->client = mosquitto_new(broker_client_id(b), true, b);
    if (b->client == NULL) {
        lost(b, strerror(errno), false);
        return;
    }
    code = configure(b);
    if (code == MOSQ_ERR_SUCCESS)
        code = mosquitto_connect_async(b->client, b->host->text(b->sink, "host"), port_of(b),
                                       (int)(b->host->number(b->sink, "keepalive") / 1000));
    fd = mosquitto_socket(b->client);
    if (code != MOSQ_ERR_SUCCESS || fd < 0) {
        lost(b, code == MOSQ_ERR_ERRNO ? strerror(errno) : mosquitto_strerror(code), false);
        return;
    }
    b->readable = event_new(b->host->event_base(b->sink), fd, EV_READ | EV_PERSIST, can_read, b);
    b->writable = event_new(b->host->event_base(b->sink), fd, EV_WRITE, can_write, b);
    if (b->readable == NULL || b->writable == NULL || event_add(b->readable, NULL) != 0 ||
        event_add(b->writable, NULL) != 0)
        lost(b, "no memory for the connection's events", false);
}

static void connect_again(evutil_socket_t fd, short what, void *ctx)
{
    (void)fd, (void)what;
    begin_connecting(ctx);
}

/* ---- talking --------------------------------------------------------------------- */

bool broker_is_up(const struct broker *b)
{
    return b->up;
}

bool broker_has_capacity(const struct broker *b)
{
    return b->up && in_flight_has_capacity(&b->in_flight) &&
           (b->suspect.one_at_a_time == 0 || b->in_flight.count == 0);
}

/* Whether a message will never be accepted, whatever the connection. */
static bool broker_never_takes(int code)
{
    return code == MOSQ_ERR_PAYLOAD_SIZE || code == MOSQ_ERR_MALFORMED_UTF8 ||
           code == MOSQ_ERR_INVAL || code == MOSQ_ERR_OVERSIZE_PACKET;
}

static void broker_refuse(struct broker *b, struct job *job, const char *topic, size_t len,
                          const char *why)
{
    if (job != NULL)
        job_fail(job, FR_REFUSED, "a message of %zu bytes for %.60s is not sent: %s", len, topic,
                 why);
    else
        b->host->log(b->sink, FR_LOG_WARNING, "a message of %zu bytes for %.100s is not sent: %s",
                     len, topic, why);
}

/* Give a message to libmosquitto under the next id, which is noted before: a message of QoS 0 may
 * be confirmed within the call. */
static int broker_send(struct broker *b, const char *topic, const char *payload, size_t len,
                       bool retain, const struct in_flight_message *message)
{
    uint16_t expected = in_flight_next_id(&b->in_flight);
    struct in_flight_message taken;
    int id = 0, code;

    if (b->in_flight.count == 0)
        b->progress_ms = fr_clock_monotonic_ms();
    in_flight_add(&b->in_flight, message);
    code = mosquitto_publish(b->client, &id, topic, (int)len, payload, b->qos, retain);
    if (id != 0)
        in_flight_used_id(&b->in_flight, id);
    if (code != MOSQ_ERR_SUCCESS || (id != 0 && id != expected)) {
        if (in_flight_take(&b->in_flight, expected, &taken))
            return code != MOSQ_ERR_SUCCESS ? code : MOSQ_ERR_UNKNOWN;
    }
    return MOSQ_ERR_SUCCESS;
}

void broker_publish(struct broker *b, const char *topic, const char *payload, size_t len,
                    bool retain, struct job *job)
{
    uint64_t hash = b->suspect.one_at_a_time != 0 || b->suspect.hash_refused != 0
                        ? suspect_hash(topic, len)
                        : 0;
    size_t size = strlen(topic) + len;
    struct in_flight_message message = {.size = (uint32_t)size, .hash = hash, .job = job};
    int code;

    if (!b->up || b->in_flight.message[in_flight_next_id(&b->in_flight)].used) {
        if (job != NULL)
            job->retry = true;
        return;
    }
    if (len > PAYLOAD_MAX || suspect_refuses(&b->suspect, hash, size, fr_clock_monotonic_ms())) {
        broker_refuse(b, job, topic, len,
                      len > PAYLOAD_MAX ? "it is too large for MQTT"
                                        : "the broker hung up on one like it; see the log before");
        return;
    }
    if (job != NULL)
        job_sent(job);
    code = broker_send(b, topic, payload, len, retain, &message);
    if (code != MOSQ_ERR_SUCCESS) {
        if (broker_never_takes(code))
            broker_refuse(b, job, topic, len,
                          code == MOSQ_ERR_OVERSIZE_PACKET
                              ? "it is larger than the broker takes (mosquitto: max_packet_size)"
                              : mosquitto_strerror(code));
        else if (job != NULL)
            job->retry = true;
        if (job != NULL)
            job_confirmed(b->jobs, job);
    }
    want_write(b);
}

void broker_subscribe(struct broker *b, const char *pattern)
{
    int id = 0;

    if (b->up)
        mosquitto_subscribe(b->client, &id, pattern, 1);
    if (id != 0)
        in_flight_used_id(&b->in_flight, id);
    want_write(b);
}

/* ---- life ------------------------------------------------------------------------ */

/* The default of `client_id:`. False: no memory. */
static bool broker_make_client_id(struct broker *b)
{
    if (b->host->text(b->sink, "client_id") != NULL)
        return true;
    client_id_open(&b->own_id, b->sink, b->host);
    fr_text_buffer_printf(&b->client_id, "fleetroute-%s-%s", b->host->name(b->sink),
                          b->own_id.digits);
    return !b->client_id.failed;
}

void broker_free(struct broker *b)
{
    struct in_flight_message message;

    if (b == NULL)
        return;
    if (b->client != NULL && b->up)
        mosquitto_disconnect(b->client);
    forget_client(b);
    while (in_flight_take_any(&b->in_flight, &message))
        if (message.job != NULL)
            job_abandon(message.job);
    free_event(&b->misc);
    free_event(&b->again);
    fr_text_buffer_free(&b->client_id);
    client_id_free(&b->own_id);
    mosquitto_lib_cleanup();
    free(b);
}

struct broker *broker_new(struct fr_sink *sink, const struct fr_host *host, const char *will,
                          struct job_queue *jobs, const struct broker_events *events, void *ctx)
{
    static const struct timeval now = {0, 0};
    struct timeval pause = {MISC_MS / 1000, 0};
    struct broker *b = calloc(1, sizeof *b);

    if (b == NULL)
        return NULL;
    mosquitto_lib_init();
    b->sink = sink;
    b->host = host;
    b->will = will;
    b->jobs = jobs;
    b->events = events;
    b->ctx = ctx;
    b->qos = (int)host->number(sink, "qos");
    b->version = host->number(sink, "protocol") == 2 ? MQTT_PROTOCOL_V311 : MQTT_PROTOCOL_V5;
    b->misc = event_new(host->event_base(sink), -1, EV_PERSIST, look_after, b);
    b->again = event_new(host->event_base(sink), -1, 0, connect_again, b);
    /* The main thread waits for open(), and connecting may wait for a name server: so it begins in the
     * event loop. */
    if (!broker_make_client_id(b) || b->misc == NULL || b->again == NULL ||
        event_add(b->misc, &pause) != 0 || event_add(b->again, &now) != 0) {
        broker_free(b);
        return NULL;
    }
    host->health(sink, FR_HEALTH_DEGRADED, "connecting");
    return b;
}
