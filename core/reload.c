/*
 * Following a changed configuration while everything runs.
 *
 * The new files are read and checked whole before anything is touched; from then on nothing
 * can fail half-way: a sink that has not changed keeps its thread, its plugin and what is under
 * way, and gets the new routing; one that has changed ends and begins again at its cursor.
 */
#include <stdio.h>
#include <string.h>

#include "daemon_state.h"
#include "guard/sandbox.h"
#include "ingest/tls.h"
#include "record/json.h"
#include "util/clock.h"
#include "util/counters.h"
#include "util/log.h"
#include "util/memory.h"
#include "util/redact.h"

#define STEP_MS 5 /* between two looks at sinks that end or start */

static void say(struct fr_buffer *report, const char *text)
{
    fr_log(FR_LOG_WARNING, "reload: %s", text);
    fr_buffer_text(report, text);
    fr_buffer_byte(report, '\n');
}

static bool same_text(const char *a, const char *b)
{
    return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

/* What only a restart can change is left as it is, and said. */
static void compare_fixed(const struct fr_server_config *now, const struct fr_server_config *next,
                          struct fr_buffer *report)
{
    if (!same_text(now->address, next->address) || now->port != next->port ||
        now->workers != next->workers)
        say(report, "`listen:` has changed: it needs a restart");
    if (!same_text(now->control, next->control))
        say(report, "`control:` has changed: it needs a restart");
    if (now->admin_on != next->admin_on || !same_text(now->admin_address, next->admin_address) ||
        now->admin_port != next->admin_port || !same_text(now->admin_socket, next->admin_socket) ||
        !same_text(now->admin_token_file, next->admin_token_file))
        say(report, "`admin:` has changed: it needs a restart");
    if (now->journal_on != next->journal_on || !same_text(now->journal_path, next->journal_path) ||
        now->journal_commit_records != next->journal_commit_records ||
        now->journal_duplicates != next->journal_duplicates || now->values != next->values)
        say(report, "`journal:` has changed: size, retention, when_full and commit_every are "
                    "followed, the rest needs a restart");
    if (!same_text(now->state, next->state))
        say(report, "`state:` has changed: it needs a restart");
}

/* What has been given up at the start cannot be had back. */
static void compare_guarded(const struct fr_server_config *now, const struct fr_setup *next,
                            struct fr_buffer *report)
{
    char line[1024];
    const char *path;

    if (!same_text(now->user, next->server->user) || now->sandbox != next->server->sandbox)
        say(report, "`user:` or `sandbox:` has changed: it needs a restart");
    for (size_t i = 0; i < next->server->sink_count; i++)
        for (size_t k = 0; (path = fr_sink_path(next->sinks[i], k)) != NULL; k++)
            if (!fr_sandbox_lets_write(path)) {
                snprintf(line, sizeof line,
                         "sink %s: %s is outside the folders that the sandbox was given at the "
                         "start: it needs a restart",
                         fr_sink_name(next->sinks[i]), path);
                say(report, line);
            }
}

/* ---- sinks ----------------------------------------------------------------------- */

/* Where a running sink of that name stands, or NULL. */
static struct fr_sink **find_named(struct fr_setup *setup, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++)
        if (setup->sinks[i] != NULL && strcmp(fr_sink_name(setup->sinks[i]), name) == 0)
            return &setup->sinks[i];
    return NULL;
}

/* Put running sinks into the new setup; the others end and start beside the main loop. With a
 * journal a changed sink ends first, so that the one that takes its place finds the cursor where it
 * stood. */
static void change_sinks(struct fr_daemon *d, struct fr_setup *next)
{
    for (size_t i = 0; i < next->server->sink_count; i++) {
        struct fr_sink *fresh = next->sinks[i], *old = NULL;
        struct fr_sink **running = find_named(d->setup, d->started, fr_sink_name(fresh));

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

/* End the sinks that are left in the former setup. */
static void retire_sinks(struct fr_daemon *d, struct fr_setup *old, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (old->sinks[i] != NULL) {
            fr_sink_changes_add(&d->changes, old->sinks[i], NULL, 0);
            old->sinks[i] = NULL;
        }
}

/* ---- sources --------------------------------------------------------------------- */

/* One that has changed ends first: what it had confirmed, it had in the journal. */
static int change_sources(struct fr_daemon *d, struct fr_setup *next, struct fr_buffer *report)
{
    struct fr_setup *now = d->setup;
    struct fr_error error;
    int status = 0;

    fr_daemon_list_sources(d, NULL);
    for (size_t i = 0; i < now->server->source_count; i++) {
        bool stays = false;

        for (size_t k = 0; k < next->server->source_count && now->sources[i] != NULL; k++)
            if (strcmp(fr_source_name(now->sources[i]), fr_source_name(next->sources[k])) == 0 &&
                fr_source_same(now->sources[i], next->sources[k])) {
                fr_source_free(next->sources[k]);
                next->sources[k] = now->sources[i];
                now->sources[i] = NULL;
                fr_source_set_routing(next->sources[k], next->routing);
                stays = true;
            }
        if (!stays)
            fr_source_stop(now->sources[i]);
    }
    for (size_t k = 0; k < next->server->source_count; k++)
        if (!fr_source_runs(next->sources[k]) &&
            fr_source_start(next->sources[k], d->journal, next->routing, &error) != 0) {
            say(report, error.text);
            status = -1;
        }
    fr_daemon_list_sources(d, next);
    for (size_t k = 0; k < next->server->source_count; k++)
        fr_source_room(next->sources[k]); /* what was told meanwhile is told once more */
    return status;
}

/* ---- the whole ------------------------------------------------------------------- */

/* Whether a changed certificate must not take the place of the one in force: that one is valid now. */
static bool certificate_is_worse(const SSL_CTX *current, const SSL_CTX *changed)
{
    return fr_tls_valid_now(current) && !fr_tls_valid_now(changed);
}

static void keep_valid_certificate(struct fr_setup *current, struct fr_setup *next,
                                   struct fr_buffer *report)
{
    if (!certificate_is_worse(current->tls, next->tls))
        return;
    say(report, "tls: the new certificate has expired or is not valid yet; the one in force stays "
                "until the file is replaced");
    SSL_CTX_free(next->tls);
    SSL_CTX_up_ref(current->tls);
    next->tls = current->tls;
}

/* -1: a source could not be started; everything else is followed. */
static int follow(struct fr_daemon *d, struct fr_setup *next, struct fr_buffer *report)
{
    struct fr_ingest_settings ingest = fr_daemon_ingest_settings(next->server);
    struct fr_routes *older = d->routes;
    struct fr_setup *old = d->setup;
    size_t old_count = d->started;
    int status = 0;

    compare_fixed(old->server, next->server, report);
    compare_guarded(old->server, next, report);
    fr_log_set_level(next->server->log_level);
    fr_log_set_format(next->server->log_format);
    fr_topics_set_policy(next->server->unknown_topics);
    if (d->journal != NULL) {
        struct fr_journal_settings journal = fr_daemon_journal_settings(next->server);
        struct fr_error error;

        fr_journal_change(d->journal, &journal);
        if (fr_daemon_register_cursors(d->journal, next->server, &error) != 0)
            say(report, error.text);
        if (fr_journal_oversize(d->journal, &error))
            say(report, error.text);
    }
    keep_valid_certificate(old, next, report);
    d->changes = (struct fr_sink_changes){.journal = d->journal != NULL};
    change_sinks(d, next);
    fr_sink_changes_step(&d->changes, next->routing, &d->house, report);
    if (d->journal != NULL && change_sources(d, next, report) != 0)
        status = -1;
    d->routes = fr_routes_new(next->routing, next->sinks, next->server->sink_count, d->journal);
    fr_ingest_update(d->ingest, &ingest, next->tls, d->routes);
    fr_routes_free(older);
    retire_sinks(d, old, old_count);
    d->setup = next;
    d->started = next->server->sink_count;
    fr_setup_free(old);
    return status;
}

static void report_mistakes(const struct fr_setup *next, struct fr_buffer *report)
{
    char *text = NULL;
    size_t len = 0;
    FILE *stream = open_memstream(&text, &len);

    if (stream == NULL)
        return;
    fr_diagnostics_print(&next->diagnostics, stream);
    fclose(stream);
    for (char *line = strtok(text, "\n"); line != NULL; line = strtok(NULL, "\n"))
        say(report, line);
    free(text);
}

/* {"reloaded":true,"complete":true,"said":"one line for each thing to say\n"} */
static void finish(struct fr_daemon *d, int outcome)
{
    struct fr_buffer out = {0};

    fr_buffer_printf(&out,
                     "{\"reloaded\":%s,\"complete\":%s,\"said\":", outcome >= 0 ? "true" : "false",
                     outcome == 0 ? "true" : "false");
    fr_json_string(&out, fr_buffer_string(&d->reload_report), d->reload_report.len);
    fr_buffer_text(&out, "}\n");
    fr_control_answer(d->control, d->reload_number, &out);
    fr_buffer_free(&out);
    fr_buffer_free(&d->reload_report);
    d->reloading = false;
}

static void begin(struct fr_daemon *d)
{
    struct fr_setup *next = fr_setup_load(d->setup->server->path);

    d->reload_wanted = false;
    d->reloading = true;
    d->reload_number++;
    report_mistakes(next, &d->reload_report);
    if (next->diagnostics.errors != 0) {
        fr_count(FR_COUNT_RELOADS_FAILED);
        say(&d->reload_report, "the configuration has mistakes; the one in force stays");
        fr_setup_free(next);
        finish(d, -1);
        return;
    }
    d->reload_status = follow(d, next, &d->reload_report);
    fr_daemon_refresh_files(d);
}

static void go_on(struct fr_daemon *d)
{
    if (!fr_sink_changes_step(&d->changes, d->setup->routing, &d->house, &d->reload_report))
        return;
    if (d->changes.status != 0)
        d->reload_status = -1;
    fr_count(FR_COUNT_RELOADS);
    if (d->reload_status == 0)
        fr_log(FR_LOG_NOTICE, "reload: done");
    else
        fr_log(FR_LOG_ERROR, "reload: done, but not everything could be started; see above");
    finish(d, d->reload_status == 0 ? 0 : 1);
}

void fr_daemon_reload_due(evutil_socket_t fd, short what, void *ctx)
{
    struct fr_daemon *d = ctx;
    struct timeval pause = fr_timeval(STEP_MS);

    (void)fd, (void)what;
    if (!d->reloading && d->reload_wanted)
        begin(d);
    if (d->reloading)
        go_on(d);
    if (d->reloading || d->reload_wanted)
        event_add(d->reload_timer, &pause);
}

uint64_t fr_daemon_ask_reload(struct fr_daemon *d)
{
    struct timeval now = {0, 0};

    d->reload_wanted = true;
    if (!d->reloading)
        event_add(d->reload_timer, &now);
    return d->reload_number + 1;
}

/* ---- certificates ---------------------------------------------------------------- */

void fr_daemon_refresh_files(struct fr_daemon *d)
{
    static struct fr_log_limit limit;
    const struct fr_server_config *c = d->setup->server;
    struct fr_tls_files files = {c->certificate, c->key, c->vehicle_ca, c->crl};
    struct fr_ingest_settings settings = fr_daemon_ingest_settings(c);
    int64_t changed = fr_tls_files_mark(&files);
    struct fr_error error;
    SSL_CTX *context;

    if (changed == d->files_mark)
        return;
    d->files_mark = changed;
    context = fr_tls_context(&files, &error);
    if (context == NULL) {
        /* Between two files of one renewal they do not belong together; the next look will. */
        fr_log(FR_LOG_WARNING, "the changed certificate files are not taken yet: %s", error.text);
        d->files_mark = -1;
        return;
    }
    if (certificate_is_worse(d->setup->tls, context)) {
        fr_log_limited(&limit, FR_LOG_ERROR,
                       "%s: the changed certificate has expired or is not valid yet; the one in "
                       "force stays until the file is replaced",
                       c->certificate);
        SSL_CTX_free(context);
        d->files_mark = -1; /* it may become valid */
        return;
    }
    SSL_CTX_free(d->setup->tls);
    d->setup->tls = context;
    fr_ingest_update(d->ingest, &settings, context, d->routes);
    fr_log(FR_LOG_NOTICE, "certificate, key, CA bundle and revocation lists were read again");
}
