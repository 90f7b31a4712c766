/* The ha_websocket plugin: its commands for arbitrary deliveries, and its handling of unusual
 * answers. */
#include <event2/event.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "deliveries.h"
#include "ha_websocket/registration.h"
#include "ha_websocket/registration_file.h"
#include "ha_websocket/hub.h"

#define COMMANDS_MAX 4096

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

struct session {
    const struct session_events *events;
    void *ctx;
};

struct pending {
    session_answer *answer;
    void *ctx;
    char type;
};

static struct session session;
static struct pending pending[COMMANDS_MAX];
static size_t pending_count, answer_index;
static const uint8_t *input;
static size_t input_len;

/* ---- a session -------------------------------------------------------------------- */

struct session *session_new(struct fr_sink *sink, const struct fr_host *host,
                            const struct peer *peer, const struct session_events *events, void *ctx)
{
    (void)sink, (void)host, (void)peer;
    session = (struct session){events, ctx};
    return &session;
}

void session_free(struct session *s)
{
    (void)s;
}

bool session_ready(const struct session *s)
{
    (void)s;
    return true;
}

size_t session_capacity(const struct session *s)
{
    (void)s;
    return 128 > pending_count ? 128 - pending_count : 0;
}

const char *session_token(const struct session *s)
{
    (void)s;
    return "token";
}

const char *session_address(const struct session *s)
{
    (void)s;
    return "127.0.0.1";
}

const char *session_version(const struct session *s)
{
    (void)s;
    return "1";
}

bool session_send(struct session *s, json_t *command, session_answer *answer, void *ctx)
{
    const char *type = json_string_value(json_object_get(command, "type"));
    char *text = json_dumps(command, JSON_COMPACT);

    (void)s;
    if (text == NULL || type == NULL || pending_count == COMMANDS_MAX)
        abort(); /* an invalid command, or more than session_capacity() allows */
    pending[pending_count++] = (struct pending){answer, ctx, type[0]};
    free(text);
    json_decref(command);
    return true;
}

/* ---- registration ------------------------------------------------------------------ */

int saved_registration_load(struct saved_registration *r, const char *folder, const char *vin,
                            struct fr_text_buffer *reason)
{
    (void)folder, (void)vin, (void)reason;
    *r = (struct saved_registration){.webhook = strdup("hook"), .sensors = json_object()};
    return 0;
}

bool saved_registration_save(const struct saved_registration *r, const char *folder,
                             const char *vin, struct fr_text_buffer *reason)
{
    (void)r, (void)folder, (void)vin, (void)reason;
    return true;
}

void saved_registration_clear(struct saved_registration *r)
{
    free(r->webhook);
    free(r->device_name);
    free(r->version);
    json_decref(r->sensors);
}

struct registration *registration_start(const struct peer *peer, struct event_base *base,
                                        const char *address, const char *token, json_t *body,
                                        registration_done *done, void *ctx)
{
    (void)peer, (void)base, (void)address, (void)token, (void)done, (void)ctx;
    if (body == NULL)
        abort();
    json_decref(body);
    return NULL;
}

void registration_cancel(struct registration *r)
{
    (void)r;
}

/* ---- answers ------------------------------------------------------------------------ */

static json_t *answer_of(char type, uint8_t choice)
{
    switch (type) {
    case 'c': /* config/entity_registry/list, …/update, call_service */
        return json_pack("[{s:s, s:s, s:s, s:s?}, {}, n, i]", "platform", "mobile_app", "entity_id",
                         "device_tracker.x", "unique_id",
                         choice & 1 ? "5YJ3E1EA7KF000001" : "%2E.%2F%FF%2B%23", "disabled_by",
                         choice & 2 ? "user" : NULL, 1);
    case 'g': /* get_states */
        return json_pack("[{s:s, s:s, s:{s:f, s:f}}, {}, n]", "entity_id", "device_tracker.x",
                         "state", "home", "attributes", "latitude", 52.0, "longitude", 13.0);
    case 'w': /* webhook/handle */
        return choice % 5 == 0 ? json_object()
               : choice % 5 == 1
                   ? json_pack("{s:s%}", "body", (const char *)input,
                               input_len < 100 ? input_len : 100)
                   : json_pack("{s:s}", "body",
                               choice % 5 == 2
                                   ? "{\"speed\":{\"error\":{\"code\":\"not_registered\"}}}"
                                   : "{\"success\":true}");
    default:
        return json_object();
    }
}

static void answer_all(void)
{
    for (int rounds = 0; rounds < 200 && pending_count != 0; rounds++) {
        struct pending p = pending[0];
        uint8_t choice = input_len != 0 ? input[answer_index++ % input_len] : 0;
        json_t *result = answer_of(p.type, choice);

        memmove(pending, pending + 1, --pending_count * sizeof pending[0]);
        if (p.answer != NULL)
            p.answer(p.ctx, choice % 11 == 0 ? NULL : result,
                     choice % 11 == 0 ? "unusual_error" : NULL);
        json_decref(result);
        session.events->on_writable(session.ctx);
        event_base_loop(fuzz_host.event_base(NULL), EVLOOP_NONBLOCK);
    }
}

/* ---- deliveries ---------------------------------------------------------------------- */

static struct hub *hub;
static size_t received;

static void deliver(struct fr_delivery *d)
{
    hub_receive(hub, d);
    received++;
    hub_send(hub);
    event_base_loop(fuzz_host.event_base(NULL), EVLOOP_NONBLOCK);
    answer_all();
    /* Complete the remaining deliveries while their bytes are valid. */
    session.events->lost(session.ctx);
    pending_count = 0;
    session.events->ready(session.ctx);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    static struct fr_entities *entities;
    static struct peer peer;
    char reason[256];

    if (len > 20000)
        return 0;
    if (entities == NULL)
        entities =
            fr_entities_parse(fuzz_entities, strlen(fuzz_entities), "f", reason, sizeof reason);
    input = bytes;
    input_len = len;
    answer_index = received = fuzz_done = pending_count = 0;
    hub = hub_new(NULL, &fuzz_host, &peer, entities);
    if (entities == NULL || hub == NULL)
        abort();
    session.events->ready(session.ctx);
    fuzz_deliveries(bytes, len, deliver);
    if (fuzz_done != received)
        abort(); /* each delivery has one outcome */
    hub_free(hub);
    return 0;
}
