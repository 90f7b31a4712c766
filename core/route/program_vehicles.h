/*
 * The table of the vehicles that a program has seen. Internal to core/route.
 */
#ifndef FR_PROGRAM_VEHICLES_H
#define FR_PROGRAM_VEHICLES_H

#include "route/program_state.h"

/* Make an empty table in the program, and free it with its vehicles. */
void fr_program_vehicles_init(struct fr_program *program);
void fr_program_vehicles_free(struct fr_program *program);

/* Find a vehicle, or add it; NULL: the table has the max number of vehicles. */
struct program_vehicle *fr_program_vehicle(struct fr_program *program, const char *vin);

/* Move the table of the older program to the program, whose table must be empty. Names are those
 * of the program's routing; the vehicles have no slots. */
void fr_program_vehicles_move(struct fr_program *program, struct fr_program *older);

#endif
