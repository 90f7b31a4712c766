/* The tables of the generated catalogue_data.c. Included by field_catalogue.c only. */
#ifndef FR_FIELD_CATALOGUE_DATA_H
#define FR_FIELD_CATALOGUE_DATA_H

#include "record/field_catalogue.h"

extern const struct fr_enum fr_catalogue_enums[];
extern const size_t fr_catalogue_enum_count;
extern const struct fr_field fr_catalogue_fields[]; /* fields[n].number is n */
extern const size_t fr_catalogue_field_count;

#endif
