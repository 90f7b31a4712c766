#include "daemon/settings.h"

#include <stdlib.h>

#include "daemon/published_key.h"
#include "sink/sink.h"
#include "util/descriptors.h"
#include "util/memory.h"

struct fr_ingest_settings fr_settings_ingest(const struct fr_setup *setup)
{
    const struct fr_server_config *c = setup->server;

    return (struct fr_ingest_settings){
        .address = c->address,
        .port = c->port,
        .workers = c->workers,
        .connections = c->connections,
        .connections_per_vin = c->connections_per_vin,
        .connections_per_source = c->connections_per_source,
        .half_open = c->half_open,
        .half_open_per_source = c->half_open_per_source,
        .sockets = fr_descriptors_for_vehicles(),
        .without_certificate = fr_descriptors_without_certificate(),
        .public_key = setup->public_key != NULL ? setup->public_key->pem : NULL,
        .unacknowledged = c->unacknowledged,
        .enqueue = fr_sink_enqueue,
        .full = fr_sink_full,
        .message_size = c->message_size,
        .handshake_timeout_ms = c->handshake_timeout_ms,
        .message_timeout_ms = c->message_timeout_ms,
        .peer_timeout_ms = c->peer_timeout_ms,
        .presence_grace_ms = c->presence_grace_ms,
        .proxies = c->proxies,
        .proxy_count = c->proxy_count,
        .front_end = c->front_end,
        .front_end_lease_ms = c->front_end_lease_ms,
    };
}

struct fr_journal_settings fr_settings_journal(const struct fr_server_config *c)
{
    return (struct fr_journal_settings){
        .path = c->journal_path,
        .size = c->journal_size,
        .retention_ms = c->journal_retention_ms,
        .when_full = c->journal_full,
        .commit_every_ms = c->journal_commit_every_ms,
        .commit_records = c->journal_commit_records,
        .duplicates = c->journal_duplicates,
    };
}

struct fr_history_settings fr_settings_history(const struct fr_server_config *c, const char *folder)
{
    return (struct fr_history_settings){
        .folder = folder,
        .size = c->history.size,
        .keep_ms = c->history.keep_ms,
        .vehicles = c->history.vehicles,
        .fields = c->history.fields,
        .field_count = c->history.field_count,
    };
}

int fr_settings_register_cursors(struct fr_journal *journal, const struct fr_server_config *c,
                                 struct fr_error *error)
{
    struct fr_cursor_name *names = fr_calloc(c->sink_count, sizeof *names);
    int status;

    for (size_t i = 0; i < c->sink_count; i++)
        names[i] = (struct fr_cursor_name){c->sinks[i].name, c->sinks[i].from_oldest};
    status = fr_journal_register(journal, names, c->sink_count, error);
    free(names);
    return status;
}
