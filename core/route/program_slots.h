/*
 * The slots of a program (throttle.h), and the values that wait in them for their window. Internal
 * to core/route.
 */
#ifndef FR_PROGRAM_SLOTS_H
#define FR_PROGRAM_SLOTS_H

#include "record/payload.h"
#include "route/program_state.h"

/* Limits of the memory of waiting records, in bytes, for the program and for each vehicle. Above
 * these, values are delivered at once and counted as table_full. */
#define FR_PROGRAM_WAITING_MAX (64u << 20)
#define FR_PROGRAM_WAITING_MAX_VEHICLE (256u << 10)

/* Max fields outside the catalogue for which a vehicle may have slots, for each route. */
#define FR_PROGRAM_UNKNOWN_FIELDS_MAX 64

/* The max number of slots of a vehicle: one for each field of each route, and some for fields
 * outside the catalogue. */
size_t fr_program_slots_per_vehicle(const struct fr_program *program);

/* The slot of the run's vehicle for a step and field, added if need be; NULL: the vehicle or the
 * table has the max number of slots, or the table of vehicles is full. */
struct fr_throttle_slot *fr_program_slot(const struct program_run *run,
                                         const struct program_step *step, uint32_t field);

/* Set the record whose value waits in a slot; record NULL: none. Takes over the reference of the
 * record, acquires `origin`, and releases the record and origin that waited before. */
void fr_program_set_waiting(struct fr_program *program, struct program_vehicle *vehicle,
                            struct fr_throttle_slot *slot, struct fr_record *record, void *origin);

/* Let a datum of the run's record, whose value may be converted, wait in a slot instead of the one
 * that waited. false: a memory limit is reached, and the slot is unchanged. */
bool fr_program_wait(const struct program_run *run, struct fr_throttle_slot *slot,
                     const struct fr_datum *datum);

#endif
