/*
 * Makes and reads the tables: one conversation with the server after each login, and when a column is
 * missing or the tables have changed.
 *
 * Everything runs on the sink's thread.
 */
#ifndef FR_POSTGRES_SETUP_H
#define FR_POSTGRES_SETUP_H

#include "postgres/fields.h"
#include "postgres/schema.h"

/* The end of the conversation: `why` is NULL, or the reason with the remedy; `away`: the reason is the
 * server's, and not that of the columns which were to be added. */
typedef void setup_end(void *ctx, const char *why, bool away);

struct setup {
    struct session *session;
    struct schema schema;
    struct fields *fields;
    bool narrow;
    int64_t timeout_ms;
    bool running; /* no other statements may be sent */
    bool created; /* in this conversation */
    setup_end *end;
    void *ctx; /* also of the session's answers */
};

/* Read the tables, and make those that are missing. */
void setup_begin(struct setup *setup);

/* Add the columns of the wanted fields, and read the tables. */
void setup_begin_columns(struct setup *setup);

#endif
