/*
 * The connection to a PostgreSQL server on the sink's event base, with libpq in its non-blocking mode:
 * resolution of names, connecting to one address after the other, TLS, login, pipelined transactions
 * and their time-out.
 *
 * A lost connection is made again after a pause of 0.5 to 4 seconds. A server that does not complete the
 * login, or does not answer a transaction, within `timeout` is disconnected. While nothing is sent, the
 * server is checked every 4 seconds. A server that sends more than 4 MiB without the end of a transaction
 * is disconnected, so that libpq's memory is bounded.
 *
 * A transaction is one or more statements. The server commits it as a whole or not at all.
 *
 * All functions and callbacks run on the sink's thread.
 */
#ifndef FR_POSTGRES_SESSION_H
#define FR_POSTGRES_SESSION_H

#include <libpq-fe.h>

#include "fleetroute/plugin.h"

/* Callbacks to the creator. */
struct session_events {
    void (*up)(void *ctx); /* logged in */
    /* The connection ended, or could not be made, after each unfinished transaction was reported.
     * `why` is for people, with a remedy. */
    void (*lost)(void *ctx, const char *why);
};

/* A parameter in the binary format. NULL: the value NULL. */
struct session_value {
    const char *bytes;
    size_t len;
};

/* The outcome of a transaction. `result`: its first error; without one the last result, of status
 * PGRES_TUPLES_OK or PGRES_COMMAND_OK; NULL: the connection was lost, and whether it was committed is
 * not known. Valid during the call. The session must not be freed in it. */
typedef void session_answer(void *ctx, void *tag, const PGresult *result);

struct session;

/* Start connecting, with the sink's options. NULL: no memory. */
struct session *session_new(struct fr_sink *sink, const struct fr_host *host,
                            const struct session_events *events, void *ctx);

/* Close the connection. Unfinished transactions are not reported. NULL is allowed. */
void session_free(struct session *session);

bool session_is_up(const struct session *session);

/* Transactions without an outcome, without those of the session itself. */
size_t session_unanswered(const struct session *session);

/* Add a statement to the next transaction. Results are in the text format. Without a connection or
 * without memory (`sql` is NULL: the caller's), session_commit() fails. */
void session_add(struct session *session, const char *sql, const struct session_value *values,
                 size_t count);

/* Send the transaction. False: it is not sent, the connection will be reported as lost, and `answer` is
 * not called. */
bool session_commit(struct session *session, session_answer *answer, void *tag);

/* End the connection and make a new one, after the current event. */
void session_renew(struct session *session, const char *why);

/* The address for people, such as "localhost:5432/fleetroute". */
const char *session_address(const struct session *session);

#endif
