#include "postgres/sqlstate.h"

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#define CREATE_TABLES " (see the roles and grants in fleetroute-postgres(7))"

/* The first row whose `begin` begins the SQLSTATE applies. */
static const struct {
    const char *begin;
    struct db_error error;
} errors[] = {
    {"08", {FAULT_AWAY, " (see the server's log)"}},
    {"22", {FAULT_ROW, ""}},
    {"23", {FAULT_ROW, " (a constraint that is not fleetroute's refuses the row)"}},
    {"25006", {FAULT_AWAY, " (the server must be the primary, not a standby)"}},
    {"28", {FAULT_AWAY, " (check the user in `connection:`, `password_file:` and pg_hba.conf)"}},
    {"3D", {FAULT_AWAY, " (create the database, or check `dbname` in `connection:`)"}},
    {"3F", {FAULT_SCHEMA, " (create the schema, or check `schema:`)"}},
    {"40", {FAULT_AGAIN, " (other sessions lock the tables)"}},
    {"42501", {FAULT_AWAY, CREATE_TABLES}},
    {"42",
     {FAULT_SCHEMA, " (the tables are not as fleetroute made them: see fleetroute-postgres(7))"}},
    {"53100", {FAULT_AWAY, " (the server's disk is full: free space, or set `retention:`)"}},
    {"53300", {FAULT_AWAY, " (raise max_connections of the server)"}},
    {"53", {FAULT_AWAY, " (the server lacks memory, disk or connections: see its log)"}},
    {"54011", {FAULT_ROW, " (the table has the maximum number of columns: use `layout: narrow`)"}},
    {"54", {FAULT_ROW, ""}},
    {"55P03", {FAULT_AWAY, " (another session locks the table: see pg_locks)"}},
    {"55", {FAULT_AWAY, ""}},
    {"57014", {FAULT_AWAY, " (the server is overloaded, or another session locks the table)"}},
    {"57P03", {FAULT_AWAY, " (the server starts: wait)"}},
    {"57", {FAULT_AWAY, " (the server's administrator stopped it)"}},
    {"58", {FAULT_AWAY, " (the server's disk or system fails: see its log)"}},
    {"P0001", {FAULT_ROW, " (a trigger that is not fleetroute's refuses the row)"}},
};

struct db_error db_error_of(const char *state)
{
    if (state != NULL && strlen(state) == 5)
        for (size_t i = 0; i < sizeof errors / sizeof *errors; i++)
            if (strncmp(state, errors[i].begin, strlen(errors[i].begin)) == 0)
                return errors[i].error;
    return (struct db_error){FAULT_UNKNOWN, ""};
}

static bool state_is_at(const char *text)
{
    for (int i = 0; i < 5; i++)
        if (!(text[i] >= '0' && text[i] <= '9') && !(text[i] >= 'A' && text[i] <= 'Z'))
            return false;
    return text[5] == ':';
}

void db_error_find_state(const char *message, char state[6])
{
    state[0] = '\0';
    for (const char *at = strstr(message, ":  "); at != NULL; at = strstr(at + 3, ":  "))
        if (state_is_at(at + 3)) {
            memcpy(state, at + 3, 5);
            state[5] = '\0';
            return;
        }
}
