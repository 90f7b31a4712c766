/*
 * What an error of a PostgreSQL server means for a batch of deliveries, by its SQLSTATE (appendix A of
 * PostgreSQL's manual), and the remedy for people. The functions have no state; any thread may call them.
 */
#ifndef FR_POSTGRES_SQLSTATE_H
#define FR_POSTGRES_SQLSTATE_H

#define DB_STATE_UNIQUE "23505" /* a row with this key is there */

/* What to do after an error. */
enum db_fault {
    FAULT_ROW,     /* one of the rows: the batch is divided until that row is alone */
    FAULT_UNKNOWN, /* as FAULT_ROW; the row may succeed later */
    FAULT_AWAY,    /* the server accepts nothing at present, or its administrator must act */
    FAULT_SCHEMA,  /* the tables are not as expected: they are read again */
    FAULT_AGAIN,   /* the transaction met another one: the same batch is sent again */
};

struct db_error {
    enum db_fault fault;
    const char *remedy; /* begins with a space and has parentheses; "" if unknown */
};

/* `state` has 5 characters; any other text, or NULL: unknown. */
struct db_error db_error_of(const char *state);

/* The SQLSTATE in a message of libpq with PQERRORS_VERBOSE, such as "FATAL:  28P01: password …".
 * Copies 5 characters and a NUL to `state`; "" if there is none. */
void db_error_find_state(const char *message, char state[6]);

#endif
