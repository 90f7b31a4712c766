#include "daemon/http_endpoints.h"

#include "admin/web_files.h"
#include "admin/web_libraries.h"
#include "daemon/api_acts.h"
#include "daemon/api_dead_letter_acts.h"
#include "daemon/api_dead_letters.h"
#include "daemon/api_history.h"
#include "daemon/api_doctor.h"
#include "daemon/api_overview.h"
#include "daemon/api_vehicles.h"
#include "daemon/daemon_state.h"
#include "daemon/prometheus.h"
#include "daemon/status_json.h"
#include "plugin/host.h"
#include "util/clock.h"

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
static int endpoint_healthz(void *ctx, const struct fr_http_call *call, struct fr_buffer *out)
{
    (void)call;
    if (!endpoint_put_journal(ctx, out))
        return 503;
    fr_buffer_clear(out);
    fr_buffer_text(out, "ok\n");
    return 200;
}

/* GET /status for load balancers: as in Tesla's server, "ok" without a line feed. Unlike there, 503
 * while the daemon accepts no records. */
static int endpoint_load_balancer(void *ctx, const struct fr_http_call *call, struct fr_buffer *out)
{
    int code = endpoint_healthz(ctx, call, out);

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
static int endpoint_readyz(void *ctx, const struct fr_http_call *call, struct fr_buffer *out)
{
    struct fr_daemon *d = ctx;
    bool ready = endpoint_put_journal(d, out);

    (void)call;
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

static int endpoint_status(void *ctx, const struct fr_http_call *call, struct fr_buffer *out)
{
    (void)call;
    fr_daemon_put_status(ctx, out);
    return 200;
}

static int endpoint_metrics(void *ctx, const struct fr_http_call *call, struct fr_buffer *out)
{
    (void)call;
    fr_daemon_put_metrics(ctx, out);
    return 200;
}

/* ---- files of the pages ----------------------------------------------------------------- */

static const struct fr_http_file *endpoint_file(void *ctx, const struct fr_http_call *call)
{
    (void)ctx;
    return fr_web_file(call->segment);
}

static const struct fr_http_file *endpoint_library(void *ctx, const struct fr_http_call *call)
{
    const struct fr_daemon *d = ctx;

    return fr_web_library(d->libraries, call->segment);
}

/* ---- the tables ------------------------------------------------------------------------- */

#define PLAIN "text/plain; charset=utf-8"
#define JSON "application/json"

#define READ(p, t, f)                                                                              \
    {                                                                                              \
        .path = p, .type = t, .listed = true, .render = f, .kind = FR_HTTP_READ                    \
    }
#define FILES(p, f)                                                                                \
    {                                                                                              \
        .path = p, .public = true, .listed = true, .kind = FR_HTTP_FILES, .file = f                \
    }
/* A page: one file of core/admin/web. Until that file exists, the endpoint does not. */
#define PAGE(p, n)                                                                                 \
    {                                                                                              \
        .path = p, .public = true, .listed = true, .kind = FR_HTTP_FILES, .file_name = n           \
    }
#define ACT(p, f)                                                                                  \
    {                                                                                              \
        .path = p, .type = JSON, .listed = true, .render = f, .kind = FR_HTTP_ACT                  \
    }
#define VEHICLES(p, f)                                                                             \
    {                                                                                              \
        .path = p, .type = JSON, .listed = true, .render = f, .kind = FR_HTTP_JOB,                 \
        .prepare = fr_api_vehicles_prepare, .release = fr_api_vehicles_release                     \
    }

/* The 404 text of the admin listener names the listed endpoints. */
const struct fr_http_endpoint fr_daemon_http_endpoints[] = {
    PAGE("/", "overview.html"),
    PAGE("/vehicle/{vin}", "vehicle.html"),
    PAGE("/live", "live.html"),
    PAGE("/checklist", "checklist.html"),
    PAGE("/dead-letters", "dead_letters.html"),
    FILES("/web/*", endpoint_file),
    FILES("/lib/*", endpoint_library),
    {"/healthz", PLAIN, .public = true, .listed = true, endpoint_healthz, .kind = FR_HTTP_READ},
    READ("/readyz", PLAIN, endpoint_readyz),
    READ("/metrics", "text/plain; version=0.0.4; charset=utf-8", endpoint_metrics),
    READ("/status", JSON, endpoint_status),
    VEHICLES("/vehicles", fr_api_vehicles_list),
    VEHICLES("/api/vehicles", fr_api_vehicles_list),
    VEHICLES("/api/vehicles/{vin}", fr_api_vehicle),
    VEHICLES("/api/vehicles/{vin}/history", fr_api_history),
    VEHICLES("/api/vehicles/{vin}/track", fr_api_track),
    VEHICLES("/api/vehicles/{vin}/sessions", fr_api_sessions),
    VEHICLES("/api/vehicles/{vin}/alerts", fr_api_alerts),
    VEHICLES("/api/vehicles/{vin}/connections", fr_api_connections),
    VEHICLES("/api/vehicles/{vin}/signals", fr_api_signals),
    {"/api/dead-letters", JSON, .listed = true, fr_api_dead_letters, .kind = FR_HTTP_JOB,
     .prepare = fr_api_dead_letters_prepare, .release = fr_api_dead_letters_release},
    ACT("/api/dead-letters/resend", fr_api_resend_dead_letters),
    ACT("/api/dead-letters/drop", fr_api_drop_dead_letters),
    READ("/api/overview", JSON, fr_api_overview),
    READ("/api/doctor", JSON, fr_api_doctor),
    {.path = "/api/records", .listed = true, .kind = FR_HTTP_RECORDS},
    ACT("/api/acts/reload", fr_api_reload),
    ACT("/api/sinks/{name}/pause", fr_api_pause),
    ACT("/api/sinks/{name}/resume", fr_api_resume),
    ACT("/api/sinks/{name}/rewind", fr_api_rewind),
    PAGE("/api/openapi.json", "openapi.json"),
    {.path = NULL},
};

const struct fr_http_endpoint fr_daemon_status_endpoints[] = {
    {"/status", PLAIN, .public = true, .listed = true, endpoint_load_balancer,
     .kind = FR_HTTP_READ},
    {.path = NULL},
};
