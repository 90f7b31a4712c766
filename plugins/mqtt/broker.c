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
#include "mqtt/broker_publish.h"
#include "mqtt/broker_state.h"
#include "password_file.h"

#define RETRY_MIN_MS 500
#define RETRY_MAX_MS 4000
#define MISC_MS 1000     /* interval of mosquitto_loop_misc() */
#define CONFIRM_MS 60000 /* without a confirmation: the broker is disconnected */
#define SHORT_MS 5000    /* a connection that was lost sooner counts as short */
#define SHORT_MAX 3      /* consecutive short connections: another client may use the same id */

/* ---- the connection -------------------------------------------------------------- */

static void broker_free_event(struct event **event)
{
    if (*event != NULL)
        event_free(*event);
    *event = NULL;
}

static void broker_destroy_client(struct broker *b)
{
    broker_free_event(&b->readable);
    broker_free_event(&b->writable);
    if (b->client != NULL)
        mosquitto_destroy(b->client);
    b->client = NULL;
    b->up = false;
}

static int broker_port_of(const struct broker *b)
{
    int64_t port = b->host->number(b->sink, "port");

    return port != 0 ? (int)port : b->host->number(b->sink, "tls") ? 8883 : 1883;
}

/* Try the other version next: a broker that does not support MQTT 5 disconnects or sends an invalid
 * answer. */
static void broker_choose_version(struct broker *b)
{
    if (b->host->number(b->sink, "protocol") == 0 && !b->version_known)
        b->version = b->version == MQTT_PROTOCOL_V5 ? MQTT_PROTOCOL_V311 : MQTT_PROTOCOL_V5;
}

static const char *broker_client_id(const struct broker *b)
{
    const char *id = b->host->text(b->sink, "client_id");

    return id != NULL ? id : fr_text_buffer_string(&b->client_id);
}

/* Report a connection with MQTT 3.1.1 that lacks something: degraded, unless `protocol` chose it. */
static void broker_report_without_v5(struct broker *b)
{
    bool chosen = b->host->number(b->sink, "protocol") != 0;

    b->host->health(b->sink, chosen ? FR_HEALTH_UP : FR_HEALTH_DEGRADED,
                    "connected with MQTT 3.1.1: %s%s", b->without_v5,
                    chosen ? "" : "; use a broker with MQTT 5, or set `protocol: 3.1.1`");
}

/* Report the connection, degraded if the client id could not be saved. */
static void broker_report_up(struct broker *b)
{
    bool id_saved = b->own_id.sink == NULL || b->own_id.saved;
    const char *problem = b->events->problem(b->ctx);

    if (problem != NULL)
        b->host->health(b->sink, FR_HEALTH_DEGRADED, "connected; %s", problem);
    else if (id_saved && b->without_v5 != NULL && b->version != MQTT_PROTOCOL_V5)
        broker_report_without_v5(b);
    else if (id_saved)
        b->host->health(b->sink, FR_HEALTH_UP, "connected");
    else
        b->host->health(b->sink, FR_HEALTH_DEGRADED,
                        "connected; %s; until this is solved, each restart uses another client id",
                        fr_text_buffer_string(&b->own_id.why));
}

void broker_report_problem(struct broker *b)
{
    if (b->up)
        broker_report_up(b);
}

/* Report why the connection was lost, with a remedy. */
static void broker_report_loss(struct broker *b, const char *why)
{
    if (b->reason == MQTT_RC_SESSION_TAKEN_OVER)
        b->host->health(
            b->sink, FR_HEALTH_DOWN,
            "another client connected with the same client id %.100s; give each sink and "
            "each fleetrouted its own `client_id:`",
            broker_client_id(b));
    else if (b->short_count >= SHORT_MAX)
        b->host->health(b->sink, FR_HEALTH_DOWN,
                        "%s, %u times right after connecting (does another client use the client "
                        "id %.100s? see `client_id:` and the broker's log)",
                        b->reason != 0 ? mosquitto_reason_string(b->reason) : why, b->short_count,
                        broker_client_id(b));
    else
        b->host->health(b->sink, FR_HEALTH_DOWN, "%s (is the broker %s:%d running?)",
                        b->reason != 0 ? mosquitto_reason_string(b->reason) : why,
                        b->host->text(b->sink, "host"), broker_port_of(b));
}

/* End the connection and schedule the next. `protocol`: MQTT was spoken or the broker disconnected,
 * so that the version may be the cause. */
static void broker_lost(struct broker *b, const char *why, bool protocol)
{
    struct timeval pause;
    bool was_up = b->up;

    broker_destroy_client(b);
    if (protocol)
        broker_choose_version(b);
    b->version_known = false;
    if (was_up)
        b->short_count =
            fr_clock_monotonic_ms() - b->connected_ms < SHORT_MS ? b->short_count + 1 : 0;
    if (!b->refused)
        broker_report_loss(b, why);
    b->refused = false;
    if (b->reason == MQTT_RC_SESSION_TAKEN_OVER) /* limits how fast two clients alternate */
        b->retry_ms = RETRY_MAX_MS;
    else if (b->retry_ms < RETRY_MIN_MS)
        b->retry_ms = RETRY_MIN_MS;
    pause = (struct timeval){b->retry_ms / 1000, b->retry_ms % 1000 * 1000};
    event_add(b->reconnect, &pause);
    b->retry_ms = b->retry_ms * 2 < RETRY_MAX_MS ? b->retry_ms * 2 : RETRY_MAX_MS;
    if (was_up)
        b->events->down(b->ctx);
    broker_drop_in_flight(b);
    job_queue_lost(b->jobs);
}

/* Handle the result of a call to libmosquitto. */
static void broker_after_call(struct broker *b, int code)
{
    if (b->client == NULL)
        return;
    if (code == MOSQ_ERR_SUCCESS &&
        mosquitto_socket(b->client) < 0) /* the broker sent DISCONNECT */
        code = MOSQ_ERR_CONN_LOST;
    if (code != MOSQ_ERR_SUCCESS)
        broker_lost(b, code == MOSQ_ERR_ERRNO ? strerror(errno) : mosquitto_strerror(code),
                    code != MOSQ_ERR_ERRNO && code != MOSQ_ERR_TLS);
    else
        broker_enable_write(b);
}

static void broker_can_read(evutil_socket_t fd, short what, void *ctx)
{
    struct broker *b = ctx;

    (void)fd, (void)what;
    broker_after_call(b, mosquitto_loop_read(b->client, 1));
}

static void broker_can_write(evutil_socket_t fd, short what, void *ctx)
{
    struct broker *b = ctx;

    (void)fd, (void)what;
    broker_after_call(b, mosquitto_loop_write(b->client, 1));
}

static void broker_misc_due(evutil_socket_t fd, short what, void *ctx)
{
    struct broker *b = ctx;

    (void)fd, (void)what;
    if (client_id_retry(&b->own_id) && b->up)
        broker_report_up(b);
    if (b->client != NULL && b->in_flight.count != 0 &&
        fr_clock_monotonic_ms() - b->progress_ms > CONFIRM_MS)
        broker_lost(b, "the broker confirms no messages", false);
    else if (b->client != NULL)
        broker_after_call(b, mosquitto_loop_misc(b->client));
}

static void broker_connected(struct mosquitto *client, void *ctx, int code, int flags,
                             const mosquitto_property *properties)
{
    struct broker *b = ctx;
    bool v5 = b->version == MQTT_PROTOCOL_V5;
    bool login = v5 ? code == MQTT_RC_BAD_USERNAME_OR_PASSWORD || code == MQTT_RC_NOT_AUTHORIZED
                    : code == 4 || code == 5;

    (void)client, (void)flags, (void)properties;
    if (code != 0) {
        b->host->health(b->sink, FR_HEALTH_DOWN, "the broker refused the connection: %s%s",
                        v5 ? mosquitto_reason_string(code) : mosquitto_connack_string(code),
                        login ? " (check `username:` and `password_file:`)" : "");
        b->refused = true;
        b->version_known = login; /* the broker understood the version */
        return;                   /* the broker disconnects next */
    }
    b->up = b->version_known = true;
    b->retry_ms = 0;
    b->connected_ms = fr_clock_monotonic_ms();
    broker_report_up(b);
    b->events->up(b->ctx);
}

static void broker_disconnected(struct mosquitto *client, void *ctx, int reason,
                                const mosquitto_property *properties)
{
    struct broker *b = ctx;

    (void)client, (void)properties;
    if (reason >= MQTT_RC_UNSPECIFIED) /* lower: libmosquitto's own error */
        b->reason = reason;
}

static void broker_published(struct mosquitto *client, void *ctx, int id, int reason,
                             const mosquitto_property *properties)
{
    (void)client, (void)properties;
    broker_message_completed(ctx, id, reason);
}

static void broker_received(struct mosquitto *client, void *ctx,
                            const struct mosquitto_message *message,
                            const mosquitto_property *properties)
{
    struct broker *b = ctx;

    (void)client, (void)properties;
    /* An empty payload is NULL. */
    if (message->payload != NULL && message->payloadlen > 0)
        b->events->message(b->ctx, message->topic, message->payload, (size_t)message->payloadlen,
                           message->retain);
}

/* ---- connecting ------------------------------------------------------------------ */

/* Read the password; "" without a file. */
static bool broker_read_password(struct broker *b, char password[FR_PASSWORD_SIZE])
{
    const char *path = b->host->text(b->sink, "password_file");
    char why[384];

    password[0] = '\0';
    if (path == NULL || fr_password_read(path, password, why, sizeof why))
        return true;
    b->host->log(b->sink, FR_LOG_ERROR, "password_file %s", why);
    return false;
}

static int broker_configure(struct broker *b)
{
    const char *user = b->host->text(b->sink, "username"), *ca = b->host->text(b->sink, "ca");
    char password[FR_PASSWORD_SIZE];
    int code = mosquitto_int_option(b->client, MOSQ_OPT_PROTOCOL_VERSION, b->version);

    if (code == MOSQ_ERR_SUCCESS) /* small messages are sent at once */
        code = mosquitto_int_option(b->client, MOSQ_OPT_TCP_NODELAY, 1);
    if (!broker_read_password(b, password))
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
    mosquitto_connect_v5_callback_set(b->client, broker_connected);
    mosquitto_disconnect_v5_callback_set(b->client, broker_disconnected);
    mosquitto_publish_v5_callback_set(b->client, broker_published);
    mosquitto_message_v5_callback_set(b->client, broker_received);
    return code;
}

static void broker_begin_connecting(struct broker *b)
{
    int code, fd;

    b->reason = 0;
    in_flight_used_id(&b->in_flight, 0); /* a new client counts from 1 */
    b->client = mosquitto_new(broker_client_id(b), true, b);
    if (b->client == NULL) {
        broker_lost(b, strerror(errno), false);
        return;
    }
    code = broker_configure(b);
    if (code == MOSQ_ERR_SUCCESS)
        code = mosquitto_connect_async(b->client, b->host->text(b->sink, "host"), broker_port_of(b),
                                       (int)(b->host->number(b->sink, "keepalive") / 1000));
    fd = mosquitto_socket(b->client);
    if (code != MOSQ_ERR_SUCCESS || fd < 0) {
        broker_lost(b, code == MOSQ_ERR_ERRNO ? strerror(errno) : mosquitto_strerror(code), false);
        return;
    }
    b->readable =
        event_new(b->host->event_base(b->sink), fd, EV_READ | EV_PERSIST, broker_can_read, b);
    b->writable = event_new(b->host->event_base(b->sink), fd, EV_WRITE, broker_can_write, b);
    if (b->readable == NULL || b->writable == NULL || event_add(b->readable, NULL) != 0 ||
        event_add(b->writable, NULL) != 0)
        broker_lost(b, "no memory for the connection's events", false);
}

static void broker_reconnect_due(evutil_socket_t fd, short what, void *ctx)
{
    (void)fd, (void)what;
    broker_begin_connecting(ctx);
}

/* ---- open and close -------------------------------------------------------------- */

bool broker_is_up(const struct broker *b)
{
    return b->up;
}

/* Build the default of `client_id`. False: no memory. */
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
    broker_destroy_client(b);
    while (in_flight_take_any(&b->in_flight, &message))
        if (message.job != NULL)
            job_abandon(b->jobs, message.job);
    broker_free_event(&b->misc);
    broker_free_event(&b->reconnect);
    fr_text_buffer_free(&b->client_id);
    client_id_free(&b->own_id);
    mosquitto_lib_cleanup();
    free(b);
}

struct broker *broker_new(struct fr_sink *sink, const struct fr_host *host, const char *will,
                          const char *without_v5, struct job_queue *jobs,
                          const struct broker_events *events, void *ctx)
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
    b->without_v5 = without_v5;
    b->jobs = jobs;
    b->events = events;
    b->ctx = ctx;
    b->qos = (int)host->number(sink, "qos");
    b->version = host->number(sink, "protocol") == 2 ? MQTT_PROTOCOL_V311 : MQTT_PROTOCOL_V5;
    b->misc = event_new(host->event_base(sink), -1, EV_PERSIST, broker_misc_due, b);
    b->reconnect = event_new(host->event_base(sink), -1, 0, broker_reconnect_due, b);
    /* Connecting may wait for a name server, and the main thread waits for open(). Therefore
     * connecting starts in the event loop. */
    if (!broker_make_client_id(b) || b->misc == NULL || b->reconnect == NULL ||
        event_add(b->misc, &pause) != 0 || event_add(b->reconnect, &now) != 0) {
        broker_free(b);
        return NULL;
    }
    host->health(sink, FR_HEALTH_DEGRADED, "connecting");
    return b;
}
