#include "daemon/http_endpoints.h"

#include <stdlib.h>
#include <string.h>

#include "admin/status_page.h"
#include "daemon/daemon_state.h"
#include "daemon/prometheus.h"
#include "daemon/status_json.h"
#include "ingest/presence.h"
#include "plugin/host.h"
#include "record/json.h"
#include "util/clock.h"
#include "util/redact.h"

#define VEHICLES_DEFAULT 100 /* without `limit` in the query */
#define VEHICLES_MAX 2000

/* ---- health ---------------------------------------------------------------------- */

/* Append a line such as "sink home: down: cause". `kind` is "" or a word with a space. Returns
 * false if the health is "down". */
static bool endpoint_put_state(struct fr_buffer *out, const char *kind, const char *name,
                               enum fr_health health, const char *why)
{
    fr_buffer_printf(out, "%s%s: %s%s%s\n", kind, name, fr_health_word(health),
                     why[0] != '\0' ? ": " : "", why);
    return health != FR_HEALTH_DOWN;
}

/* Without a journal nothing is appended. */
static bool endpoint_put_journal(struct fr_daemon *d, struct fr_buffer *out)
{
    struct fr_journal_status s;

    if (d->journal == NULL)
        return true;
    fr_journal_status(d->journal, &s);
    return endpoint_put_state(out, "", "journal", s.stuck ? FR_HEALTH_DOWN : FR_HEALTH_UP, s.why);
}

/* GET /healthz: whether the daemon accepts records. A failure may be cured by a restart, so a
 * probe may restart the daemon. */
static int endpoint_healthz(void *ctx, const char *query, struct fr_buffer *out)
{
    (void)query;
    if (!endpoint_put_journal(ctx, out))
        return 503;
    fr_buffer_clear(out);
    fr_buffer_text(out, "ok\n");
    return 200;
}

/* GET /status for load balancers: as in Tesla's server, "ok" without a line feed. Unlike there, 503
 * while the daemon accepts no records. */
static int endpoint_load_balancer(void *ctx, const char *query, struct fr_buffer *out)
{
    int code = endpoint_healthz(ctx, query, out);

    fr_buffer_clear(out);
    fr_buffer_text(out, code == 200 ? "ok" : "down");
    return code;
}

static bool endpoint_put_certificate(const struct fr_daemon *d, struct fr_buffer *out)
{
    char why[FR_CERTIFICATE_AGE_SIZE];
    enum fr_certificate_age age = fr_certificate_age(d->setup->tls, fr_wall_ms() / 1000, why);
    bool up = age == FR_CERTIFICATE_VALID || age == FR_CERTIFICATE_EXPIRES_SOON;

    fr_buffer_printf(out, "certificate: %s: %s\n", up ? "up" : "down", why);
    return up;
}

static bool endpoint_put_connections(struct fr_daemon *d, struct fr_buffer *out)
{
    const struct fr_ingest *ingest = atomic_load(&d->ingest);
    bool exhausted = ingest != NULL && fr_ingest_out_of_descriptors(ingest);

    return endpoint_put_state(
        out, "", "connections", exhausted ? FR_HEALTH_DOWN : FR_HEALTH_UP,
        exhausted ? "no file descriptor is free for new connections; raise LimitNOFILE= or "
                    "lower limits.connections"
                  : "");
}

/* GET /readyz: one line for each configured part; 503 if one is down. */
static int endpoint_readyz(void *ctx, const char *query, struct fr_buffer *out)
{
    struct fr_daemon *d = ctx;
    bool ready = endpoint_put_journal(d, out);

    (void)query;
    ready = endpoint_put_certificate(d, out) && ready;
    ready = endpoint_put_connections(d, out) && ready;
    for (size_t i = 0; i < d->sink_count; i++) {
        struct fr_sink_status s;

        fr_sink_status(d->setup->sinks[i], &s);
        ready = endpoint_put_state(out, "sink ", s.name, s.health, s.why) && ready;
    }
    for (size_t i = 0; i < d->setup->server->source_count; i++) {
        struct fr_source_status s;

        fr_source_status(d->setup->sources[i], &s);
        ready = endpoint_put_state(out, "source ", s.name, s.health, s.why) && ready;
    }
    return ready ? 200 : 503;
}

/* ---- status ---------------------------------------------------------------------- */

static int endpoint_status(void *ctx, const char *query, struct fr_buffer *out)
{
    (void)query;
    fr_daemon_put_status(ctx, out);
    return 200;
}

static int endpoint_metrics(void *ctx, const char *query, struct fr_buffer *out)
{
    (void)query;
    fr_daemon_put_metrics(ctx, out);
    return 200;
}

/* Copy the value of `key` from the query, up to the first character that is neither a letter, a
 * digit, '-' nor '_'. VINs and numbers contain no other characters. "" if the key is missing. */
static void endpoint_get_parameter(const char *query, const char *key, char *value, size_t size)
{
    size_t len = strlen(key), n = 0;

    for (; query[0] != '\0'; query += strcspn(query, "&"), query += query[0] == '&')
        if (strncmp(query, key, len) == 0 && query[len] == '=') {
            const char *from = query + len + 1;

            n = strspn(from, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_");
            n = n < size ? n : size - 1;
            memcpy(value, from, n);
            break;
        }
    value[n] = '\0';
}

static void endpoint_put_vehicle_name(const struct fr_daemon *d, const char *vin,
                                      struct fr_buffer *out)
{
    const char *name = fr_routes_vehicle_name(d->routes, vin);

    if (name == NULL)
        return;
    fr_buffer_text(out, ",\"name\":");
    fr_json_string(out, name, strlen(name));
}

/* Append the address and port of the newest connection. */
static void endpoint_put_address(const char *peer, struct fr_buffer *out)
{
    if (peer[0] == '\0')
        return;
    fr_buffer_text(out, ",\"address\":");
    fr_json_string(out, peer, strlen(peer));
}

/* GET /vehicles?find=PART&limit=N: connected vehicles first, then the others by the time of their
 * last record, newest first. */
static int endpoint_vehicles(void *ctx, const char *query, struct fr_buffer *out)
{
    struct fr_daemon *d = ctx;
    struct fr_ingest *ingest = atomic_load(&d->ingest);
    struct fr_presence_status *list = NULL;
    char part[FR_VIN_MAX + 1], limit[8];
    size_t count = 0, max;

    endpoint_get_parameter(query, "find", part, sizeof part);
    endpoint_get_parameter(query, "limit", limit, sizeof limit);
    max = limit[0] != '\0' ? strtoul(limit, NULL, 10) : VEHICLES_DEFAULT;
    if (ingest != NULL)
        count = fr_presence_list(fr_ingest_presence(ingest), part, &list);
    fr_buffer_printf(out, "{\"found\":%zu,\"vehicles\":[", count);
    for (size_t i = 0; list != NULL && i < count && i < max && i < VEHICLES_MAX; i++) {
        char buffer[FR_REDACTED_VIN_SIZE];
        const char *vin = fr_display_vin(list[i].vin, buffer);

        fr_buffer_text(out, i == 0 ? "{\"vin\":" : ",{\"vin\":");
        fr_json_string(out, vin, strlen(vin));
        endpoint_put_vehicle_name(d, list[i].vin, out);
        fr_buffer_printf(out,
                         ",\"connected\":%s,\"connections\":%u,\"last_ms\":%lld,\"records\":%llu",
                         list[i].connected ? "true" : "false", list[i].connections,
                         (long long)list[i].last_seen_ms, (unsigned long long)list[i].records);
        endpoint_put_address(list[i].peer, out);
        fr_buffer_byte(out, '}');
    }
    fr_buffer_text(out, "]}");
    free(list);
    return list != NULL || ingest == NULL ? 200 : 503;
}

/* ---- the status page -------------------------------------------------------------------- */

static int endpoint_put_lines(struct fr_buffer *out, const char *const *lines)
{
    for (; *lines != NULL; lines++)
        fr_buffer_text(out, *lines);
    return 200;
}

static int endpoint_page(void *ctx, const char *query, struct fr_buffer *out)
{
    (void)ctx, (void)query;
    return endpoint_put_lines(out, fr_status_page_html);
}

static int endpoint_style(void *ctx, const char *query, struct fr_buffer *out)
{
    (void)ctx, (void)query;
    return endpoint_put_lines(out, fr_status_page_css);
}

static int endpoint_script(void *ctx, const char *query, struct fr_buffer *out)
{
    (void)ctx, (void)query;
    return endpoint_put_lines(out, fr_status_page_js);
}

#define PLAIN "text/plain; charset=utf-8"
#define JSON "application/json"

/* The 404 text of the admin listener names the listed endpoints. */
const struct fr_http_endpoint fr_daemon_http_endpoints[] = {
    {"/", "text/html; charset=utf-8", .public = true, .listed = true, endpoint_page},
    {"/status_page.css", "text/css; charset=utf-8", .public = true, .listed = false,
     endpoint_style},
    {"/status_page.js", "text/javascript; charset=utf-8", .public = true, .listed = false,
     endpoint_script},
    {"/healthz", PLAIN, .public = true, .listed = true, endpoint_healthz},
    {"/readyz", PLAIN, .public = false, .listed = true, endpoint_readyz},
    {"/metrics", "text/plain; version=0.0.4; charset=utf-8", .public = false, .listed = true,
     endpoint_metrics},
    {"/status", JSON, .public = false, .listed = true, endpoint_status},
    {"/vehicles", JSON, .public = false, .listed = true, endpoint_vehicles},
    {.path = NULL},
};

const struct fr_http_endpoint fr_daemon_status_endpoints[] = {
    {"/status", PLAIN, .public = true, .listed = true, endpoint_load_balancer},
    {.path = NULL},
};
