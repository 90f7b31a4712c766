#include "daemon/reload.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "daemon/admin_certificate.h"
#include "daemon/admin_token.h"
#include "daemon/backpressure.h"
#include "daemon/certificates.h"
#include "daemon/reload_waiters.h"
#include "daemon/settings.h"
#include "ingest/tls.h"
#include "privsep/sandbox.h"
#include "record/json.h"
#include "util/clock.h"
#include "util/counters.h"
#include "util/log.h"

#define STEP_MS 5 /* between calls of fr_sink_changes_step() */

/* Log a line and append it to the report that the client of `reload` gets. */
static void reload_warn(struct fr_buffer *report, const char *text)
{
    fr_log(FR_LOG_WARNING, "reload: %s", text);
    fr_buffer_text(report, text);
    fr_buffer_byte(report, '\n');
}

static bool reload_equal(const char *a, const char *b)
{
    return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

static bool reload_equal_home(const struct fr_server_config *now,
                              const struct fr_server_config *next)
{
    return now->admin_has_home == next->admin_has_home &&
           (!now->admin_has_home ||
            (fabs(now->admin_home_latitude - next->admin_home_latitude) < 1e-9 &&
             fabs(now->admin_home_longitude - next->admin_home_longitude) < 1e-9 &&
             fabs(now->admin_home_radius - next->admin_home_radius) < 1e-3));
}

static bool reload_equal_hosts(const struct fr_server_config *a, const struct fr_server_config *b)
{
    if (a->admin_host_count != b->admin_host_count)
        return false;
    for (size_t i = 0; i < a->admin_host_count; i++)
        if (strcmp(a->admin_hosts[i], b->admin_hosts[i]) != 0)
            return false;
    return true;
}

static bool reload_same_history(const struct fr_history_config *a,
                                const struct fr_history_config *b)
{
    return a->on == b->on && a->size == b->size && a->keep_ms == b->keep_ms &&
           a->vehicles == b->vehicles && a->field_count == b->field_count &&
           (a->field_count == 0 ||
            memcmp(a->fields, b->fields, a->field_count * sizeof *a->fields) == 0);
}

/* Report the changed settings that only a restart applies. */
static void reload_report_fixed(const struct fr_server_config *now,
                                const struct fr_server_config *next, struct fr_buffer *report)
{
    if (!reload_equal(now->address, next->address) || now->port != next->port ||
        now->workers != next->workers)
        reload_warn(report, "`listen:` has changed: it needs a restart");
    if (!reload_equal(now->front_end, next->front_end) ||
        now->front_end_lease_ms != next->front_end_lease_ms)
        reload_warn(report, "`front_end:` has changed: it needs a restart");
    if (!reload_equal(now->control, next->control))
        reload_warn(report, "`control:` has changed: it needs a restart");
    if (now->admin_on != next->admin_on || !reload_equal(now->admin_address, next->admin_address) ||
        now->admin_port != next->admin_port ||
        !reload_equal(now->admin_socket, next->admin_socket) ||
        (now->admin_token_file != NULL) != (next->admin_token_file != NULL) ||
        (now->admin_certificate != NULL) != (next->admin_certificate != NULL) ||
        !reload_equal(now->admin_map_tiles, next->admin_map_tiles) ||
        !reload_equal_home(now, next) || !reload_equal_hosts(now, next))
        reload_warn(report, "`admin:` has changed: it needs a restart");
    if (!reload_equal(now->status_address, next->status_address) ||
        now->status_port != next->status_port)
        reload_warn(report, "`status:` has changed: it needs a restart");
    if (now->journal_on != next->journal_on ||
        !reload_equal(now->journal_path, next->journal_path) ||
        now->journal_commit_records != next->journal_commit_records ||
        now->journal_duplicates != next->journal_duplicates || now->values != next->values)
        reload_warn(
            report,
            "`journal:` has changed: size, retention, when_full and commit_every apply now, "
            "the other settings need a restart");
    if (!reload_same_history(&now->history, &next->history))
        reload_warn(report, "`history:` has changed: it needs a restart");
    if (!reload_equal(now->state, next->state))
        reload_warn(report, "`state:` has changed: it needs a restart");
}

/* Report the changed settings that need privileges which were dropped at the start. */
static void reload_report_privileged(const struct fr_server_config *now,
                                     const struct fr_setup *next, struct fr_buffer *report)
{
    char line[1024];
    const char *path;

    if (!reload_equal(now->user, next->server->user) || now->sandbox != next->server->sandbox)
        reload_warn(report, "`user:` or `sandbox:` has changed: it needs a restart");
    for (size_t i = 0; i < next->server->sink_count; i++)
        for (size_t k = 0; (path = fr_sink_path(next->sinks[i], k)) != NULL; k++)
            if (!fr_sandbox_permits_write(path)) {
                snprintf(line, sizeof line,
                         "sink %s: %s is outside the folders that the sandbox was given at the "
                         "start: it needs a restart",
                         fr_sink_name(next->sinks[i]), path);
                reload_warn(report, line);
            }
}

/* ---- sinks ----------------------------------------------------------------------- */

/* The element of a running sink of that name; NULL: there is none. */
static struct fr_sink **reload_find_named(struct fr_setup *setup, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++)
        if (setup->sinks[i] != NULL && strcmp(fr_sink_name(setup->sinks[i]), name) == 0)
            return &setup->sinks[i];
    return NULL;
}

/* Move unchanged running sinks into the new setup. Add a change for each other sink of the new
 * setup. With a journal a changed sink ends first, so that its successor starts at its last
 * cursor. */
static void reload_change_sinks(struct fr_daemon *d, struct fr_setup *next)
{
    for (size_t i = 0; i < next->server->sink_count; i++) {
        struct fr_sink *fresh = next->sinks[i], *old = NULL;
        struct fr_sink **running = reload_find_named(d->setup, d->sink_count, fr_sink_name(fresh));

        if (running != NULL && fr_sink_runs(*running) && fr_sink_same(*running, fresh)) {
            next->sinks[i] = *running;
            *running = NULL;
            fr_sink_free(fresh);
            fr_sink_reroute(next->sinks[i], next->routing, i);
            continue;
        }
        if (running != NULL && d->journal != NULL) {
            old = *running;
            *running = NULL;
        }
        fr_sink_changes_add(&d->changes, old, fresh, i);
    }
}

/* End the sinks that remain in the former setup. */
static void reload_retire_sinks(struct fr_daemon *d, struct fr_setup *old, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (old->sinks[i] != NULL) {
            fr_sink_changes_add(&d->changes, old->sinks[i], NULL, 0);
            old->sinks[i] = NULL;
        }
}

/* ---- sources --------------------------------------------------------------------- */

/* A changed or removed source stops before others start. Its confirmed records are in the journal.
 * Returns -1 if a source could not be started. */
static int reload_change_sources(struct fr_daemon *d, struct fr_setup *next,
                                 struct fr_buffer *report)
{
    struct fr_setup *now = d->setup;
    struct fr_error error;
    int status = 0;

    fr_daemon_set_sources(d, NULL);
    for (size_t i = 0; i < now->server->source_count; i++) {
        bool kept = false;

        for (size_t k = 0; k < next->server->source_count && now->sources[i] != NULL; k++)
            if (strcmp(fr_source_name(now->sources[i]), fr_source_name(next->sources[k])) == 0 &&
                fr_source_same(now->sources[i], next->sources[k])) {
                fr_source_free(next->sources[k]);
                next->sources[k] = now->sources[i];
                now->sources[i] = NULL;
                fr_source_set_routing(next->sources[k], next->routing);
                kept = true;
            }
        if (!kept)
            fr_source_stop(now->sources[i]);
    }
    for (size_t k = 0; k < next->server->source_count; k++)
        if (!fr_source_runs(next->sources[k]) &&
            fr_source_start(next->sources[k], d->journal, next->routing, &error) != 0) {
            reload_warn(report, error.text);
            status = -1;
        }
    fr_daemon_set_sources(d, next);
    for (size_t k = 0; k < next->server->source_count; k++)
        fr_source_on_writable(next->sources[k]); /* repeat notifications missed meanwhile */
    return status;
}

/* ---- a reload -------------------------------------------------------------------- */

/* A certificate that vehicles would reject waits; the CA bundle and the revocation lists do not. */
static void reload_defer_certificate(struct fr_daemon *d, struct fr_setup *next,
                                     struct fr_buffer *report)
{
    const struct fr_server_config *c = next->server;
    struct fr_tls_files files = {c->certificate, c->key, c->vehicle_ca, c->crl};
    struct fr_error error;
    SSL_CTX *context;

    if (!fr_daemon_defers_certificate(d, c, next->tls))
        return;
    context = fr_tls_context_serving(&files, d->setup->tls, &error);
    if (context == NULL) {
        reload_warn(report, error.text);
        SSL_CTX_up_ref(d->setup->tls);
        context = d->setup->tls;
    }
    reload_warn(report, "tls: the renewed certificate waits until vehicles have its CA; "
                        "`fleetroute keep` pushes it");
    SSL_CTX_free(next->tls);
    next->tls = context;
}

static void reload_keep_valid_certificate(struct fr_setup *current, struct fr_setup *next,
                                          struct fr_buffer *report)
{
    if (!fr_certificate_is_worse(current->tls, next->tls))
        return;
    reload_warn(report,
                "tls: the new certificate has expired or is not valid yet; the one in force stays "
                "until the file is replaced");
    SSL_CTX_free(next->tls);
    SSL_CTX_up_ref(current->tls);
    next->tls = current->tls;
}

static void reload_change_journal(struct fr_daemon *d, const struct fr_server_config *next,
                                  struct fr_buffer *report)
{
    struct fr_journal_settings settings = fr_settings_journal(next);
    struct fr_error error;

    fr_journal_change(d->journal, &settings);
    if (fr_settings_register_cursors(d->journal, next, &error) != 0)
        reload_warn(report, error.text);
    if (fr_journal_oversize(d->journal, &error))
        reload_warn(report, error.text);
}

/* Apply a checked configuration. Returns -1 if a source could not be started; all other parts are
 * applied in this case too. Sinks go on ending and starting afterwards. */
static int reload_apply(struct fr_daemon *d, struct fr_setup *next, struct fr_buffer *report)
{
    struct fr_ingest_settings ingest = fr_settings_ingest(next);
    struct fr_routes *older = d->routes;
    struct fr_setup *old = d->setup;
    size_t old_count = d->sink_count;
    int status = 0;

    reload_report_fixed(old->server, next->server, report);
    reload_report_privileged(old->server, next, report);
    fr_log_set_level(next->server->log_level);
    fr_log_set_format(next->server->log_format);
    fr_topics_set_policy(next->server->unknown_topics);
    if (d->journal != NULL)
        reload_change_journal(d, next->server, report);
    reload_keep_valid_certificate(old, next, report);
    reload_defer_certificate(d, next, report);
    d->changes = (struct fr_sink_changes){.journal = d->journal != NULL};
    reload_change_sinks(d, next);
    fr_sink_changes_step(&d->changes, next->routing, &d->env, report);
    if (d->journal != NULL && reload_change_sources(d, next, report) != 0)
        status = -1;
    d->routes = fr_routes_new(next->routing, next->sinks, next->server->sink_count, d->journal);
    fr_ingest_update(d->ingest, &ingest, next->tls, d->routes);
    fr_routes_free(older);
    reload_retire_sinks(d, old, old_count);
    d->setup = next;
    d->sink_count = next->server->sink_count;
    fr_setup_free(old);
    return status;
}

static void reload_report_diagnostics(const struct fr_setup *next, struct fr_buffer *report)
{
    char *text = NULL;
    size_t len = 0;
    FILE *stream = open_memstream(&text, &len);

    if (stream == NULL)
        return;
    fr_diagnostics_print(&next->diagnostics, stream);
    fclose(stream);
    for (char *line = strtok(text, "\n"); line != NULL; line = strtok(NULL, "\n"))
        reload_warn(report, line);
    free(text);
}

enum reload_outcome {
    RELOAD_COMPLETE,
    RELOAD_INCOMPLETE, /* a sink or a source could not be started */
    RELOAD_REFUSED,    /* the configuration has errors */
};

/* Answer {"reloaded":true,"complete":true,"report":"the lines of the report"}. */
static void reload_finish(struct fr_daemon *d, enum reload_outcome outcome)
{
    static const char *const messages[] = {
        [RELOAD_COMPLETE] = "reloaded",
        [RELOAD_INCOMPLETE] = "reloaded, but a sink or a source could not be started",
        [RELOAD_REFUSED] = "the configuration has errors; the one in force stays"};
    struct fr_buffer out = {0};

    fr_buffer_printf(&out, "{\"reloaded\":%s,\"complete\":%s,\"report\":",
                     outcome != RELOAD_REFUSED ? "true" : "false",
                     outcome == RELOAD_COMPLETE ? "true" : "false");
    fr_json_string(&out, fr_buffer_string(&d->reload_report), d->reload_report.len);
    fr_buffer_text(&out, "}\n");
    fr_control_answer(d->control, d->reload_number, &out);
    fr_reload_waiters_answer(d, outcome != RELOAD_REFUSED, messages[outcome]);
    fr_buffer_free(&out);
    fr_buffer_free(&d->reload_report);
    d->reloading = false;
}

static void reload_begin(struct fr_daemon *d)
{
    struct fr_setup *next = fr_setup_load(d->setup->server->path);
    struct fr_buffer text = {0};
    struct fr_error error;

    d->reload_pending = false;
    d->reloading = true;
    d->reload_number++;
    reload_report_diagnostics(next, &d->reload_report);
    if (next->diagnostics.errors != 0) {
        fr_count(FR_COUNT_RELOADS_FAILED);
        reload_warn(&d->reload_report, "the configuration has errors; the one in force stays");
        fr_setup_free(next);
        reload_finish(d, RELOAD_REFUSED);
        return;
    }
    d->reload_status = reload_apply(d, next, &d->reload_report);
    fr_daemon_refresh_certificates(d);
    fr_daemon_refresh_admin_certificate(d);
    if (fr_daemon_refresh_admin_token(d, &error) != 0) {
        fr_buffer_printf(&text, "admin: %s; the token in force stays", error.text);
        reload_warn(&d->reload_report, fr_buffer_string(&text));
        fr_buffer_free(&text);
    }
}

static void reload_continue(struct fr_daemon *d)
{
    if (!fr_sink_changes_step(&d->changes, d->setup->routing, &d->env, &d->reload_report))
        return;
    if (d->changes.status != 0)
        d->reload_status = -1;
    fr_count(FR_COUNT_RELOADS);
    if (d->reload_status == 0)
        fr_log(FR_LOG_NOTICE, "reload: done");
    else
        fr_log(FR_LOG_ERROR,
               "reload: done, but a sink or a source could not be started; see the lines above");
    reload_finish(d, d->reload_status == 0 ? RELOAD_COMPLETE : RELOAD_INCOMPLETE);
}

static void reload_on_timer(evutil_socket_t fd, short what, void *ctx)
{
    struct fr_daemon *d = ctx;
    struct timeval pause = fr_timeval(STEP_MS);

    (void)fd, (void)what;
    if (!d->reloading && d->reload_pending)
        reload_begin(d);
    if (d->reloading)
        reload_continue(d);
    if (d->reloading || d->reload_pending)
        event_add(d->reload_timer, &pause);
}

int fr_daemon_init_reload(struct fr_daemon *d, struct fr_error *error)
{
    d->reload_timer = event_new(d->base, -1, 0, reload_on_timer, d);
    return d->reload_timer != NULL ? 0 : fr_error_set(error, "cannot create a timer");
}

uint64_t fr_daemon_request_reload(struct fr_daemon *d)
{
    struct timeval now = {0, 0};

    d->reload_pending = true;
    if (!d->reloading)
        event_add(d->reload_timer, &now);
    return d->reload_number + 1;
}
