/*
 * The login on a server, in a thread of its own: the server names the number of iterations of SCRAM,
 * libpq computes up to 2^31 of them without an end, and blocks its thread for minutes. Such a thread is
 * left behind, and frees all it has when it has ended.
 *
 * All functions belong to one thread, that of the event base.
 */
#ifndef FR_POSTGRES_LOGIN_H
#define FR_POSTGRES_LOGIN_H

#include <event2/event.h>
#include <libpq-fe.h>
#include <stdbool.h>
#include <stddef.h>

struct login;

/* The login has ended: PQstatus() has the result. `too_much`: see login_count_input(). The connection is
 * the callee's. The callee must call login_cancel(), which returns true. */
typedef void login_end(void *ctx, PGconn *connection, bool too_much);

/* Continue a connection that PQconnectStartParams() has begun. The login owns it until its end. NULL: no
 * memory or no thread; the connection is still the caller's. */
struct login *login_start(PGconn *connection, struct event_base *base, login_end *end, void *ctx);

/* End a login and free it; `end` is not called after it. The first call waits for up to 0.2 s. False: its
 * thread still computes, and the login stays. */
bool login_cancel(struct login *login);

/* As login_cancel(); a thread that computes frees the login at its end. NULL is allowed. */
void login_free(struct login *login);

/* Count the bytes that can be read from a connection. False: more than a server of PostgreSQL sends
 * without the end of a transaction. */
bool login_count_input(PGconn *connection, size_t *input);

/* libpq reads a long message until the socket is empty, and a fast server refills a large buffer meanwhile, so
 * the buffer of the socket is small. */
void login_bound_buffer(PGconn *connection);

#endif
