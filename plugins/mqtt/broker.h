/*
 * The connection to an MQTT broker: libmosquitto on the sink's event base.
 *
 * When a connection ends, deliveries with unconfirmed messages are answered FR_RETRY, and a new
 * connection is made after a pause of 0.5 to 4 seconds. A message is confirmed by the broker's
 * PUBACK; with qos 0, when it is written to the socket.
 *
 * All functions and callbacks run on the sink's thread.
 */
#ifndef FR_BROKER_H
#define FR_BROKER_H

#include "fleetroute/plugin.h"
#include "mqtt/job.h"

/* Callbacks to the creator of the broker. */
struct broker_events {
    void (*up)(void *ctx);   /* connected: subscriptions and first messages may follow */
    void (*down)(void *ctx); /* the connection was up and is lost */
    /* A message of a subscribed topic. The payload is not NUL-terminated; `len` is at least 1. */
    void (*message)(void *ctx, const char *topic, const char *payload, size_t len, bool retained);
    /* A reason, with its remedy, for which a connected sink is degraded; NULL: none. */
    const char *(*problem)(void *ctx);
};

struct broker;

/* Start connecting, with the sink's options. `without_v5` says what is missing if the broker supports
 * only MQTT 3.1.1, for the health of the sink; NULL: nothing. `will` is the topic to which the broker publishes
 * "offline" as the last will; NULL: none. The texts and `jobs` must outlive the broker. NULL: no
 * memory. */
struct broker *broker_new(struct fr_sink *sink, const struct fr_host *host, const char *will,
                          const char *without_v5, struct job_queue *jobs,
                          const struct broker_events *events, void *ctx);

/* Disconnect after sending what was published. Jobs in flight are not answered. NULL is allowed. */
void broker_free(struct broker *broker);

bool broker_is_up(const struct broker *broker);

/* The answer of the callback `problem` has changed: report the health again, if connected. */
void broker_report_problem(struct broker *broker);

/* Options of the connection, for the descriptor's list. */
#define BROKER_OPTIONS                                                                               \
    {"host", FR_OPTION_TEXT, "localhost", false, NULL, "host name or address of the broker"},        \
        {"port", FR_OPTION_INTEGER, NULL, false, NULL, "the broker's port; 1883, with tls 8883"},    \
        {"protocol",     FR_OPTION_CHOICE,                                                           \
         "auto",         false,                                                                      \
         "auto|5|3.1.1", "version of MQTT; auto: 5, or 3.1.1 if the broker does not support it"},    \
        {"qos", FR_OPTION_CHOICE,                                                                    \
         "1",   false,                                                                               \
         "0|1", "1: a message is done when the broker has confirmed it"},                            \
        {"client_id", FR_OPTION_TEXT,                                                                \
         NULL,        false,                                                                         \
         NULL,        "if not set, fleetroute-, the sink's name and 8 digits of this installation"}, \
        {"username", FR_OPTION_TEXT, NULL, false, NULL, "user name, if the broker requires one"},    \
        {"password_file", FR_OPTION_TEXT, NULL,                                                      \
         false,           NULL,           "file whose first line is the password"},                  \
        {"tls",   FR_OPTION_BOOLEAN,                                                                 \
         "false", false,                                                                             \
         NULL,    "encrypt, and verify the broker's certificate"},                                   \
        {"ca",  FR_OPTION_TEXT, NULL,                                                                \
         false, NULL,           "CA of the broker's certificate; if not set, the system's CAs"},     \
        {"certificate", FR_OPTION_TEXT, NULL,                                                        \
         false,         NULL,           "client certificate, if the broker requires one"},           \
        {"key", FR_OPTION_TEXT, NULL, false, NULL, "key of the client certificate"},                 \
    {                                                                                                \
        "keepalive", FR_OPTION_DURATION, "15 s", false, NULL,                                        \
            "time after which a silent broker is disconnected"                                       \
    }

#endif
