#include "postgres/wide.h"

#include <stdlib.h>
#include <string.h>

#define ELEMENTS_MAX 400000 /* rows times columns: most of them may be NULL */

bool wide_init(struct wide *w, size_t size)
{
    size_t slots = 1;

    while (slots < 2 * size)
        slots *= 2;
    *w = (struct wide){.size = size};
    w->cells = calloc(size, sizeof *w->cells);
    w->rows = calloc(size, sizeof *w->rows);
    w->used = calloc(size, sizeof *w->used);
    w->column = calloc(size, sizeof *w->column);
    w->slots = calloc(slots, sizeof *w->slots);
    w->slot_count = slots;
    return w->cells != NULL && w->rows != NULL && w->used != NULL && w->column != NULL &&
           w->slots != NULL;
}

void wide_free(struct wide *w)
{
    free(w->cells);
    free(w->rows);
    free(w->used);
    free(w->column);
    free(w->slots);
    *w = (struct wide){0};
}

void wide_begin(struct wide *w)
{
    w->cell_count = w->row_count = w->used_count = w->columns = 0;
    memset(w->slots, 0, w->slot_count * sizeof *w->slots);
    w->batch++;
}

/* ---- rows ------------------------------------------------------------------------ */

static bool same_record(const struct fr_delivery *a, const struct fr_delivery *b)
{
    return parameters_time_ms(a) == parameters_time_ms(b) && a->txid_len == b->txid_len &&
           memcmp(a->txid, b->txid, a->txid_len) == 0 && strcmp(a->vin, b->vin) == 0;
}

static uint32_t record_hash(const struct fr_delivery *d)
{
    uint32_t hash = 2166136261u ^ (uint32_t)parameters_time_ms(d);

    for (size_t i = 0; i < d->txid_len; i++)
        hash = (hash ^ (unsigned char)d->txid[i]) * 16777619u;
    for (const char *c = d->vin; *c != '\0'; c++)
        hash = (hash ^ (unsigned char)*c) * 16777619u;
    return hash ^ hash >> 16;
}

/* The row of a delivery's record, which is added if it is new. */
static uint32_t wide_row(struct wide *w, const struct fr_delivery *d)
{
    size_t at;

    if (w->row_count != 0 && same_record(w->rows[w->row_count - 1], d))
        return (uint32_t)w->row_count - 1;
    at = record_hash(d) & (w->slot_count - 1);
    for (; w->slots[at] != 0; at = (at + 1) & (w->slot_count - 1))
        if (same_record(w->rows[w->slots[at] - 1], d))
            return w->slots[at] - 1;
    w->rows[w->row_count++] = d;
    w->slots[at] = (uint32_t)w->row_count;
    return (uint32_t)w->row_count - 1;
}

bool wide_add(struct wide *w, const struct fr_delivery *d, struct field *field)
{
    bool is_new = field != NULL && field->batch != w->batch;
    size_t columns = w->columns + (is_new ? (size_t)field_columns(field) : 0);
    uint32_t row;

    if (w->cell_count == w->size || w->row_count == w->size ||
        columns + 4 > PARAMETERS_ARRAYS_MAX || (w->row_count + 1) * columns > ELEMENTS_MAX)
        return false;
    if (is_new) {
        field->batch = w->batch;
        field->first_cell = 0;
        w->used[w->used_count++] = field;
        w->columns = columns;
    }
    row = wide_row(w, d);
    if (field != NULL) {
        w->cells[w->cell_count++] = (struct wide_cell){d, row, field->first_cell};
        field->first_cell = (uint32_t)w->cell_count;
    }
    return true;
}

/* ---- the statement --------------------------------------------------------------- */

static void wide_put(struct writer *writer, struct db_array *array, const struct fr_delivery *d,
                     enum db_type type, bool longitude)
{
    const char *json = NULL;
    size_t len = 0;

    if (type == DB_JSONB && (json = writer->host->value(writer->sink, d, &len)) == NULL) {
        array->bytes.failed = true;
        return;
    }
    db_array_value(array, type, &d->value, longitude, json, len);
}

/* Append the arrays of a field's columns. */
static void wide_make_field(struct wide *w, struct writer *writer, const struct field *field)
{
    enum db_type type = field_column_type(field);

    for (int k = 0; k < field_columns(field); k++) {
        size_t at = parameters_begin(&writer->parameters, type);

        for (size_t row = 0; row < w->row_count && !writer->parameters.failed; row++) {
            struct db_array *array = &writer->parameters.arrays[at];

            if (w->column[row] == 0)
                db_array_null(array);
            else
                wide_put(writer, array, w->cells[w->column[row] - 1].delivery, type, k == 1);
        }
    }
}

/* Of several values of one field in one record, the newest one counts. */
static void wide_make_fields(struct wide *w, struct writer *writer)
{
    for (size_t f = 0; f < w->used_count; f++) {
        memset(w->column, 0, w->row_count * sizeof *w->column);
        for (uint32_t c = w->used[f]->first_cell; c != 0; c = w->cells[c - 1].next)
            if (w->column[w->cells[c - 1].row] == 0) /* the newest one comes first */
                w->column[w->cells[c - 1].row] = c;
        wide_make_field(w, writer, w->used[f]);
    }
}

/* Append a text for each column of the used fields, with its quoted name in place of each '@'. */
static void wide_columns(const struct wide *w, struct fr_text_buffer *out, const char *text)
{
    const char *before = "";

    for (size_t f = 0; f < w->used_count; f++)
        for (int k = 0; k < field_columns(w->used[f]); k++) {
            fr_text_buffer_add(out, before);
            before = ", ";
            for (const char *c = text; *c != '\0'; c++)
                if (*c == '@')
                    db_identifier_append(out, w->used[f]->columns[k]);
                else
                    fr_text_buffer_byte(out, *c);
        }
}

bool wide_make(struct wide *w, struct writer *writer, const struct db_location *at)
{
    struct fr_text_buffer columns = {0};

    fr_text_buffer_clear(&writer->sql);
    parameters_clear(&writer->parameters);
    parameters_begin_who(&writer->parameters);
    for (size_t row = 0; row < w->row_count; row++)
        parameters_add_who(&writer->parameters, w->rows[row]);
    wide_make_fields(w, writer);
    if (w->used_count != 0)
        fr_text_buffer_add(&columns, ", ");
    wide_columns(w, &columns, "@");
    writer_insert(writer, at, TABLE_WIDE, fr_text_buffer_string(&columns));
    writer->sql.failed |= columns.failed;
    fr_text_buffer_free(&columns);
    if (w->used_count == 0) {
        fr_text_buffer_add(&writer->sql, " ON CONFLICT DO NOTHING");
    } else { /* another batch may have other values of the record */
        fr_text_buffer_printf(&writer->sql, " ON CONFLICT (%s) DO UPDATE SET ",
                              db_table_key(TABLE_WIDE));
        wide_columns(w, &writer->sql, "@ = COALESCE(EXCLUDED.@, t.@)");
    }
    return parameters_end(&writer->parameters) && !writer->sql.failed;
}
