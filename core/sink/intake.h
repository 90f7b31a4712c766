/*
 * The intake of a sink: receives records from the journal or the queue and runs them through the
 * routing program; closes the windows of the program; moves the cursor.
 *
 * All functions: the sink's thread.
 */
#ifndef FR_INTAKE_H
#define FR_INTAKE_H

#include <stdbool.h>
#include <stdint.h>

#include "route/program.h"

struct fr_sink;

/* Read both clocks, for the program and for the deliveries that are created next. */
struct fr_program_time fr_intake_time(struct fr_sink *sink);

/* Whether all committed records of the journal are read. True without a journal. */
bool fr_intake_caught_up(const struct fr_sink *sink);

/* The minimum time in ms between two batches in a stream of records that the plugin asks for; 0: it
 * asks for none, or there is no journal, so that acknowledgements may wait for the sink. */
uint32_t fr_intake_gather_ms(const struct fr_sink *sink);

/* The maximum of this time, while few records arrive in it; 0 like above. */
uint32_t fr_intake_gather_max_ms(const struct fr_sink *sink);

/* Receive records and submit their deliveries until the limits of the sink or of one event are
 * reached. The intake timer continues after the present event if more can be received. */
void fr_intake_run(struct fr_sink *sink);

/* Move the cursor to the first record that is not finished. */
void fr_intake_move_cursor(struct fr_sink *sink);

/* Submit the batch, and before it the waiting values of `delivery: latest`. */
void fr_intake_submit_values(struct fr_sink *sink);

/* Whether windows may close. They do not close while the retry list has deliveries, because a value
 * must not overtake these, nor while the plugin's limit is reached. */
bool fr_intake_may_close_windows(const struct fr_sink *sink);

/* Close the windows whose end has passed and submit their values. The number per call is bounded;
 * the window timer fires again for the others. */
void fr_intake_close_windows(struct fr_sink *sink);

/* Submit all values that wait for windows, before the ends of the windows. */
void fr_intake_flush_windows(struct fr_sink *sink);

#endif
