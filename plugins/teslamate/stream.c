#include "teslamate/stream.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock_ms.h"
#include "teslamate/client_message.h"
#include "teslamate/row.h"

#define HELLO_MS 9000 /* clients expect a message every 10 s */
#define HELLO "{\"msg_type\":\"control:hello\",\"connection_timeout\":30000}"

struct subscription {
    struct subscription *next;                    /* of the client */
    struct subscription *next_of_vehicle, **link; /* link: NULL while it has no vehicle */
    struct client *client;
    struct row_columns columns;
    char tag[CLIENT_TAG_SIZE];
};

struct stream {
    struct token_file *const *tokens;
    struct vehicles *vehicles;
    struct clients *clients;
    struct subscription *first_waiting; /* without a vehicle, linked by next_of_vehicle */
    struct fr_text_buffer row, message;
    unsigned long long rows;
};

struct stream *stream_new(struct token_file *const *tokens)
{
    struct stream *stream = calloc(1, sizeof *stream);

    if (stream != NULL)
        stream->tokens = tokens;
    return stream;
}

void stream_free(struct stream *stream)
{
    if (stream == NULL)
        return;
    fr_text_buffer_free(&stream->row);
    fr_text_buffer_free(&stream->message);
    free(stream);
}

void stream_connect(struct stream *stream, struct vehicles *vehicles, struct clients *clients)
{
    stream->vehicles = vehicles;
    stream->clients = clients;
}

unsigned long long stream_rows(const struct stream *stream)
{
    return stream->rows;
}

/* ---- messages to clients --------------------------------------------------------- */

static void stream_hello(struct client *client)
{
    client_own(client)->hello_ms = fr_clock_monotonic_ms();
    client_send(client, HELLO, strlen(HELLO));
}

static void stream_send_message(struct stream *stream, struct client *client)
{
    if (!stream->message.failed)
        client_send(client, stream->message.bytes, stream->message.len);
}

/* Tags, errors and rows need no escaping: tags are letters and digits. */
static void stream_error(struct stream *stream, struct client *client, const char *tag,
                         const char *error, const char *text)
{
    fr_text_buffer_clear(&stream->message);
    fr_text_buffer_printf(&stream->message,
                          "{\"msg_type\":\"data:error\",\"tag\":\"%s\",\"error_type\":\"%s\","
                          "\"value\":\"%s\"}",
                          tag, error, text);
    stream_send_message(stream, client);
}

/* Send the row in stream->row. */
static void stream_send_row(struct stream *stream, const struct subscription *s)
{
    fr_text_buffer_clear(&stream->message);
    fr_text_buffer_add(&stream->message, "{\"msg_type\":\"data:update\",\"tag\":\"");
    fr_text_buffer_add(&stream->message, s->tag);
    fr_text_buffer_add(&stream->message, "\",\"value\":\"");
    fr_text_buffer_append(&stream->message, stream->row.bytes, stream->row.len);
    fr_text_buffer_add(&stream->message, "\"}");
    stream_send_message(stream, s->client);
    stream->rows++;
}

static void stream_make_row(struct stream *stream, const struct vehicle *vehicle,
                            const struct row_columns *columns)
{
    fr_text_buffer_clear(&stream->row);
    row_write(&stream->row, vehicle->car, vehicle->as_of_ms, columns);
    if (stream->row.failed)
        fr_text_buffer_clear(&stream->row);
}

static void stream_send_away(struct stream *stream, const struct subscription *s, const char *state)
{
    if (strcmp(state, "asleep") == 0)
        stream_error(stream, s->client, s->tag, "vehicle_disconnected", "disconnected");
    else
        stream_error(stream, s->client, s->tag, "vehicle_error", "Vehicle is offline");
}

/* ---- subscriptions --------------------------------------------------------------- */

static void stream_link(struct subscription *s, struct subscription **head)
{
    s->next_of_vehicle = *head;
    s->link = head;
    if (*head != NULL)
        (*head)->link = &s->next_of_vehicle;
    *head = s;
}

static void stream_unlink(struct subscription *s)
{
    *s->link = s->next_of_vehicle;
    if (s->next_of_vehicle != NULL)
        s->next_of_vehicle->link = s->link;
}

static void stream_remove(struct stream *stream, struct client *client, struct subscription **at)
{
    struct subscription *s = *at;

    *at = s->next;
    stream_unlink(s);
    free(s);
    client_own(client)->subscription_count--;
    clients_counts(stream->clients)->subscriptions--;
}

static struct subscription **stream_find(struct client *client, const char *tag)
{
    struct subscription **at = &client_own(client)->subscriptions;

    while (*at != NULL && strcmp((*at)->tag, tag) != 0)
        at = &(*at)->next;
    return at;
}

/* Find the subscription with this tag, or make one. NULL: there are too many, or no memory. */
static struct subscription *stream_ensure(struct stream *stream, struct client *client,
                                          const struct client_message *message)
{
    struct client_own *own = client_own(client);
    struct subscription *s = *stream_find(client, message->tag);
    struct vehicle *vehicle;

    if (s == NULL && own->subscription_count < STREAM_SUBSCRIPTIONS_MAX &&
        (s = calloc(1, sizeof *s)) != NULL) {
        memcpy(s->tag, message->tag, sizeof s->tag);
        s->client = client;
        s->next = own->subscriptions;
        own->subscriptions = s;
        own->subscription_count++;
        clients_counts(stream->clients)->subscriptions++;
        vehicle = vehicles_find(stream->vehicles, s->tag);
        stream_link(s, vehicle != NULL ? &vehicle->subscriptions : &stream->first_waiting);
    }
    if (s != NULL)
        s->columns = message->columns;
    return s;
}

/* Send the present values, or why there are none. */
static void stream_begin(struct stream *stream, const struct subscription *s)
{
    const struct vehicle *vehicle = vehicles_find(stream->vehicles, s->tag);

    if (vehicle == NULL)
        stream_error(stream, s->client, s->tag, "vehicle_error",
                     "no record of this vehicle has arrived yet");
    else if (!vehicle->online)
        stream_send_away(stream, s, vehicle_state(vehicle));
    else {
        stream_make_row(stream, vehicle, &s->columns);
        stream_send_row(stream, s);
    }
}

static void stream_subscribe(struct stream *stream, struct client *client,
                             const struct client_message *message)
{
    const struct subscription *s;

    if (!client_is_authorised(client)) {
        if (*stream->tokens == NULL || !token_file_contains(*stream->tokens, message->token)) {
            stream_error(stream, client, message->tag, "client_error",
                         "Can't validate token. It is not in token_file.");
            client_refuse(client);
            return;
        }
        client_authorise(client);
    }
    s = stream_ensure(stream, client, message);
    if (s != NULL)
        stream_begin(stream, s);
    else
        stream_error(stream, client, message->tag, "vehicle_error",
                     "too many subscriptions on this connection");
}

/* ---- from clients ---------------------------------------------------------------- */

void stream_opened(struct stream *stream, struct client *client)
{
    (void)stream;
    stream_hello(client);
}

void stream_message(struct stream *stream, struct client *client, const char *text, size_t len)
{
    struct client_message message;
    struct subscription **at;

    client_message_read(text, len, &message);
    switch (message.kind) {
    case CLIENT_SUBSCRIBE:
        stream_subscribe(stream, client, &message);
        break;
    case CLIENT_UNSUBSCRIBE:
        at = stream_find(client, message.tag);
        if (*at != NULL)
            stream_remove(stream, client, at);
        break;
    case CLIENT_MALFORMED:
        clients_counts(stream->clients)->malformed++;
        stream_error(stream, client, message.tag, "vehicle_error", "the message is not valid");
        break;
    case CLIENT_UNKNOWN:
    default:
        break;
    }
}

void stream_tick(struct stream *stream, struct client *client, int64_t now_ms)
{
    (void)stream;
    if (now_ms - client_own(client)->hello_ms >= HELLO_MS)
        stream_hello(client);
}

void stream_closed(struct stream *stream, struct client *client)
{
    while (client_own(client)->subscriptions != NULL)
        stream_remove(stream, client, &client_own(client)->subscriptions);
}

/* ---- from vehicles --------------------------------------------------------------- */

void stream_vehicle_added(struct stream *stream, struct vehicle *vehicle)
{
    struct subscription *next;
    char id[16];

    snprintf(id, sizeof id, "%lu", (unsigned long)vehicle->id);
    for (struct subscription *s = stream->first_waiting; s != NULL; s = next) {
        next = s->next_of_vehicle;
        if (strcmp(s->tag, vehicle->car->vin) == 0 || strcmp(s->tag, id) == 0) {
            stream_unlink(s);
            stream_link(s, &vehicle->subscriptions);
        }
    }
}

void stream_vehicle_frame(struct stream *stream, struct vehicle *vehicle)
{
    const struct row_columns *made = NULL;

    for (struct subscription *s = vehicle->subscriptions; s != NULL; s = s->next_of_vehicle) {
        if (made == NULL || !row_columns_equal(made, &s->columns)) {
            stream_make_row(stream, vehicle, &s->columns);
            made = &s->columns;
        }
        stream_send_row(stream, s);
    }
}

/* Online vehicles have a row with their next frame. */
void stream_vehicle_state(struct stream *stream, struct vehicle *vehicle)
{
    if (vehicle->online)
        return;
    for (struct subscription *s = vehicle->subscriptions; s != NULL; s = s->next_of_vehicle)
        stream_send_away(stream, s, vehicle_state(vehicle));
}
