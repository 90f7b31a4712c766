#include "daemon/setup.h"

#include <stdlib.h>

#include "daemon/published_key.h"
#include "ingest/certificate_age.h"
#include "ingest/tls.h"
#include "plugin/loader.h"
#include "util/clock.h"
#include "util/memory.h"

static void setup_load_sink(struct fr_setup *setup, size_t index)
{
    const struct fr_sink_config *config = &setup->server->sinks[index];
    struct fr_yaml_file file = {setup->server->path, &setup->diagnostics};
    const struct fr_plugin *plugin;
    struct fr_options *options;
    struct fr_error error;

    if (config->plugin == NULL)
        return;
    plugin = fr_plugin_load(config->plugin, setup->server->plugin_dir, &error);
    if (plugin == NULL) {
        fr_yaml_config_error(&file, config->plugin_node, "%s", error.text);
        return;
    }
    options = fr_options_read(plugin->name, plugin->options, &file, config->options, config->node);
    setup->sinks[index] = fr_sink_new(setup->server, index, plugin, options);
    if (fr_options_complete(options))
        fr_sink_check(setup->sinks[index], &setup->diagnostics);
}

static void setup_load_source(struct fr_setup *setup, size_t index)
{
    const struct fr_source_config *config = &setup->server->sources[index];
    struct fr_yaml_file file = {setup->server->path, &setup->diagnostics};
    const struct fr_source_plugin *plugin;
    struct fr_options *options;
    struct fr_error error;

    if (config->plugin == NULL)
        return;
    plugin = fr_source_plugin_load(config->plugin, setup->server->plugin_dir, &error);
    if (plugin == NULL) {
        fr_yaml_config_error(&file, config->plugin_node, "%s", error.text);
        return;
    }
    options = fr_options_read(plugin->name, plugin->options, &file, config->options, config->node);
    setup->sources[index] = fr_source_new(setup->server, index, plugin, options);
    if (fr_options_complete(options))
        fr_source_check(setup->sources[index], &setup->diagnostics);
}

/* With a journal a record is acknowledged when the journal has it, so `ack:` has no effect. */
static void setup_warn_unused_acks(struct fr_setup *setup)
{
    for (size_t i = 0; i < setup->routing->record_count; i++)
        if (setup->routing->records[i].acks != 0) {
            fr_diagnose(&setup->diagnostics, FR_SEVERITY_WARNING, setup->server->routing, 0, 0,
                        "`ack:` has no effect with a journal: a record is acknowledged when the "
                        "journal has stored it");
            return;
        }
}

static void setup_load_routing(struct fr_setup *setup)
{
    const struct fr_server_config *server = setup->server;
    size_t count = server->sink_count;
    const char **names = fr_calloc(count, sizeof(const char *));

    for (size_t i = 0; i < count; i++)
        names[i] = setup->server->sinks[i].name;
    setup->routing = fr_routing_load(setup->server->routing, names, count, &setup->diagnostics);
    free(names);
    if (setup->routing != NULL && server->journal_on)
        setup_warn_unused_acks(setup);
}

static void setup_load_tls(struct fr_setup *setup)
{
    struct fr_server_config *server = setup->server;
    struct fr_tls_files files = {server->certificate, server->key, server->vehicle_ca, server->crl};
    struct fr_error error;

    setup->tls_fingerprint = fr_tls_files_fingerprint(&files);
    setup->tls = fr_tls_context(&files, &error);
    if (setup->tls == NULL)
        fr_diagnose(&setup->diagnostics, FR_SEVERITY_ERROR, server->path, 0, 0, "tls: %s",
                    error.text);
}

static void setup_load_admin_tls(struct fr_setup *setup)
{
    const struct fr_server_config *server = setup->server;
    struct fr_tls_files files = {.certificate = server->admin_certificate,
                                 .key = server->admin_key};
    struct fr_error error;

    if (!server->admin_on || server->admin_certificate == NULL || server->admin_key == NULL)
        return;
    setup->admin_tls_fingerprint = fr_tls_files_fingerprint(&files);
    setup->admin_tls = fr_tls_server_context(files.certificate, files.key, &error);
    if (setup->admin_tls == NULL)
        fr_diagnose(&setup->diagnostics, FR_SEVERITY_ERROR, server->path, 0, 0, "admin: tls: %s",
                    error.text);
}

/* A fault is only a warning: the daemon serves vehicles without this key. */
static void setup_load_public_key(struct fr_setup *setup)
{
    const struct fr_server_config *server = setup->server;
    struct fr_error error;

    if (server->public_key == NULL)
        return;
    if (fr_published_key_read(server->public_key, &setup->public_key, &error) != 0)
        fr_diagnose(&setup->diagnostics, FR_SEVERITY_WARNING, server->path, 0, 0,
                    "tls: public_key: %s; no public key is served", error.text);
    else if (setup->public_key == NULL && server->public_key_given)
        fr_diagnose(&setup->diagnostics, FR_SEVERITY_WARNING, server->path, 0, 0,
                    "tls: public_key: there is no file %s; `fleetroute key` makes the key",
                    server->public_key);
}

struct fr_setup *fr_setup_load(const char *path)
{
    struct fr_setup *setup = fr_calloc(1, sizeof *setup);
    struct fr_server_config *server = fr_server_config_load(path, &setup->diagnostics);

    setup->server = server;
    if (server == NULL)
        return setup;
    setup->sinks = fr_calloc(server->sink_count, sizeof(struct fr_sink *));
    for (size_t i = 0; server->plugin_dir != NULL && i < server->sink_count; i++)
        setup_load_sink(setup, i);
    setup->sources = fr_calloc(server->source_count, sizeof(struct fr_source *));
    for (size_t i = 0; server->plugin_dir != NULL && i < server->source_count; i++)
        setup_load_source(setup, i);
    if (server->routing != NULL)
        setup_load_routing(setup);
    if (setup->diagnostics.errors == 0)
        setup_load_tls(setup);
    setup_load_admin_tls(setup);
    setup_load_public_key(setup);
    return setup;
}

void fr_setup_check_certificate(struct fr_setup *setup)
{
    struct fr_yaml_file file = {setup->server->path, &setup->diagnostics};
    const struct fr_yaml *node =
        fr_yaml_get(fr_yaml_get(setup->server->root, "tls"), "certificate");
    char why[FR_CERTIFICATE_AGE_SIZE];
    enum fr_certificate_age age;

    if (setup->tls == NULL || node == NULL)
        return;
    age = fr_certificate_age(setup->tls, fr_wall_ms() / 1000, why);
    if (age == FR_CERTIFICATE_EXPIRES_SOON)
        fr_yaml_warn(&file, node, "certificate: %s: %s", setup->server->certificate, why);
    else if (age != FR_CERTIFICATE_VALID)
        fr_yaml_config_error(&file, node, "certificate: %s: %s", setup->server->certificate, why);
}

void fr_setup_free(struct fr_setup *setup)
{
    if (setup == NULL)
        return;
    for (size_t i = 0; setup->server != NULL && i < setup->server->sink_count; i++)
        fr_sink_free(setup->sinks[i]);
    for (size_t i = 0; setup->server != NULL && i < setup->server->source_count; i++)
        fr_source_free(setup->sources[i]);
    free(setup->sinks);
    free(setup->sources);
    SSL_CTX_free(setup->tls);
    SSL_CTX_free(setup->admin_tls);
    fr_published_key_free(setup->public_key);
    fr_routing_unref(setup->routing);
    fr_server_config_unref(setup->server);
    fr_diagnostics_free(&setup->diagnostics);
    free(setup);
}
