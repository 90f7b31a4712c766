/*
 * The fields that were delivered, and the columns of the wide table that belong to them. A table of
 * fields belongs to one thread.
 */
#ifndef FR_POSTGRES_FIELDS_H
#define FR_POSTGRES_FIELDS_H

#include "fleetroute/plugin.h"
#include "postgres/field_type.h"
#include "postgres/schema.h"

#define FIELDS_MAX 1500       /* a table of PostgreSQL has at most 1600 columns */
#define FIELDS_UNKNOWN_MAX 64 /* columns of fields that the catalogue does not have */

/* Whether values of a field can be inserted. */
enum field_state {
    FIELD_READY,
    FIELD_MISSING, /* a column is missing */
    FIELD_FOREIGN, /* a column has another type */
};

struct field {
    char *name;                    /* as delivered; owned */
    struct field *same;            /* the field that has a column of this one; NULL: this one */
    bool known;                    /* the catalogue has it */
    bool counted;                  /* as one of the unknown fields */
    unsigned type;                 /* enum db_type or FIELD_LOCATION */
    char columns[2][DB_NAME_SIZE]; /* the second one only for FIELD_LOCATION */
    enum field_state state;
    unsigned reading;                    /* of the schema to which `state` belongs */
    const struct schema_column *foreign; /* with FIELD_FOREIGN */
    bool wanted;                         /* the column is to be added */
    bool asked, refused;                 /* the server was asked for the column, and refused it */
    uint64_t batch;                      /* for wide.c: the last batch with this field; 0: none */
    uint32_t first_cell;                 /* for wide.c: of that batch */
};

struct fields;

/* NULL: no memory. */
struct fields *fields_new(void);

/* NULL is allowed. */
void fields_free(struct fields *fields);

/* The field of a delivery that has a value, with `state` for this schema. NULL, with the reason in
 * `why`: there are too many fields. */
struct field *fields_find(struct fields *fields, const struct schema *schema,
                          const struct fr_delivery *delivery, const char **why);

/* The type of a field's columns, and the number of them. */
enum db_type field_column_type(const struct field *field);
int field_columns(const struct field *field);

/* The server has refused the columns of the last fields_add_columns(). */
void fields_refuse_asked(struct fields *fields);

/* Whether the last fields_add_columns() asked for the column of a field that the catalogue has. */
bool fields_asked_known(const struct fields *fields);

/* Whether a field is wanted. */
bool fields_any_wanted(const struct fields *fields);

/* Add the statements that add the columns of all wanted fields, under a lock, to the next transaction,
 * and reset `wanted`. */
void fields_add_columns(struct fields *fields, const struct schema *schema,
                        struct session *session);

#endif
