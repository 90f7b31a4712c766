/*
 * broker.h - the connection to an MQTT broker: libmosquitto on the sink's event base.
 *
 * A connection is never mended: when it ends, what was not confirmed is answered FR_RETRY, and
 * a new one is made after a pause. A message is confirmed with the broker's PUBACK; with qos 0 when it
 * was written to the socket.
 */
#ifndef FR_BROKER_H
#define FR_BROKER_H

#include "fleetroute/plugin.h"
#include "mqtt/job.h"

/* What the owner is told; all on the sink's thread. */
struct broker_events {
    void (*up)(void *ctx);   /* connected: subscribe and say what must be said at first */
    void (*down)(void *ctx); /* it was up and is not any more */
    void (*message)(void *ctx, const char *topic, const char *payload, size_t len, bool retained);
};

struct broker;

/* Begin to connect, with the sink's options. `will` is the topic that says "offline" when we are
 * gone; NULL: none. `jobs` outlives it. NULL: no memory. */
struct broker *broker_new(struct fr_sink *sink, const struct fr_host *host, const char *will,
                          struct job_queue *jobs, const struct broker_events *events, void *ctx);

/* Hang up, after what was published is on its way; jobs in flight are not answered. NULL is allowed. */
void broker_free(struct broker *broker);

bool broker_is_up(const struct broker *broker);

/* Whether another message may be published now: connected, and not too much in flight. */
bool broker_has_capacity(const struct broker *broker);

/* Publish for a job, or for none (NULL). A job's `retry` and `outcome` are set where it fails. */
void broker_publish(struct broker *broker, const char *topic, const char *payload, size_t len,
                    bool retain, struct job *job);

void broker_subscribe(struct broker *broker, const char *pattern);

/* The options that every layout shares, for the descriptor's list. */
#define BROKER_OPTIONS                                                                               \
    {"host", FR_OPTION_TEXT, "localhost", false, NULL, "the broker"},                                \
        {"port", FR_OPTION_INTEGER, NULL, false, NULL, "the broker's port; 1883, with tls 8883"},    \
        {"protocol",     FR_OPTION_CHOICE,                                                           \
         "auto",         false,                                                                      \
         "auto|5|3.1.1", "MQTT's version; auto: 5, and 3.1.1 where the broker does not know it"},    \
        {"qos", FR_OPTION_CHOICE, "1", false, "0|1", "1: done when the broker has confirmed it"},    \
        {"client_id", FR_OPTION_TEXT,                                                                \
         NULL,        false,                                                                         \
         NULL,        "if not set, fleetroute-, the sink's name and 8 digits of this installation"}, \
        {"username", FR_OPTION_TEXT, NULL, false, NULL, "where the broker asks for one"},            \
        {"password_file", FR_OPTION_TEXT, NULL,                                                      \
         false,           NULL,           "a file whose first line is the password"},                \
        {"tls", FR_OPTION_BOOLEAN, "false", false, NULL, "encrypt, and verify the broker"},          \
        {"ca", FR_OPTION_TEXT,                                                                       \
         NULL, false,                                                                                \
         NULL, "who signed the broker's certificate; if not set, one of the system's CAs"},          \
        {"certificate", FR_OPTION_TEXT, NULL,                                                        \
         false,         NULL,           "our own, where the broker asks for one"},                   \
        {"key", FR_OPTION_TEXT, NULL, false, NULL, "its key"},                                       \
    {                                                                                                \
        "keepalive", FR_OPTION_DURATION, "15 s", false, NULL,                                        \
            "a silent broker is given up after this"                                                 \
    }

#endif
