/*
 * Compiles the routes of the routing file to lists of steps, one list for each field. Internal to
 * core/route.
 */
#ifndef FR_PROGRAM_COMPILE_H
#define FR_PROGRAM_COMPILE_H

#include "route/program_state.h"

/* Compile the routes of program->routing that lead to the sink with this index, in a program whose
 * routes and steps are zero. */
void fr_program_compile(struct fr_program *program, size_t sink);

/* Free what fr_program_compile() made. */
void fr_program_compile_free(struct fr_program *program);

/* The steps of a field number, in the order of the routing file; NULL: none. */
const struct program_step *fr_program_steps(const struct fr_program *program, uint32_t field);

/* The step of a route index for a field; NULL: the route does not apply to the field. */
const struct program_step *fr_program_step_of_route(const struct fr_program *program,
                                                    uint32_t route, uint32_t field);

#endif
