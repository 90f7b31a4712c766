/*
 * field_catalogue.h - what is known of every field that a vehicle can send.
 *
 * Made at build time from proto/fields.tsv and proto/enums.tsv. A field number or enum
 * number that is not here is still kept and passed on: it is called field_N or unknown(N).
 */
#ifndef FR_FIELD_CATALOGUE_H
#define FR_FIELD_CATALOGUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The canonical type of a field's values. */
enum fr_field_kind {
    FR_FIELD_NONE, /* a slot that never carries a value */
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
    const char *long_name; /* "ShiftStateD", as the .proto has it */
};

struct fr_enum {
    const char *name;
    uint32_t tag; /* of its member in Value; 0: none */
    const struct fr_choice *choices;
    size_t count;
};

struct fr_field {
    uint32_t number;
    const char *name;
    enum fr_field_kind kind;
    const struct fr_enum *choices; /* FR_FIELD_ENUM; NULL: numbers without known names */
    const char *unit;              /* on the wire; "" where there is none */
    const char *category;
    const char *since; /* first firmware that sends it; "" where not known */
    bool once_text;    /* old firmware sends it as text */
    const char *note;  /* a warning for who routes it; "" for most */
    const char *meaning;
};

/* Room for any field's name, "field_4294967295" included. */
#define FR_FIELD_NAME_SIZE 64

/* The field of a number, or NULL. */
const struct fr_field *fr_field_by_number(uint32_t number);

/* The field of an exact name, or NULL. */
const struct fr_field *fr_field_by_name(const char *name);

/* Number of a name, "field_N" included; -1: no such name. */
int64_t fr_field_number(const char *name);

/* The name of a number: the catalogue's, or field_N written into `buffer`. */
const char *fr_field_name(uint32_t number, char buffer[FR_FIELD_NAME_SIZE]);

/* How many fields there are; they have the numbers 0 to that less one. */
size_t fr_field_count(void);

/* The n-th category's name in the order of first use, or NULL past the last. */
const char *fr_field_category(size_t n);

/* The enum that a member of Value carries, or NULL. */
const struct fr_enum *fr_enum_by_tag(uint32_t tag);

/* The choice of a number, or NULL. */
const struct fr_choice *fr_enum_choice(const struct fr_enum *e, int64_t number);

/* The choice of a short or long name, whatever its case; or NULL. */
const struct fr_choice *fr_enum_choice_named(const struct fr_enum *e, const char *name, size_t len);

#endif
