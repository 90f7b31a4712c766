/* Runs the steps of setup in their order, then doctor. Main thread. */
#ifndef FR_SETUP_STEPS_H
#define FR_SETUP_STEPS_H

#include "tool/setup.h"

/* Returns the exit status. */
int fr_setup_run(struct fr_setup_env *env);

#endif
