/* What the admin listener shows. */
#include <stdlib.h>
#include <string.h>

#include "admin/status_page.h"
#include "daemon_state.h"
#include "record/json.h"
#include "util/clock.h"
#include "util/redact.h"

#define VEHICLES_SHOWN 100
#define VEHICLES_MOST 2000

/* ---- health ---------------------------------------------------------------------- */

/* "sink home: down: why"; `kind` is the first word with the space behind it. Returns whether it is
 * not down. */
static bool put_state(struct fr_buffer *out, const char *kind, const char *name,
                      enum fr_health health, const char *why)
{
    fr_buffer_printf(out, "%s%s: %s%s%s\n", kind, name, fr_health_word(health),
                     why[0] != '\0' ? ": " : "", why);
    return health != FR_HEALTH_DOWN;
}

/* The journal's; where there is none it is well. */
static bool journal_ready(struct fr_daemon *d, struct fr_buffer *out)
{
    struct fr_journal_status s;

    if (d->journal == NULL)
        return true;
    fr_journal_status(d->journal, &s);
    return put_state(out, "", "journal", s.stuck ? FR_HEALTH_DOWN : FR_HEALTH_UP, s.why);
}

/* Whether vehicles' records are taken: what a restart might mend. */
static int healthz(void *ctx, const char *query, struct fr_buffer *out)
{
    (void)query;
    if (!journal_ready(ctx, out))
        return 503;
    fr_buffer_clear(out);
    fr_buffer_text(out, "ok\n");
    return 200;
}

static bool certificate_ready(const struct fr_daemon *d, struct fr_buffer *out)
{
    int64_t left = fr_tls_expiry(d->setup->tls) - fr_wall_ms() / 1000;

    if (left <= 0)
        fr_buffer_text(out, "certificate: down: it has expired; vehicles refuse it\n");
    else
        fr_buffer_printf(out, "certificate: up: %lld days left\n", (long long)(left / 86400));
    return left > 0;
}

static bool connections_ready(struct fr_daemon *d, struct fr_buffer *out)
{
    const struct fr_ingest *ingest = atomic_load(&d->ingest);
    bool out_of = ingest != NULL && fr_ingest_out_of_descriptors(ingest);

    return put_state(out, "", "connections", out_of ? FR_HEALTH_DOWN : FR_HEALTH_UP,
                     out_of ? "new vehicles wait for a free file descriptor; raise LimitNOFILE= or "
                              "lower limits.connections"
                            : "");
}

/* Whether all that is configured does its work, and what does not. */
static int readyz(void *ctx, const char *query, struct fr_buffer *out)
{
    struct fr_daemon *d = ctx;
    bool ready = journal_ready(d, out);

    (void)query;
    ready = certificate_ready(d, out) && ready;
    ready = connections_ready(d, out) && ready;
    for (size_t i = 0; i < d->started; i++) {
        struct fr_sink_status s;

        fr_sink_status(d->setup->sinks[i], &s);
        ready = put_state(out, "sink ", s.name, s.health, s.why) && ready;
    }
    for (size_t i = 0; i < d->setup->server->source_count; i++) {
        struct fr_source_status s;

        fr_source_status(d->setup->sources[i], &s);
        ready = put_state(out, "source ", s.name, s.health, s.why) && ready;
    }
    return ready ? 200 : 503;
}

/* ---- status ---------------------------------------------------------------------- */

static int status(void *ctx, const char *query, struct fr_buffer *out)
{
    (void)query;
    fr_daemon_status(ctx, out);
    return 200;
}

static int metrics(void *ctx, const char *query, struct fr_buffer *out)
{
    (void)query;
    fr_daemon_metrics(ctx, out);
    return 200;
}

/* The value of a key of the query; only letters, digits, '-' and '_' of it, for VINs and numbers
 * have no others. */
static void from_query(const char *query, const char *key, char *value, size_t size)
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

/* GET /vehicles?find=PART&limit=N: those that are here first, then the others, who spoke last first. */
static int vehicles(void *ctx, const char *query, struct fr_buffer *out)
{
    struct fr_daemon *d = ctx;
    struct fr_ingest *ingest = atomic_load(&d->ingest);
    struct fr_presence_status *list = NULL;
    char part[FR_VIN_MAX + 1], limit[8];
    size_t count = 0, most;

    from_query(query, "find", part, sizeof part);
    from_query(query, "limit", limit, sizeof limit);
    most = limit[0] != '\0' ? strtoul(limit, NULL, 10) : VEHICLES_SHOWN;
    if (ingest != NULL)
        count = fr_presence_list(fr_ingest_presence(ingest), part, &list);
    fr_buffer_printf(out, "{\"found\":%zu,\"vehicles\":[", count);
    for (size_t i = 0; list != NULL && i < count && i < most && i < VEHICLES_MOST; i++) {
        char buffer[FR_REDACTED_VIN_SIZE];
        const char *vin = fr_shown_vin(list[i].vin, buffer);

        fr_buffer_text(out, i == 0 ? "{\"vin\":" : ",{\"vin\":");
        fr_json_string(out, vin, strlen(vin));
        fr_buffer_printf(out, ",\"here\":%s,\"connections\":%u,\"last_ms\":%lld,\"records\":%llu}",
                         list[i].here ? "true" : "false", list[i].connections,
                         (long long)list[i].last_ms, (unsigned long long)list[i].records);
    }
    fr_buffer_text(out, "]}");
    free(list);
    return list != NULL || ingest == NULL ? 200 : 503;
}

/* ---- the page -------------------------------------------------------------------- */

static int put_lines(struct fr_buffer *out, const char *const *lines)
{
    for (; *lines != NULL; lines++)
        fr_buffer_text(out, *lines);
    return 200;
}

static int page(void *ctx, const char *query, struct fr_buffer *out)
{
    (void)ctx, (void)query;
    return put_lines(out, fr_status_page_html);
}

static int style(void *ctx, const char *query, struct fr_buffer *out)
{
    (void)ctx, (void)query;
    return put_lines(out, fr_status_page_css);
}

static int script(void *ctx, const char *query, struct fr_buffer *out)
{
    (void)ctx, (void)query;
    return put_lines(out, fr_status_page_js);
}

#define PLAIN "text/plain; charset=utf-8"
#define JSON "application/json"

const struct fr_http_page fr_daemon_pages[] = {
    {"/", "text/html; charset=utf-8", true, page},
    {"/status_page.css", "text/css; charset=utf-8", true, style},
    {"/status_page.js", "text/javascript; charset=utf-8", true, script},
    {"/healthz", PLAIN, true, healthz},
    {"/readyz", PLAIN, false, readyz},
    {"/metrics", "text/plain; version=0.0.4; charset=utf-8", false, metrics},
    {"/status", JSON, false, status},
    {"/vehicles", JSON, false, vehicles},
    {NULL, NULL, false, NULL},
};
