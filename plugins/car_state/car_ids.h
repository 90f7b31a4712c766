/*
 * Stable numbers of vehicles: those of the configuration, else the lowest free number, in the order
 * of first appearance, from 1. Numbers are kept in a file in the sink's state folder, so that a
 * vehicle has the same number after a restart, and so that a number is never given to another one.
 *
 * File: one line "NUMBER VIN\n" for each vehicle; the VIN is escaped by safe_name.h.
 *
 * Used on the sink's thread. fr_car_ids_save() blocks on the disk.
 */
#ifndef FR_CAR_IDS_H
#define FR_CAR_IDS_H

#include "car_state/cars.h"
#include "text_buffer.h"

#define FR_CAR_ID_MAX 1000000000

struct fr_car_ids;

/* Make an empty table. NULL: no memory. */
struct fr_car_ids *fr_car_ids_new(void);
void fr_car_ids_free(struct fr_car_ids *ids);

/* Give a vehicle a number of the configuration, before fr_car_ids_load(). False: no memory, or (with
 * a text in `why`) the number is not from 1 to FR_CAR_ID_MAX or is given to another vehicle. */
bool fr_car_ids_configure(struct fr_car_ids *ids, const char *vin, const char *number,
                          struct fr_text_buffer *why);

/* Adopt the content of a file, a NUL-terminated text that is changed. */
void fr_car_ids_adopt(struct fr_car_ids *ids, char *content);

/* Read the file; later fr_car_ids_save() writes it. A file that does not exist is empty. Lines that
 * are malformed, and numbers that the configuration gives to another vehicle, are ignored. False:
 * the file cannot be read; `why` has the reason. */
bool fr_car_ids_load(struct fr_car_ids *ids, const char *path, struct fr_text_buffer *why);

/* The number of a vehicle, which gets one if it has none. 0: FR_CARS_MAX vehicles have numbers, or
 * no memory. */
uint32_t fr_car_ids_get(struct fr_car_ids *ids, const char *vin);

/* The VIN, in its escaped form, of a number; NULL: none. */
const char *fr_car_ids_vin(const struct fr_car_ids *ids, uint32_t id);

/* Write the file if a number was given since the last save. False: `why` has the reason; the next
 * call tries again. */
bool fr_car_ids_save(struct fr_car_ids *ids, struct fr_text_buffer *why);

#endif
