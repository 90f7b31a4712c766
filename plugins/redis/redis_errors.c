#include "redis/redis_errors.h"

#include <stddef.h>
#include <string.h>

/* The first row whose `begin` begins the text, and whose `part` occurs in it, applies. */
static const struct {
    const char *begin, *part;
    struct redis_error error;
} errors[] = {
    {"OOM ", "", {FAULT_SERVER, " (raise maxmemory of the server, or lower `max_length:`)"}},
    {"READONLY ", "", {FAULT_RENEW, " (`host:` must be the primary server, not a replica)"}},
    {"LOADING ", "", {FAULT_SERVER, " (wait until the server has read its data)"}},
    {"BUSY ", "", {FAULT_SERVER, " (a script blocks the server: SCRIPT KILL)"}},
    {"MISCONF ", "", {FAULT_SERVER, " (the server cannot save: see its log and its disk)"}},
    {"MASTERDOWN ", "", {FAULT_RENEW, " (the replica has no connection to its primary server)"}},
    {"NOREPLICAS ", "", {FAULT_SERVER, " (see min-replicas-to-write of the server)"}},
    {"CLUSTERDOWN ", "", {FAULT_SERVER, " (the cluster does not serve all slots)"}},
    {"NOAUTH ", "", {FAULT_RENEW, " (set `password_file:`)"}},
    {"WRONGPASS ", "", {FAULT_RENEW, " (check `username:` and `password_file:`)"}},
    {"DENIED ", "", {FAULT_RENEW, " (set a password at the server, and `password_file:`)"}},
    {"ERR max number of clients", "", {FAULT_RENEW, " (raise maxclients of the server)"}},
    {"ERR unknown command", "", {FAULT_SERVER, " (streams need Redis 5; or use `mode: publish`)"}},
    {"NOPERM ",
     " run the ",
     {FAULT_SERVER, " (allow this user the command: ACL SETUSER with +publish or +xadd)"}},
    {"NOPERM ",
     "",
     {FAULT_DELIVERY, " (allow this user the name: ACL SETUSER with ~tesla_* or &tesla_*)"}},
    {"WRONGTYPE ",
     "",
     {FAULT_DELIVERY, " (another program uses this key: delete it, or change `topic:`)"}},
    {"MOVED ", "", {FAULT_DELIVERY, " (streams in a cluster are not supported)"}},
};

struct redis_error redis_error_of(const char *text)
{
    for (size_t i = 0; i < sizeof errors / sizeof *errors; i++)
        if (strncmp(text, errors[i].begin, strlen(errors[i].begin)) == 0 &&
            strstr(text, errors[i].part) != NULL)
            return errors[i].error;
    return (struct redis_error){FAULT_DELIVERY, ""};
}

bool redis_error_ends_login(const char *text)
{
    return redis_error_of(text).fault == FAULT_RENEW || strncmp(text, "LOADING ", 8) == 0 ||
           strncmp(text, "BUSY ", 5) == 0;
}

const char *redis_error_login_remedy(const char *text)
{
    if (strstr(text, "without any password configured") != NULL)
        return " (the server has no password: remove `password_file:`)";
    if (strstr(text, "DB index") != NULL)
        return " (check `database:`)";
    if (strncmp(text, "NOPERM ", 7) == 0)
        return " (allow this user the command: ACL SETUSER with +select)";
    return redis_error_of(text).remedy;
}
