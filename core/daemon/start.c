#include "daemon/start.h"

#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>

#include "admin/web_libraries.h"
#include "daemon/admin_token.h"
#include "daemon/api_overview.h"
#include "daemon/backpressure.h"
#include "daemon/control_commands.h"
#include "daemon/drop_privileges.h"
#include "daemon/http_endpoints.h"
#include "daemon/settings.h"
#include "record/presence_origin.h"
#include "record/topics.h"
#include "record/value.h"
#include "util/descriptors.h"
#include "util/log.h"
#include "util/memory.h"
#include "vehicle_connectivity.pb-c.h"

#define SYNC_VALUES_MS 5000 /* to wait for the last values at the start */

/* The configured limits should be reached before the process's limit of file descriptors. The
 * default limits exceed the need of most installations, so they alone do not justify a warning. */
static void start_check_descriptors(const struct fr_server_config *c)
{
    size_t needed = c->connections + c->half_open;

    fr_descriptors_raise();
    if (fr_descriptors_for_vehicles() < needed)
        fr_log(c->connections_given ? FR_LOG_WARNING : FR_LOG_INFO,
               "the limit of %zu file descriptors is too low for limits.connections and "
               "limits.half_open: it permits %zu connections; raise LimitNOFILE= of the systemd "
               "unit or `ulimit -n` to %zu, or lower limits.connections",
               fr_descriptors_limit(), fr_descriptors_for_vehicles(),
               needed + fr_descriptors_limit() - fr_descriptors_for_vehicles());
}

/* The steps that need the privileges of the start: ports below 1024, and files of root. */
static int start_privileged(struct fr_daemon *d, char **token, struct fr_error *error)
{
    const struct fr_server_config *c = d->setup->server;
    struct fr_ingest_settings settings = fr_settings_ingest(d->setup);

    start_check_descriptors(c);
    fr_topics_set_policy(c->unknown_topics);
    d->files_fingerprint = d->setup->tls_fingerprint;
    if (c->admin_on && c->admin_token_file != NULL &&
        (*token = fr_daemon_read_admin_token(c->admin_token_file, error)) == NULL)
        return -1;
    if (c->admin_on)
        d->libraries = fr_web_libraries_read(FR_WEB_LIBRARIES_FOLDER);
    d->bound = fr_ingest_bind(&settings, error);
    return d->bound != NULL ? 0 : -1;
}

static int start_journal(struct fr_daemon *d, const struct fr_server_config *c,
                         struct fr_error *error)
{
    struct fr_journal_settings settings = fr_settings_journal(c);
    struct fr_error warning;

    d->journal = fr_journal_start(&settings, fr_daemon_on_writable, d, error);
    if (d->journal == NULL)
        return -1;
    if (fr_journal_oversize(d->journal, &warning))
        fr_log(FR_LOG_WARNING, "%s", warning.text);
    if (!c->values)
        return 0;
    d->values = fr_values_start(d->journal, c->values_every_ms, error);
    if (d->values == NULL)
        return -1;
    if (!fr_values_sync(d->values, SYNC_VALUES_MS))
        fr_log(FR_LOG_NOTICE, "the last values are incomplete: they are still being read from the "
                              "journal");
    return 0;
}

/* The history is not needed to accept records: if it cannot be started, the daemon runs without it. */
static void start_history(struct fr_daemon *d, const struct fr_server_config *c)
{
    char *folder = fr_asprintf("%s/history", c->state);
    struct fr_history_settings settings = fr_settings_history(c, folder);
    struct fr_error error;

    d->history = fr_history_start(d->journal, &settings, &error);
    if (d->history == NULL)
        fr_log(FR_LOG_ERROR, "%s; there is no history until the daemon is restarted", error.text);
    free(folder);
}

static int start_sinks(struct fr_daemon *d, struct fr_error *error)
{
    struct fr_setup *setup = d->setup;

    if (d->journal != NULL && fr_settings_register_cursors(d->journal, setup->server, error) != 0)
        return -1;
    d->env = (struct fr_sink_env){d->journal, d->values, d->dead_letters, fr_daemon_on_writable, d};
    for (; d->sink_count < setup->server->sink_count; d->sink_count++)
        if (fr_sink_start(setup->sinks[d->sink_count], setup->routing, d->sink_count, &d->env,
                          error) != 0)
            return -1;
    return 0;
}

static int start_sources(struct fr_daemon *d, struct fr_error *error)
{
    for (size_t i = 0; i < d->setup->server->source_count; i++) {
        struct fr_source *source = d->setup->sources[i];

        if (fr_source_start(source, d->journal, d->setup->routing, error) != 0)
            return -1;
    }
    fr_daemon_set_sources(d, d->setup);
    /* Notifications before fr_daemon_set_sources() did not reach the sources. */
    for (size_t i = 0; i < d->setup->server->source_count; i++)
        fr_source_on_writable(d->setup->sources[i]);
    return 0;
}

static int start_admin(struct fr_daemon *d, const struct fr_server_config *c, const char *token,
                       struct fr_error *error)
{
    const struct fr_http_zone home = {c->admin_home_latitude, c->admin_home_longitude,
                                      c->admin_home_radius};
    struct fr_http_admin_settings settings = {
        .address = c->admin_on && c->admin_port != 0 ? c->admin_address : NULL,
        .port = c->admin_port,
        .tls = d->setup->admin_tls,
        .token = token,
        .hosts = c->admin_hosts,
        .host_count = c->admin_host_count,
        .map_tiles = c->admin_map_tiles,
        .home = c->admin_has_home ? &home : NULL,
        .socket = c->admin_on ? c->admin_socket : NULL,
        .status_address = c->status_port != 0 ? c->status_address : NULL,
        .status_port = c->status_port,
        .jobs = d->jobs,
        .feed = c->admin_on ? d->feed : NULL,
        .max_streams = fr_descriptors_for_streams(),
    };

    if (!c->admin_on && c->status_port == 0)
        return 0;
    d->admin = fr_http_admin_new(d->base, &settings, fr_daemon_http_endpoints,
                                 fr_daemon_status_endpoints, d, error);
    d->admin_tls = d->setup->admin_tls != NULL;
    d->admin_fingerprint = d->setup->admin_tls_fingerprint;
    if (d->admin == NULL)
        return -1;
    return c->admin_on ? fr_overview_start(d, error) : 0;
}

/* Restore the presence of one vehicle from the last values. A vehicle that was connected before the
 * restart expires if it does not connect again. One that is known from a source is not expected: its
 * front-end reports its end. */
static bool start_restore_presence(void *ctx, const struct fr_last_value *value)
{
    struct fr_daemon *d = ctx;
    Telemetry__VehicleConnectivity__VehicleConnectivity *message;

    if (fr_presence_is_relayed(value->bytes, value->len))
        return true;
    message = telemetry__vehicle_connectivity__vehicle_connectivity__unpack(NULL, value->len,
                                                                            value->bytes);
    if (message == NULL)
        return true;
    if (message->status == TELEMETRY__VEHICLE_CONNECTIVITY__CONNECTIVITY_EVENT__CONNECTED)
        fr_ingest_expect(d->bound, value->vin);
    else
        fr_ingest_restore_last_seen(d->bound, value->vin, value->received_ms);
    telemetry__vehicle_connectivity__vehicle_connectivity__free_unpacked(message, NULL);
    return true;
}

static int start_parts(struct fr_daemon *d, const char *token, struct fr_error *error)
{
    const struct fr_server_config *c = d->setup->server;

    d->dead_letters = fr_asprintf("%s/dead-letters", c->state);
    d->feed = fr_record_feed_new(d->base, error);
    d->jobs = fr_jobs_new(d->base, error);
    if (d->feed == NULL || d->jobs == NULL)
        return -1;
    d->control = fr_control_new(d->base, c->control, &fr_daemon_control_commands, d, d->feed,
                                d->jobs, error);
    if (d->control == NULL || start_admin(d, c, token, error) != 0 ||
        (c->journal_on && start_journal(d, c, error) != 0))
        return -1;
    if (c->history.on)
        start_history(d, c);
    if (start_sinks(d, error) != 0)
        return -1;
    d->routes = fr_routes_new(d->setup->routing, d->setup->sinks, c->sink_count, d->journal);
    /* Before vehicles can connect: one that was connected must not be reported as connected again. */
    if (d->values != NULL &&
        fr_values_each_presence(d->values, start_restore_presence, d, error) != 0)
        return -1;
    if (fr_ingest_start(d->bound, d->setup->tls, d->routes, error) != 0)
        return -1;
    atomic_store(&d->ingest, d->bound);
    return start_sources(d, error);
}

int fr_daemon_start(struct fr_daemon *d, struct fr_error *error)
{
    char *token = NULL;
    int status = start_privileged(d, &token, error);

    if (status == 0)
        status = fr_daemon_drop_privileges(d, error);
    if (status == 0)
        status = start_parts(d, token, error);
    if (token != NULL)
        OPENSSL_cleanse(token, strlen(token));
    free(token);
    return status;
}
