/* The catalogue of fields that a vehicle can send, and of their enums. It is generated at build
 * time from proto/fields.tsv and proto/enums.tsv by proto/catalogue.awk. A field number or enum
 * number that is not in the catalogue is kept and passed on; it is named field_N or unknown(N). The
 * catalogue is constant: any thread may call these functions. */
#ifndef FR_FIELD_CATALOGUE_H
#define FR_FIELD_CATALOGUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The canonical type of a field's values. */
enum fr_field_kind {
    FR_FIELD_NONE, /* a number that never carries a value */
    FR_FIELD_REAL,
    FR_FIELD_INTEGER,
    FR_FIELD_BOOLEAN,
    FR_FIELD_TEXT,
    FR_FIELD_ENUM,
    FR_FIELD_LOCATION,
    FR_FIELD_DOORS,
    FR_FIELD_TIRES,
    FR_FIELD_CLOCK, /* a time of day */
    FR_FIELD_TIME,  /* a moment, in seconds since 1970 */
};

struct fr_choice {
    int32_t number;
    const char *name;      /* "D" */
    const char *long_name; /* "ShiftStateD", the name in the .proto file; `name` if it has none */
};

struct fr_enum {
    const char *name;
    uint32_t tag; /* number of the member of Value with this enum; 0: no such member */
    const struct fr_choice *choices;
    size_t count;
};

struct fr_field {
    uint32_t number;
    const char *name;
    enum fr_field_kind kind;
    const struct fr_enum *choices; /* FR_FIELD_ENUM; NULL: the numbers have no known names */
    const char *unit;              /* unit on the wire; "": none */
    const char *category;
    const char *since; /* first firmware version that sends the field; "": unknown */
    bool once_text;    /* old firmware sends the field as text */
    const char *note;  /* warning for the author of a route; "": none */
    const char *description;
    const char *scope;  /* OAuth scope needed beside vehicle_device_data; "": none */
    const char *models; /* the only vehicles that send the field, "Semi"; "": all */
};

/* Size of a buffer for any field's name, up to "field_4294967295". */
#define FR_FIELD_NAME_SIZE 64

/* Returns the field with a number, or NULL. */
const struct fr_field *fr_field_by_number(uint32_t number);

/* Returns the field with exactly this name, or NULL. */
const struct fr_field *fr_field_by_name(const char *name);

/* Returns the number of the field with this name, or N for "field_N"; -1: no such name. */
int64_t fr_field_number(const char *name);

/* Returns the name of a field number: the catalogue's name, or field_N written to `buffer`. */
const char *fr_field_name(uint32_t number, char buffer[FR_FIELD_NAME_SIZE]);

/* Compare firmware versions such as "2025.2.6" and "2024.44.32" part by part, as numbers. Returns a
 * negative number, 0 or a positive number, like strcmp(3). */
int fr_firmware_compare(const char *a, const char *b);

/* Returns the number of fields, n. The fields have the numbers 0 to n - 1. */
size_t fr_field_count(void);

/* Returns the name of the n-th category in the order of first use, or NULL beyond the last. */
const char *fr_field_category(size_t n);

/* Returns the enum of the member of Value with this number, or NULL. */
const struct fr_enum *fr_enum_by_tag(uint32_t tag);

/* Returns the choice with a number, or NULL. */
const struct fr_choice *fr_enum_choice(const struct fr_enum *e, int64_t number);

/* Returns the choice with this short or long name of `len` bytes, in any case; or NULL. */
const struct fr_choice *fr_enum_choice_named(const struct fr_enum *e, const char *name, size_t len);

#endif
