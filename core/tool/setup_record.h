/* The end of setup: data of a vehicle on the screen. Main thread. */
#ifndef FR_SETUP_RECORD_H
#define FR_SETUP_RECORD_H

#include "tool/setup.h"

/* Print the last values of the first vehicle that has sent data; nothing if there is none. */
void fr_setup_print_record(struct fr_setup_env *env);

/* The steps: the first record, and what renews tokens and configuration. */
extern const struct fr_setup_step fr_setup_step_record, fr_setup_step_keep;

#endif
