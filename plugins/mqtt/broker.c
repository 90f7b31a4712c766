#include "mqtt/broker.h"

#include <errno.h>
#include <event2/event.h>
#include <mosquitto.h>
#include <mqtt_protocol.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MIDS 65536
#define RETRY_LEAST_MS 500
#define RETRY_MOST_MS 4000
#define MISC_MS 1000
#define PASSWORD_MOST 512

/* Of a delivery's plugin_data: how much of it is unconfirmed, and what has gone wrong. */
#define COUNT_MASK 0xffffu
#define MARK_RETRY 0x10000u
#define MARK_REFUSED 0x20000u

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
    int qos;
    struct fr_delivery *sent[MIDS]; /* by message id; NULL: none */
    size_t sent_count;
};

/* ---- deliveries ------------------------------------------------------------------ */

static void unsettle(struct fr_delivery *d)
{
    d->plugin_data = (void *)((uintptr_t)d->plugin_data + 1);
}

static void settle(struct broker *b, struct fr_delivery *d, uintptr_t mark)
{
    uintptr_t left = ((uintptr_t)d->plugin_data | mark) - 1;

    d->plugin_data = (void *)left;
    if (left & COUNT_MASK)
        return;
    d->plugin_data = NULL;
    b->host->done(b->sink, d,
                  left & MARK_RETRY     ? FR_RETRY
                  : left & MARK_REFUSED ? FR_REFUSED
                                        : FR_DONE);
}

void broker_open_delivery(struct broker *b, struct fr_delivery *d)
{
    (void)b;
    d->plugin_data = (void *)(uintptr_t)1;
}

void broker_close_delivery(struct broker *b, struct fr_delivery *d, bool refused)
{
    settle(b, d, refused ? MARK_REFUSED : 0);
}

static void give_back_all(struct broker *b)
{
    for (size_t mid = 0; mid < MIDS && b->sent_count != 0; mid++)
        if (b->sent[mid] != NULL) {
            struct fr_delivery *d = b->sent[mid];

            b->sent[mid] = NULL;
            b->sent_count--;
            settle(b, d, MARK_RETRY);
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

/* The connection is of no more use. */
static void lost(struct broker *b, const char *why, bool spoke)
{
    struct timeval pause;
    bool was_up = b->up;

    forget_client(b);
    if (spoke)
        choose_version(b);
    b->was_up = false;
    if (!b->refused)
        b->host->health(b->sink, FR_HEALTH_DOWN, "%s (is the broker %s:%d there?)", why,
                        b->host->text(b->sink, "host"), port_of(b));
    b->refused = false;
    if (b->retry_ms < RETRY_LEAST_MS)
        b->retry_ms = RETRY_LEAST_MS;
    pause = (struct timeval){b->retry_ms / 1000, b->retry_ms % 1000 * 1000};
    event_add(b->again, &pause);
    b->retry_ms = b->retry_ms * 2 < RETRY_MOST_MS ? b->retry_ms * 2 : RETRY_MOST_MS;
    if (was_up)
        b->events->down(b->ctx);
    give_back_all(b);
}

static void want_write(struct broker *b)
{
    if (b->client != NULL && b->writable != NULL && mosquitto_want_write(b->client))
        event_add(b->writable, NULL);
}

/* Look at what a call to libmosquitto returned. */
static void after_call(struct broker *b, int code)
{
    if (code != MOSQ_ERR_SUCCESS && b->client != NULL)
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
    if (b->client != NULL)
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
    b->host->health(b->sink, FR_HEALTH_UP, "connected");
    b->events->up(b->ctx);
}

static void published(struct mosquitto *client, void *ctx, int mid, int reason,
                      const mosquitto_property *properties)
{
    struct broker *b = ctx;
    struct fr_delivery *d = mid >= 0 && mid < MIDS ? b->sent[mid] : NULL;

    (void)client, (void)properties;
    if (reason >= 0x80)
        b->host->log(b->sink, FR_LOG_WARNING, "the broker refused a message: %s%s",
                     mosquitto_reason_string(reason),
                     reason == MQTT_RC_NOT_AUTHORIZED ? " (may this user write to the topic?)"
                                                      : "");
    if (d == NULL)
        return;
    b->sent[mid] = NULL;
    b->sent_count--;
    settle(b, d, reason >= 0x80 ? MARK_REFUSED : 0);
}

static void came(struct mosquitto *client, void *ctx, const struct mosquitto_message *message,
                 const mosquitto_property *properties)
{
    struct broker *b = ctx;

    (void)client, (void)properties;
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
    mosquitto_publish_v5_callback_set(b->client, published);
    mosquitto_message_v5_callback_set(b->client, came);
    return code;
}

static void begin_connecting(struct broker *b)
{
    const char *id = b->host->text(b->sink, "client_id");
    char made[96];
    int code, fd;

    snprintf(made, sizeof made, "fleetroute-%s", b->host->name(b->sink));
    b->client = mosquitto_new(id != NULL ? id : made, true, b);
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

static bool is_unsayable(int code)
{
    return code == MOSQ_ERR_PAYLOAD_SIZE || code == MOSQ_ERR_MALFORMED_UTF8 ||
           code == MOSQ_ERR_INVAL || code == MOSQ_ERR_OVERSIZE_PACKET;
}

void broker_publish(struct broker *b, const char *topic, const char *payload, size_t len,
                    bool retain, struct fr_delivery *d)
{
    int mid = 0, code = MOSQ_ERR_NO_CONN;

    if (b->up)
        code = mosquitto_publish(b->client, &mid, topic, (int)len, payload, b->qos, retain);
    if (d == NULL) {
        want_write(b);
        return;
    }
    unsettle(d);
    if (code == MOSQ_ERR_SUCCESS && b->qos > 0) {
        b->sent[mid] = d;
        b->sent_count++;
    } else
        settle(b, d, code == MOSQ_ERR_SUCCESS ? 0 : is_unsayable(code) ? MARK_REFUSED : MARK_RETRY);
    want_write(b);
}

void broker_subscribe(struct broker *b, const char *pattern)
{
    if (b->up)
        mosquitto_subscribe(b->client, NULL, pattern, 1);
    want_write(b);
}

/* ---- life ------------------------------------------------------------------------ */

void broker_free(struct broker *b)
{
    if (b == NULL)
        return;
    if (b->client != NULL && b->up)
        mosquitto_disconnect(b->client);
    forget_client(b);
    free_event(&b->misc);
    free_event(&b->again);
    mosquitto_lib_cleanup();
    free(b);
}

struct broker *broker_new(struct fr_sink *sink, const struct fr_host *host, const char *will,
                          const struct broker_events *events, void *ctx)
{
    struct timeval pause = {MISC_MS / 1000, 0};
    struct broker *b = calloc(1, sizeof *b);

    if (b == NULL)
        return NULL;
    mosquitto_lib_init();
    b->sink = sink;
    b->host = host;
    b->will = will;
    b->events = events;
    b->ctx = ctx;
    b->qos = (int)host->number(sink, "qos");
    b->version = host->number(sink, "protocol") == 2 ? MQTT_PROTOCOL_V311 : MQTT_PROTOCOL_V5;
    b->misc = event_new(host->event_base(sink), -1, EV_PERSIST, look_after, b);
    b->again = event_new(host->event_base(sink), -1, 0, connect_again, b);
    if (b->misc == NULL || b->again == NULL || event_add(b->misc, &pause) != 0) {
        broker_free(b);
        return NULL;
    }
    host->health(sink, FR_HEALTH_DEGRADED, "connecting");
    begin_connecting(b);
    return b;
}
