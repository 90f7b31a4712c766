/*
 * The servers of a connection string, one after the other: names are resolved with libevent's DNS
 * client, so that the sink's thread does not wait, and each address is a target of its own.
 *
 * Everything runs on the sink's thread.
 */
#ifndef FR_POSTGRES_SERVERS_H
#define FR_POSTGRES_SERVERS_H

#include <event2/event.h>
#include <libpq-fe.h>
#include <stdbool.h>
#include <stddef.h>

#include "text_buffer.h"

struct servers;

/* Parse a connection string. NULL, with a message in `why`. */
struct servers *servers_new(const char *connection, struct event_base *base, char *why,
                            size_t why_size);

/* NULL is allowed. A resolution that runs ends without a report. */
void servers_free(struct servers *servers);

/* Report a mistake in a connection string that can be found without a connection; false: there is none. */
bool servers_mistake(const char *connection, char *why, size_t why_size);

/* Go to the next target, or to the first one after the last. `ready` is called once, perhaps within this
 * function: `why` is NULL, or the reason why there is no address for the current name. */
void servers_next(struct servers *servers, void (*ready)(void *ctx, const char *why), void *ctx);

/* Whether targets follow the current one. */
bool servers_has_more(const struct servers *servers);

/* Start to connect to the current target, with this password (NULL: none). NULL: no memory. */
PGconn *servers_connect(const struct servers *servers, const char *password);

/* The current target for people. Valid until servers_next(). */
const char *servers_address(const struct servers *servers);

#endif
