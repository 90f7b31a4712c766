/*
 * Carries out the requests of struct sink_requests: another routing, another position in the
 * journal, and the last values.
 *
 * All functions: the sink's thread.
 */
#ifndef FR_SINK_COMMANDS_H
#define FR_SINK_COMMANDS_H

#include <stdbool.h>

struct fr_sink;

/* Run every last value through the program, after a start, a new routing or a request of the
 * plugin. `deliver`: submit the emissions; else only the state of edge_only routes is set. Without
 * a store of last values nothing is done. */
void fr_sink_restore(struct fr_sink *sink, bool deliver);

/* Carry out fr_sink_reroute(), if it was called. */
void fr_sink_follow_routing(struct fr_sink *sink);

/* Carry out fr_sink_rewind(), if it was called: abandon the deliveries that the plugin does not
 * hold, and change the position as soon as the plugin holds none. Until then each after-event calls
 * this function again. */
void fr_sink_rewind_if_requested(struct fr_sink *sink);

/* Finish all deliveries that the plugin does not hold, as before a rewind. */
void fr_sink_abandon_deliveries(struct fr_sink *sink);

#endif
