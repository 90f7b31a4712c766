#include "postgres/batch.h"

#include <stdlib.h>
#include <string.h>

void writer_free(struct writer *w)
{
    free(w->sorted);
    fr_text_buffer_free(&w->sql);
    parameters_free(&w->parameters);
}

enum db_table batch_table(const struct fr_delivery *d, bool narrow)
{
    if (d->kind == FR_DELIVERY_FIELD)
        return narrow ? TABLE_NARROW : TABLE_WIDE;
    for (int i = TABLE_ALERTS; i <= TABLE_CONNECTIVITY; i++)
        if (strcmp(d->record_type, db_table_name((enum db_table)i)) == 0)
            return (enum db_table)i;
    return TABLE_RECORDS;
}

/* unnest() of several arrays is syntax and cannot have the name of its schema. setup.c has emptied
 * search_path, so that the name means the server's own function. */

/* ---- parts of the statement ------------------------------------------------------ */

/* Append $1::pg_catalog.text[], … */
static void writer_arrays(struct writer *w)
{
    static const struct {
        enum db_type type;
        const char *name;
    } types[] = {{DB_BOOL, "bool"},     {DB_INT8, "int8"}, {DB_TEXT, "text"},
                 {DB_FLOAT8, "float8"}, {DB_TIME, "time"}, {DB_TIMESTAMPTZ, "timestamptz"},
                 {DB_JSONB, "jsonb"}};

    for (size_t i = 0; i < w->parameters.count; i++)
        for (size_t k = 0; k < sizeof types / sizeof *types; k++)
            if (w->parameters.arrays[i].type == types[k].type)
                fr_text_buffer_printf(&w->sql, "%s$%zu::pg_catalog.%s[]", i != 0 ? ", " : "", i + 1,
                                      types[k].name);
}

void writer_insert(struct writer *w, const struct db_location *at, enum db_table table,
                   const char *columns)
{
    fr_text_buffer_add(&w->sql, "INSERT INTO ");
    db_table_quoted(&w->sql, at, table);
    fr_text_buffer_printf(&w->sql, " AS t (vin, time, txid, received_at%s) SELECT * FROM unnest(",
                          columns);
    writer_arrays(w);
    fr_text_buffer_add(&w->sql, ")");
}

/* ---- the narrow table ------------------------------------------------------------ */

enum {
    NARROW_FIELD = 4,
    NARROW_UNIT,
    NARROW_NUMBER,
    NARROW_INTEGER,
    NARROW_TEXT,
    NARROW_BOOLEAN,
    NARROW_LATITUDE,
    NARROW_LONGITUDE,
    NARROW_COLUMNS
};

static const struct {
    const char *name;
    enum db_type type;
} narrow[] = {
    [NARROW_FIELD] = {"field", DB_TEXT},         [NARROW_UNIT] = {"unit", DB_TEXT},
    [NARROW_NUMBER] = {"number", DB_FLOAT8},     [NARROW_INTEGER] = {"integer", DB_INT8},
    [NARROW_TEXT] = {"text", DB_TEXT},           [NARROW_BOOLEAN] = {"boolean", DB_BOOL},
    [NARROW_LATITUDE] = {"latitude", DB_FLOAT8}, [NARROW_LONGITUDE] = {"longitude", DB_FLOAT8},
};

static void narrow_add_text(struct writer *w, const struct fr_delivery *d)
{
    struct db_array *array = &w->parameters.arrays[NARROW_TEXT];
    const char *json;
    size_t len;

    switch (d->value.kind) {
    case FR_VALUE_TEXT:
    case FR_VALUE_ENUM:
        db_array_value(array, DB_TEXT, &d->value, false, NULL, 0);
        break;
    case FR_VALUE_DOORS:
    case FR_VALUE_TIRES:
        json = w->host->value(w->sink, d, &len);
        if (json != NULL)
            db_array_text(array, json, len);
        else
            array->bytes.failed = true;
        break;
    case FR_VALUE_CLOCK: /* "HH:MM:SS", in quotes */
        json = w->host->value(w->sink, d, &len);
        if (json != NULL && len >= 2)
            db_array_text(array, json + 1, len - 2);
        else
            array->bytes.failed = true;
        break;
    case FR_VALUE_NONE:
    case FR_VALUE_INVALID:
    case FR_VALUE_BOOL:
    case FR_VALUE_INT:
    case FR_VALUE_REAL:
    case FR_VALUE_LOCATION:
    default:
        db_array_null(array);
        break;
    }
}

static void narrow_add_if(struct db_array *array, bool applies, enum db_type type,
                          const struct fr_value *value, bool longitude)
{
    if (applies)
        db_array_value(array, type, value, longitude, NULL, 0);
    else
        db_array_null(array);
}

static void narrow_add(struct writer *w, const struct fr_delivery *d)
{
    struct db_array *arrays = w->parameters.arrays;
    enum fr_value_kind kind = d->value.kind;

    parameters_add_who(&w->parameters, d);
    db_array_text(&arrays[NARROW_FIELD], d->name, strlen(d->name));
    if (d->unit[0] != '\0')
        db_array_text(&arrays[NARROW_UNIT], d->unit, strlen(d->unit));
    else
        db_array_null(&arrays[NARROW_UNIT]);
    narrow_add_if(&arrays[NARROW_NUMBER], kind == FR_VALUE_INT || kind == FR_VALUE_REAL, DB_FLOAT8,
                  &d->value, false);
    narrow_add_if(&arrays[NARROW_INTEGER], kind == FR_VALUE_INT, DB_INT8, &d->value, false);
    narrow_add_text(w, d);
    narrow_add_if(&arrays[NARROW_BOOLEAN], kind == FR_VALUE_BOOL, DB_BOOL, &d->value, false);
    narrow_add_if(&arrays[NARROW_LATITUDE], kind == FR_VALUE_LOCATION, DB_FLOAT8, &d->value, false);
    narrow_add_if(&arrays[NARROW_LONGITUDE], kind == FR_VALUE_LOCATION, DB_FLOAT8, &d->value, true);
}

static int narrow_compare(const void *a, const void *b)
{
    const struct fr_delivery *x = *(const struct fr_delivery *const *)a;
    const struct fr_delivery *y = *(const struct fr_delivery *const *)b;
    int64_t at = parameters_time_ms(x), other = parameters_time_ms(y);
    int order = strcmp(x->vin, y->vin);

    order = order != 0 ? order : strcmp(x->name, y->name);
    return order != 0 ? order : (at > other) - (at < other);
}

/* The deliveries in the order of the key: neighbours in the batch are neighbours in the server's index.
 * False: no memory. */
static bool narrow_sort(struct writer *w, const struct delivery_list *deliveries)
{
    size_t count = 0;

    if (deliveries->count > w->sorted_size) {
        const struct fr_delivery **sorted =
            realloc(w->sorted, deliveries->count * sizeof(struct fr_delivery *));

        if (sorted == NULL)
            return false;
        w->sorted = sorted;
        w->sorted_size = deliveries->count;
    }
    for (const struct fr_delivery *d = deliveries->first; d != NULL; d = delivery_next(d))
        w->sorted[count++] = d;
    if (count != 0)
        qsort(w->sorted, count, sizeof(struct fr_delivery *), narrow_compare);
    return true;
}

static void narrow_make(struct writer *w, const struct db_location *at,
                        const struct delivery_list *deliveries)
{
    for (int i = NARROW_FIELD; i < NARROW_COLUMNS; i++)
        parameters_begin(&w->parameters, narrow[i].type);
    w->parameters.failed |= !narrow_sort(w, deliveries);
    for (size_t i = 0; i < deliveries->count && !w->parameters.failed; i++)
        narrow_add(w, w->sorted[i]);
    writer_insert(w, at, TABLE_NARROW,
                  ", field, unit, number, \"integer\", text, \"boolean\", latitude, longitude");
}

/* ---- whole records --------------------------------------------------------------- */

/* Tesla's JSON of the record types: a list of alerts or errors, or the members of a connectivity
 * record. The server's JSON functions read it. */
#define FROM_ROWS " FROM unnest("
#define ROWS ") AS r (vin, time, txid, received_at, payload)"
#define EACH(list)                                                                                 \
    ROWS ", pg_catalog.jsonb_array_elements(r.payload -> '" list                                   \
         "') WITH ORDINALITY AS i (item, position)"
#define WHO "r.vin, r.time, r.txid, r.received_at, "

static const struct {
    const char *columns, *select, *from;
} documents[] = {
    [TABLE_ALERTS] = {", position, name, started_at, ended_at, audiences",
                      WHO "i.position, i.item ->> 'name', "
                          "(i.item ->> 'startedAt')::pg_catalog.timestamptz, "
                          "(i.item ->> 'endedAt')::pg_catalog.timestamptz, i.item -> 'audiences'",
                      EACH("alerts")},
    [TABLE_ERRORS] = {", position, name, body, tags, created_at",
                      WHO "i.position, i.item ->> 'name', i.item ->> 'body', i.item -> 'tags', "
                          "(i.item ->> 'createdAt')::pg_catalog.timestamptz",
                      EACH("errors")},
    [TABLE_CONNECTIVITY] = {", status, connection_id, network_interface, created_at",
                            WHO "r.payload ->> 'status', r.payload ->> 'connectionId', "
                                "r.payload ->> 'networkInterface', "
                                "(r.payload ->> 'createdAt')::pg_catalog.timestamptz",
                            ROWS},
};

static void document_make(struct writer *w, const struct db_location *at, enum db_table table,
                          const struct delivery_list *deliveries)
{
    size_t type = 0, payload;

    if (table == TABLE_RECORDS)
        type = parameters_begin(&w->parameters, DB_TEXT);
    payload = parameters_begin(&w->parameters, DB_JSONB);
    for (const struct fr_delivery *d = deliveries->first; d != NULL && !w->parameters.failed;
         d = delivery_next(d)) {
        parameters_add_who(&w->parameters, d);
        if (type != 0)
            db_array_text(&w->parameters.arrays[type], d->record_type, strlen(d->record_type));
        db_array_jsonb(&w->parameters.arrays[payload], (const char *)d->bytes, d->len);
    }
    if (table == TABLE_RECORDS) {
        writer_insert(w, at, table, ", type, payload");
        return;
    }
    fr_text_buffer_add(&w->sql, "INSERT INTO ");
    db_table_quoted(&w->sql, at, table);
    fr_text_buffer_printf(&w->sql, " (vin, time, txid, received_at%s) SELECT %s" FROM_ROWS,
                          documents[table].columns, documents[table].select);
    writer_arrays(w);
    fr_text_buffer_add(&w->sql, documents[table].from);
}

/* ---- a batch --------------------------------------------------------------------- */

bool writer_make(struct writer *w, const struct db_location *at, enum db_table table,
                 const struct delivery_list *deliveries, bool repeated)
{
    fr_text_buffer_clear(&w->sql);
    parameters_clear(&w->parameters);
    parameters_begin_who(&w->parameters);
    if (table == TABLE_NARROW)
        narrow_make(w, at, deliveries);
    else
        document_make(w, at, table, deliveries);
    if (repeated || table != TABLE_NARROW) /* another constraint than the key remains an error */
        fr_text_buffer_printf(&w->sql, " ON CONFLICT (%s) DO NOTHING", db_table_key(table));
    return parameters_end(&w->parameters) && !w->sql.failed;
}
