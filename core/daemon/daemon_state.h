/*
 * daemon_state.h - the state of the running daemon; internal to core/daemon.
 *
 * Only the main thread uses the state, except for `sources` (under sources_lock), `ingest` (atomic)
 * and what is constant once fr_daemon_start() has returned.
 */
#ifndef FR_DAEMON_STATE_H
#define FR_DAEMON_STATE_H

#include <event2/event.h>
#include <pthread.h>

#include "admin/control_socket.h"
#include "admin/http_admin.h"
#include "admin/http_later.h"
#include "admin/http_types.h"
#include "admin/jobs.h"
#include "admin/record_feed.h"
#include "daemon/deferred_certificate.h"
#include "daemon/setup.h"
#include "daemon/sink_changes.h"
#include "daemon/upkeep.h"
#include "history/history.h"
#include "ingest/ingest.h"
#include "journal/journal.h"
#include "ingest/certificate_age.h"
#include "journal/last_values.h"
#include "route/routes.h"
#include "util/buffer.h"

#define FR_RELOAD_WAITERS_MAX 16

/* A request over HTTP that is answered when a reload has finished. */
struct fr_reload_waiter {
    uint64_t number; /* of the reload */
    struct fr_http_later *later;
    char who[FR_HTTP_WHO_SIZE];
};

struct fr_daemon {
    struct fr_setup *setup; /* the configuration in force; owned */
    struct event_base *base;
    struct event *signals[3];
    struct event *files_timer, *heap_timer;
    struct event *watchdog_timer; /* NULL: systemd's watchdog is off */
    int64_t start_ms;             /* monotonic */

    /* fr_tls_files_fingerprint() of the TLS files last read; -1: read them again. */
    int64_t files_fingerprint;
    struct fr_deferred_certificate deferred; /* of the file, not of `setup->tls` */

    enum fr_certificate_age
        certificate_logged;        /* FR_CERTIFICATE_VALID: no line is to be repeated */
    int64_t certificate_logged_ms; /* monotonic: of that line */

    char *dead_letters;         /* the folder */
    struct fr_journal *journal; /* NULL: off */
    struct fr_values *values;   /* NULL: off */
    struct fr_history *history; /* NULL: off */
    struct fr_sink_env env;
    size_t sink_count; /* of setup->sinks, those that were started */
    struct fr_routes *routes;
    struct fr_jobs *jobs;        /* of `control` and `admin` */
    struct fr_record_feed *feed; /* of `control` and `admin` */
    struct fr_control *control;
    struct fr_upkeep *upkeep;
    struct fr_http_admin *admin;        /* NULL: neither `admin` nor `status` is on */
    struct fr_activity *activity;       /* NULL: `admin` is off */
    struct event *activity_timer;       /* NULL: the same */
    struct fr_web_libraries *libraries; /* NULL: `admin` is off */
    bool admin_tls;                     /* its address is encrypted */
    int64_t
        admin_fingerprint; /* fr_tls_files_fingerprint() of its files last read; -1: read again */

    pthread_mutex_t sources_lock;              /* protects `sources` */
    struct fr_source *sources[FR_SOURCES_MAX]; /* that fr_daemon_on_writable() notifies */

    struct fr_ingest *bound;            /* owned; listens from the start */
    _Atomic(struct fr_ingest *) ingest; /* the same; NULL until its workers run */

    struct event *reload_timer;
    bool reloading;
    bool reload_pending;    /* another reload follows the present one */
    uint64_t reload_number; /* of the present or last reload */
    int reload_status;      /* -1: a source or a sink could not be started */
    struct fr_buffer reload_report;
    struct fr_reload_waiter reload_waiters[FR_RELOAD_WAITERS_MAX];
    size_t reload_waiter_count;
    struct fr_sink_changes changes; /* of the present or last reload */
};

#endif
