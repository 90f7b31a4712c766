/*
 * What an error of a Redis server means for a delivery, and the remedy for people. The functions
 * have no state; any thread may call them.
 */
#ifndef FR_REDIS_ERRORS_H
#define FR_REDIS_ERRORS_H

#include <stdbool.h>

#include "fleetroute/plugin.h"

/* What to do after an error. */
enum redis_fault {
    FAULT_DELIVERY, /* FR_FAILED: the fault of this delivery's channel or stream */
    FAULT_SERVER,   /* FR_RETRY: the server accepts no requests of this kind at present */
    FAULT_RENEW,    /* as FAULT_SERVER; a new connection may lead to another server or login */
};

struct redis_error {
    enum redis_fault fault;
    const char *remedy; /* begins with a space and has parentheses; "" if unknown */
};

/* `text` is an error as the server sent it, such as "OOM command not allowed …". */
struct redis_error redis_error_of(const char *text);

/* Whether an error in the answer to PING shows that the server does not serve this client. A server
 * that only refuses PING to this user, or cannot save, is used. */
bool redis_error_ends_login(const char *text);

/* The remedy for an error in the answer to AUTH or SELECT; as in struct redis_error. */
const char *redis_error_login_remedy(const char *text);

#endif
