/*
 * mqtt.so - values and records to an MQTT broker, in the topics of Tesla's server:
 * BASE/VIN/v/FIELD holds a value as bare JSON, BASE/VIN/TYPE a whole record.
 *
 * A delivery is done when the broker has confirmed it (PUBACK). A connection is never mended:
 * when it ends, what was not confirmed is delivered again over a new one.
 */
#include <errno.h>
#include <event2/event.h>
#include <mosquitto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fleetroute/plugin.h"

#define MIDS 65536
#define RETRY_LEAST_MS 500
#define RETRY_MOST_MS 4000
#define MISC_MS 1000
#define PASSWORD_MOST 512

struct instance {
    struct fr_sink *sink;
    const struct fr_host *host;
    struct mosquitto *client; /* NULL: not connected, nor about to be */
    bool up;
    struct event *readable, *writable, *misc, *again;
    int64_t retry_ms;
    const char *base;
    int qos;
    bool retain;
    struct fr_delivery *sent[MIDS]; /* by message id; NULL: none */
    size_t sent_count;
};

static struct timeval in_ms(int64_t ms)
{
    return (struct timeval){ms / 1000, ms % 1000 * 1000};
}

/* ---- the connection -------------------------------------------------------------- */

static void free_event(struct event **event)
{
    if (*event != NULL)
        event_free(*event);
    *event = NULL;
}

static void forget_client(struct instance *i)
{
    free_event(&i->readable);
    free_event(&i->writable);
    if (i->client != NULL)
        mosquitto_destroy(i->client);
    i->client = NULL;
    i->up = false;
}

static void answer_all(struct instance *i, enum fr_outcome outcome)
{
    for (size_t mid = 0; mid < MIDS && i->sent_count != 0; mid++)
        if (i->sent[mid] != NULL) {
            struct fr_delivery *d = i->sent[mid];

            i->sent[mid] = NULL;
            i->sent_count--;
            i->host->done(i->sink, d, outcome);
        }
}

/* The connection is of no more use. */
static void lost(struct instance *i, const char *why)
{
    struct timeval pause;

    forget_client(i);
    i->host->health(i->sink, FR_HEALTH_DOWN, "%s (is the broker %s:%lld there?)", why,
                    i->host->text(i->sink, "host"), (long long)i->host->number(i->sink, "port"));
    if (i->retry_ms < RETRY_LEAST_MS)
        i->retry_ms = RETRY_LEAST_MS;
    pause = in_ms(i->retry_ms);
    event_add(i->again, &pause);
    i->retry_ms = i->retry_ms * 2 < RETRY_MOST_MS ? i->retry_ms * 2 : RETRY_MOST_MS;
    answer_all(i, FR_RETRY);
}

static void want_write(struct instance *i)
{
    if (i->client != NULL && i->writable != NULL && mosquitto_want_write(i->client))
        event_add(i->writable, NULL);
}

/* Look at what a call to libmosquitto returned. */
static void after_call(struct instance *i, int code)
{
    if (code != MOSQ_ERR_SUCCESS && i->client != NULL)
        lost(i, code == MOSQ_ERR_ERRNO ? strerror(errno) : mosquitto_strerror(code));
    else
        want_write(i);
}

static void can_read(evutil_socket_t fd, short what, void *ctx)
{
    struct instance *i = ctx;

    (void)fd, (void)what;
    after_call(i, mosquitto_loop_read(i->client, 1));
}

static void can_write(evutil_socket_t fd, short what, void *ctx)
{
    struct instance *i = ctx;

    (void)fd, (void)what;
    after_call(i, mosquitto_loop_write(i->client, 1));
}

static void look_after(evutil_socket_t fd, short what, void *ctx)
{
    struct instance *i = ctx;

    (void)fd, (void)what;
    if (i->client != NULL)
        after_call(i, mosquitto_loop_misc(i->client));
}

static void connected(struct mosquitto *client, void *ctx, int code)
{
    struct instance *i = ctx;

    (void)client;
    if (code != 0) {
        i->host->health(i->sink, FR_HEALTH_DOWN, "the broker refused us: %s%s",
                        mosquitto_connack_string(code),
                        code == 4 || code == 5 ? " (check `username:` and `password_file:`)" : "");
        return; /* it hangs up; then we come back */
    }
    i->up = true;
    i->retry_ms = 0;
    i->host->health(i->sink, FR_HEALTH_UP, "connected");
}

static void published(struct mosquitto *client, void *ctx, int mid)
{
    struct instance *i = ctx;
    struct fr_delivery *d = mid >= 0 && mid < MIDS ? i->sent[mid] : NULL;

    (void)client;
    if (d == NULL)
        return;
    i->sent[mid] = NULL;
    i->sent_count--;
    i->host->done(i->sink, d, FR_DONE);
}

static int read_password(struct instance *i, char *password)
{
    const char *path = i->host->text(i->sink, "password_file");
    FILE *file = path != NULL ? fopen(path, "r") : NULL;

    password[0] = '\0';
    if (path == NULL)
        return 0;
    if (file == NULL || fgets(password, PASSWORD_MOST, file) == NULL) {
        i->host->log(i->sink, FR_LOG_ERROR, "password_file %s: %s", path,
                     file == NULL ? strerror(errno) : "it is empty");
        if (file != NULL)
            fclose(file);
        return -1;
    }
    fclose(file);
    password[strcspn(password, "\r\n")] = '\0';
    return 0;
}

static int configure(struct instance *i)
{
    const char *user = i->host->text(i->sink, "username"), *ca = i->host->text(i->sink, "ca");
    char password[PASSWORD_MOST];
    int code = MOSQ_ERR_SUCCESS;

    if (read_password(i, password) != 0)
        return MOSQ_ERR_AUTH;
    if (user != NULL)
        code = mosquitto_username_pw_set(i->client, user, password[0] ? password : NULL);
    explicit_bzero(password, sizeof password);
    if (code == MOSQ_ERR_SUCCESS && i->host->number(i->sink, "tls"))
        code = mosquitto_tls_set(i->client, ca, ca == NULL ? "/etc/ssl/certs" : NULL,
                                 i->host->text(i->sink, "certificate"),
                                 i->host->text(i->sink, "key"), NULL);
    mosquitto_max_inflight_messages_set(i->client, 0);
    mosquitto_connect_callback_set(i->client, connected);
    mosquitto_publish_callback_set(i->client, published);
    return code;
}

static void begin_connecting(struct instance *i)
{
    const char *id = i->host->text(i->sink, "client_id");
    char made[96];
    int code, fd;

    snprintf(made, sizeof made, "fleetroute-%s", i->host->name(i->sink));
    i->client = mosquitto_new(id != NULL ? id : made, true, i);
    if (i->client == NULL) {
        lost(i, strerror(errno));
        return;
    }
    code = configure(i);
    if (code == MOSQ_ERR_SUCCESS)
        code = mosquitto_connect_async(i->client, i->host->text(i->sink, "host"),
                                       (int)i->host->number(i->sink, "port"),
                                       (int)(i->host->number(i->sink, "keepalive") / 1000));
    fd = mosquitto_socket(i->client);
    if (code != MOSQ_ERR_SUCCESS || fd < 0) {
        lost(i, code == MOSQ_ERR_ERRNO ? strerror(errno) : mosquitto_strerror(code));
        return;
    }
    i->readable = event_new(i->host->event_base(i->sink), fd, EV_READ | EV_PERSIST, can_read, i);
    i->writable = event_new(i->host->event_base(i->sink), fd, EV_WRITE, can_write, i);
    if (i->readable == NULL || i->writable == NULL || event_add(i->readable, NULL) != 0 ||
        event_add(i->writable, NULL) != 0)
        lost(i, "no memory for the connection's events");
}

static void connect_again(evutil_socket_t fd, short what, void *ctx)
{
    (void)fd, (void)what;
    begin_connecting(ctx);
}

/* ---- delivering ------------------------------------------------------------------ */

/* Hand a delivery to libmosquitto. False: it is on its way, the broker's PUBACK answers it. */
static bool is_answered(struct instance *i, struct fr_delivery *d, enum fr_outcome *outcome)
{
    const char *payload = (const char *)d->bytes;
    size_t len = d->len;
    char topic[256];
    int mid, code;

    if (d->kind == FR_DELIVERY_FIELD) {
        snprintf(topic, sizeof topic, "%s/%s/v/%s", i->base, d->vin, d->name);
        payload = i->host->value(i->sink, d, &len);
    } else
        snprintf(topic, sizeof topic, "%s/%s/%s", i->base, d->vin, d->record_type);
    code = mosquitto_publish(i->client, &mid, topic, (int)len, payload, i->qos, i->retain);
    if (code == MOSQ_ERR_SUCCESS && i->qos > 0) {
        i->sent[mid] = d;
        i->sent_count++;
        return false;
    }
    *outcome = code == MOSQ_ERR_SUCCESS ? FR_DONE
               : code == MOSQ_ERR_PAYLOAD_SIZE || code == MOSQ_ERR_MALFORMED_UTF8 ||
                       code == MOSQ_ERR_INVAL || code == MOSQ_ERR_OVERSIZE_PACKET
                   ? FR_REFUSED
                   : FR_RETRY;
    return true;
}

static void deliver(void *state, struct fr_delivery *const *batch, size_t count)
{
    struct instance *i = state;

    for (size_t k = 0; k < count; k++) {
        enum fr_outcome outcome = FR_RETRY;

        if (!i->up || is_answered(i, batch[k], &outcome))
            i->host->done(i->sink, batch[k], outcome);
    }
    want_write(i);
}

/* ---- life ------------------------------------------------------------------------ */

static void check(struct fr_sink *sink, const struct fr_host *host)
{
    const char *base = host->text(sink, "topic");

    if (strpbrk(base, "+#") != NULL || base[0] == '\0' || strlen(base) > 100)
        host->wrong(sink, "topic", NULL,
                    "topic must be 1 to 100 characters without + and #, such as tesla");
    if (host->number(sink, "port") < 1 || host->number(sink, "port") > 65535)
        host->wrong(sink, "port", NULL, "port must lie between 1 and 65535");
    if (host->number(sink, "keepalive") < 5000 || host->number(sink, "keepalive") > 3600000)
        host->wrong(sink, "keepalive", NULL, "keepalive must lie between 5 s and 1 h");
}

static void close_instance(void *state)
{
    struct instance *i = state;

    if (i->client != NULL && i->up)
        mosquitto_disconnect(i->client);
    forget_client(i);
    free_event(&i->misc);
    free_event(&i->again);
    mosquitto_lib_cleanup();
    free(i);
}

static void *open_instance(struct fr_sink *sink, const struct fr_host *host)
{
    struct timeval pause = in_ms(MISC_MS);
    struct instance *i = calloc(1, sizeof *i);

    if (i == NULL)
        return NULL;
    mosquitto_lib_init();
    i->sink = sink;
    i->host = host;
    i->base = host->text(sink, "topic");
    i->qos = (int)host->number(sink, "qos");
    i->retain = host->number(sink, "retain");
    i->misc = event_new(host->event_base(sink), -1, EV_PERSIST, look_after, i);
    i->again = event_new(host->event_base(sink), -1, 0, connect_again, i);
    if (i->misc == NULL || i->again == NULL || event_add(i->misc, &pause) != 0) {
        close_instance(i);
        return NULL;
    }
    host->health(sink, FR_HEALTH_DEGRADED, "connecting");
    begin_connecting(i);
    return i;
}

static const struct fr_option options[] = {
    {"host", FR_OPTION_TEXT, "localhost", false, NULL, "the broker"},
    {"port", FR_OPTION_INTEGER, "1883", false, NULL, "the broker's port"},
    {"topic", FR_OPTION_TEXT, "tesla", false, NULL, "what topics begin with: TOPIC/VIN/v/FIELD"},
    {"qos", FR_OPTION_CHOICE, "1", false, "0|1", "1: done when the broker has confirmed it"},
    {"retain", FR_OPTION_BOOLEAN, "true", false, NULL, "the broker keeps the last value"},
    {"client_id", FR_OPTION_TEXT, NULL, false, NULL, "fleetroute- and the sink's name, if not set"},
    {"username", FR_OPTION_TEXT, NULL, false, NULL, "where the broker asks for one"},
    {"password_file", FR_OPTION_TEXT, NULL, false, NULL, "a file whose first line is the password"},
    {"tls", FR_OPTION_BOOLEAN, "false", false, NULL, "encrypt, and verify the broker"},
    {"ca", FR_OPTION_TEXT, NULL, false, NULL,
     "who signed the broker's certificate; the system's CAs"},
    {"certificate", FR_OPTION_TEXT, NULL, false, NULL, "our own, where the broker asks for one"},
    {"key", FR_OPTION_TEXT, NULL, false, NULL, "its key"},
    {"keepalive", FR_OPTION_DURATION, "15 s", false, NULL,
     "a silent broker is given up after this"},
    {0},
};

extern const struct fr_plugin fleetroute_plugin;

const struct fr_plugin fleetroute_plugin = {
    .abi = FLEETROUTE_PLUGIN_ABI,
    .name = "mqtt",
    .version = PACKAGE_VERSION,
    .summary = "an MQTT broker, with the topics of Tesla's server",
    .options = options,
    .format = FR_FORMAT_JSON,
    .in_flight = 2000,
    .mode = FR_MODE_LATEST,
    .check = check,
    .open = open_instance,
    .deliver = deliver,
    .close = close_instance,
};
