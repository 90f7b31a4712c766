/* daemon_state.h - what a running daemon consists of; for daemon.c, reload.c and status.c. */
#ifndef FR_DAEMON_STATE_H
#define FR_DAEMON_STATE_H

#include <event2/event.h>
#include <pthread.h>

#include "admin/control_socket.h"
#include "admin/http_admin.h"
#include "ingest/ingest.h"
#include "ingest/tls.h"
#include "journal/journal.h"
#include "journal/last_values.h"
#include "route/routes.h"
#include "setup.h"
#include "sink_changes.h"

struct fr_daemon {
    struct fr_setup *setup; /* the one in force; its sinks run */
    struct event_base *base;
    struct event *signals[3];
    struct event *files_timer, *heap_timer;
    struct event *watchdog; /* systemd's; NULL: there is none */
    int64_t files_mark;     /* of certificate, key and CA bundle as they were read; -1: read them */
    char *dead_letters;
    struct fr_journal *journal; /* NULL: off */
    struct fr_values *values;   /* NULL: none */
    struct fr_sink_house house;
    pthread_mutex_t sources_lock; /* of the next: who may be told of room */
    struct fr_source *sources[FR_SOURCES_MAX];
    struct fr_routes *routes;
    struct fr_ingest *bound;            /* its sockets are */
    _Atomic(struct fr_ingest *) ingest; /* the same, once it runs */
    struct fr_control *control;
    struct fr_http_admin *admin; /* NULL: off */
    size_t started;              /* sinks */
    struct event *reload_timer;
    bool reload_wanted; /* one more, after the present one */
    bool reloading;
    uint64_t reload_number; /* of the present or last one */
    int reload_status;
    struct fr_buffer reload_report;
    struct fr_sink_changes changes; /* of the present or last reload */
    int64_t since_ms;
};

/* What the configuration says to the ingest and the journal. */
struct fr_ingest_settings fr_daemon_ingest_settings(const struct fr_server_config *config);
struct fr_journal_settings fr_daemon_journal_settings(const struct fr_server_config *config);

/* Name every sink's cursor to the journal. -1 and why. */
int fr_daemon_register_cursors(struct fr_journal *journal, const struct fr_server_config *config,
                               struct fr_error *error);

/* reload.c: ask for the configuration to be read again and followed. The main loop goes on while sinks
 * end and start; one request waits for the present reload. Returns the number of the reload, whose
 * outcome goes to the clients of the control socket that wait for it. */
uint64_t fr_daemon_ask_reload(struct fr_daemon *daemon);

/* Begin a reload, or go on with it; the callback of reload_timer. */
void fr_daemon_reload_due(evutil_socket_t fd, short what, void *daemon);

/* Look whether certificate, key or CA bundle have changed on disk, and take them in if so. */
void fr_daemon_refresh_files(struct fr_daemon *daemon);

/* Whom to tell when the journal has room again. */
void fr_daemon_list_sources(struct fr_daemon *daemon, const struct fr_setup *setup);

/* confine.c: give up what is not needed once the sockets are bound and the key is read. Before any
 * thread is started. -1 and why. */
int fr_daemon_confine(struct fr_daemon *daemon, struct fr_error *error);

/* orders.c: what clients of the control socket may ask for; ctx is the daemon. */
extern const struct fr_control_orders fr_daemon_orders;

/* status.c: append the status as one JSON object. */
void fr_daemon_status(struct fr_daemon *daemon, struct fr_buffer *out);

/* metrics.c: append the same in Prometheus's text format. */
void fr_daemon_metrics(struct fr_daemon *daemon, struct fr_buffer *out);

/* pages.c: what the admin listener shows; ctx is the daemon. */
extern const struct fr_http_page fr_daemon_pages[];

#endif
