/*
 * Names in SQL: quoting, and the column of a field. Any thread.
 */
#ifndef FR_POSTGRES_IDENTIFIER_H
#define FR_POSTGRES_IDENTIFIER_H

#include "text_buffer.h"

#define DB_NAME_SIZE 64 /* bytes of an identifier with NUL: NAMEDATALEN of PostgreSQL */

/* Append a name in double quotes. */
void db_identifier_append(struct fr_text_buffer *out, const char *name);

/* Append schema.table, quoted. */
void db_table_append(struct fr_text_buffer *out, const char *schema, const char *table);

/*
 * The column of a field's name: small letters, with "_" between words, so that queries need no quotes:
 * VehicleSpeed becomes vehicle_speed, ACChargingPower ac_charging_power. Other characters become "_".
 * A name that is long or has characters beyond ASCII gets a hash of the whole name at its end; a name
 * of fleetroute's own columns or of PostgreSQL's gets "_" at its end. At least 10 bytes of `column`
 * stay free for a suffix.
 */
void db_column_name(const char *field, char column[DB_NAME_SIZE]);

#endif
