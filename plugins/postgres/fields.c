#include "postgres/fields.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "text_hash.h"

#define SLOTS 4096 /* a power of two, more than twice FIELDS_MAX */

struct fields {
    struct field *slots[SLOTS]; /* by hash of the name; owned */
    size_t count, unknown;
};

struct fields *fields_new(void)
{
    return calloc(1, sizeof(struct fields));
}

static void field_free(struct field *field)
{
    if (field != NULL)
        free(field->name);
    free(field);
}

void fields_free(struct fields *f)
{
    if (f == NULL)
        return;
    for (size_t i = 0; i < SLOTS; i++)
        field_free(f->slots[i]);
    free(f);
}

enum db_type field_column_type(const struct field *field)
{
    return field->type == FIELD_LOCATION ? DB_FLOAT8 : (enum db_type)field->type;
}

int field_columns(const struct field *field)
{
    return field->type == FIELD_LOCATION ? 2 : 1;
}

static struct field *field_new(const struct fr_delivery *d)
{
    struct field *field = calloc(1, sizeof *field);
    char column[DB_NAME_SIZE];

    if (field == NULL || (field->name = strdup(d->name)) == NULL) {
        free(field);
        return NULL;
    }
    field->type = db_field_type(d);
    field->known = d->field < db_field_type_count && db_field_types[d->field] != 0;
    db_column_name(d->name, column);
    snprintf(field->columns[0], DB_NAME_SIZE, "%.53s%s", column,
             field->type == FIELD_LOCATION ? "_latitude" : "");
    snprintf(field->columns[1], DB_NAME_SIZE, "%.53s_longitude", column);
    return field;
}

static void field_resolve(struct field *field, const struct schema *schema)
{
    field->reading = schema->reading;
    field->state = FIELD_READY;
    for (int i = 0; i < field_columns(field); i++) {
        const struct schema_column *column = schema_column(schema, field->columns[i]);

        if (column == NULL) {
            field->state = FIELD_MISSING;
        } else if (!db_column_takes(column->oid, field_column_type(field))) {
            field->state = FIELD_FOREIGN;
            field->foreign = column;
            return;
        }
    }
}

static struct field **fields_slot(struct fields *f, const char *name)
{
    size_t at = fr_text_hash(name) & (SLOTS - 1);

    while (f->slots[at] != NULL && strcmp(f->slots[at]->name, name) != 0)
        at = (at + 1) & (SLOTS - 1);
    return &f->slots[at];
}

/* Whether two fields have a column in common. */
static bool fields_share(const struct field *a, const struct field *b)
{
    for (int i = 0; i < field_columns(a); i++)
        for (int k = 0; k < field_columns(b); k++)
            if (strcmp(a->columns[i], b->columns[k]) == 0)
                return true;
    return false;
}

/* A field that has a column of this one; NULL: none. A statement must not name a column twice. */
static struct field *fields_find_same(const struct fields *f, const struct field *field)
{
    for (size_t i = 0; i < SLOTS; i++)
        if (f->slots[i] != NULL && f->slots[i]->same == NULL && fields_share(f->slots[i], field))
            return f->slots[i];
    return NULL;
}

/* Count a field that the catalogue does not have, and that has or gets a column. NULL, or why it must
 * not get one. */
static const char *fields_count_unknown(struct fields *f, struct field *field)
{
    if (field->known || field->counted)
        return NULL;
    if (field->state == FIELD_MISSING && f->unknown >= FIELDS_UNKNOWN_MAX)
        return "there are too many fields that fleetroute does not know (use `layout: narrow`)";
    field->counted = true;
    f->unknown++;
    return NULL;
}

/* Add the field of a delivery. NULL, or the reason why it is not added. */
static const char *fields_add(struct fields *f, struct field **slot, const struct schema *schema,
                              const struct fr_delivery *d)
{
    struct field *field = f->count < FIELDS_MAX ? field_new(d) : NULL;
    const char *why;

    if (field == NULL)
        return "there are too many fields (use `layout: narrow`)";
    field_resolve(field, schema);
    field->same = fields_find_same(f, field);
    why = field->same == NULL ? fields_count_unknown(f, field) : NULL;
    if (why != NULL) {
        field_free(field);
        return why;
    }
    *slot = field;
    f->count++;
    return NULL;
}

struct field *fields_find(struct fields *f, const struct schema *schema,
                          const struct fr_delivery *d, const char **why)
{
    struct field **slot = fields_slot(f, d->name), *field;

    if (*slot == NULL && (*why = fields_add(f, slot, schema, d)) != NULL)
        return NULL;
    field = (*slot)->same != NULL ? (*slot)->same : *slot;
    if (field->reading != schema->reading)
        field_resolve(field, schema);
    if ((*why = fields_count_unknown(f, field)) != NULL)
        return NULL;
    if (field->state == FIELD_MISSING && field->refused) {
        *why = "the server refuses a column for it (too many columns, or the role may not add one: "
               "use "
               "`layout: narrow`)";
        return NULL;
    }
    return field;
}

void fields_refuse_asked(struct fields *f)
{
    for (size_t i = 0; i < SLOTS; i++)
        if (f->slots[i] != NULL)
            f->slots[i]->refused |= f->slots[i]->asked;
}

bool fields_asked_known(const struct fields *f)
{
    for (size_t i = 0; i < SLOTS; i++)
        if (f->slots[i] != NULL && f->slots[i]->asked && f->slots[i]->known)
            return true;
    return false;
}

bool fields_any_wanted(const struct fields *f)
{
    for (size_t i = 0; i < SLOTS; i++)
        if (f->slots[i] != NULL && f->slots[i]->wanted)
            return true;
    return false;
}

void fields_add_columns(struct fields *f, const struct schema *schema, struct session *session)
{
    struct fr_text_buffer sql = {0};
    const char *before = " ADD COLUMN IF NOT EXISTS ";

    schema_add_lock(session);
    fr_text_buffer_add(&sql, "ALTER TABLE ");
    db_table_quoted(&sql, &schema->at, TABLE_WIDE);
    for (size_t i = 0; i < SLOTS; i++) {
        struct field *field = f->slots[i];

        if (field != NULL)
            field->asked = false;
        if (field == NULL || !field->wanted)
            continue;
        field->wanted = false;
        field->asked = true;
        for (int k = 0; k < field_columns(field); k++) {
            fr_text_buffer_add(&sql, before);
            db_identifier_append(&sql, field->columns[k]);
            fr_text_buffer_printf(&sql, " %s", db_type_name(field_column_type(field)));
            before = ", ADD COLUMN IF NOT EXISTS ";
        }
    }
    session_add(session, sql.failed ? NULL : fr_text_buffer_string(&sql), NULL, 0);
    fr_text_buffer_free(&sql);
}
