/* The connections of the vehicles of a load. Internal to core/sim. */
#ifndef FR_LOAD_CONNECTIONS_H
#define FR_LOAD_CONNECTIONS_H

#include <stdint.h>

#include "sim/load_state.h"

/* Callbacks of the vehicles; ctx is the struct load_vehicle. */
void fr_load_opened(void *ctx, struct fr_car *car);
void fr_load_closed(void *ctx, struct fr_car *car, const char *reason);

/* Connect the vehicles of load->offline whose pause is over at `now_ms` (monotonic). */
void fr_load_reconnect_due(struct fr_load *load, int64_t now_ms);

/* A tick of a loop that ends when all vehicles are connected or load->deadline_ms has passed; ctx is
 * the struct fr_load. */
void fr_load_tick_connecting(evutil_socket_t fd, short what, void *ctx);

/* Close connections at random, independently of each other, as settings.reconnect_ms requires for
 * an interval of `passed_ms`. */
void fr_load_lose_connections(struct fr_load *load, int64_t passed_ms);

#endif
