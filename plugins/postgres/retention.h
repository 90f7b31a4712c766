/*
 * Deletes rows that are older than `retention`, in bounded parts: one statement deletes at most
 * 2,000 rows of one table, so that no batch waits long for it.
 *
 * Everything runs on the sink's thread.
 */
#ifndef FR_POSTGRES_RETENTION_H
#define FR_POSTGRES_RETENTION_H

#include <event2/event.h>

#include "postgres/schema.h"

#define RETENTION_MIN_MS 3600000

struct retention {
    struct fr_sink *sink; /* for calls of `host` */
    const struct fr_host *host;
    struct session *session;
    const struct schema *schema;
    int64_t age_ms;      /* 0: nothing is deleted */
    enum db_table table; /* the next one */
    struct event *timer;
    bool running; /* a statement has no answer yet */
};

/* Set all members; `age_ms` is the option. False: no memory. */
bool retention_init(struct retention *retention, struct fr_sink *sink, const struct fr_host *host,
                    struct session *session, const struct schema *schema);
void retention_free(struct retention *retention);

/* The tables are ready, or are not. */
void retention_start(struct retention *retention);
void retention_stop(struct retention *retention);

#endif
