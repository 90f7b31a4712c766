/*
 * The type of the column of a field, and values as elements of arrays. The types of the fields are those
 * of the catalogue, because a vehicle may send any type: the first value must not decide. Any thread.
 */
#ifndef FR_POSTGRES_FIELD_TYPE_H
#define FR_POSTGRES_FIELD_TYPE_H

#include <stdbool.h>
#include <stdint.h>

#include "fleetroute/plugin.h"
#include "postgres/array.h"

#define FIELD_LOCATION 1 /* in place of an enum db_type: two columns of DB_FLOAT8 */

/* By number of the field; 0: unknown. Made by field_types.awk. */
extern const uint16_t db_field_types[];
extern const uint32_t db_field_type_count;

/* The column type of a delivered value: an enum db_type or FIELD_LOCATION. 0: the field is unknown, and
 * the delivery has no value. */
unsigned db_field_type(const struct fr_delivery *delivery);

/* Whether the delivery has a value, and not the mark of an invalid or missing one. */
bool db_has_value(const struct fr_delivery *delivery);

/* Whether a value can be an element of this type (FIELD_LOCATION: of both columns). */
bool db_value_fits(const struct fr_value *value, unsigned type);

/* The kind of a value, for people. */
const char *db_value_kind(const struct fr_value *value);

/* Whether a column of the server's type `oid` takes elements of this type: an administrator may have
 * chosen a related type, such as real or numeric instead of double precision, or a text. */
bool db_column_takes(uint32_t oid, enum db_type type);

/* Append a value that fits. `json` is the value as JSON, for DB_JSONB. `longitude` selects the second
 * column of a location. */
void db_array_value(struct db_array *array, enum db_type type, const struct fr_value *value,
                    bool longitude, const char *json, size_t json_len);

#endif
