/*
 * A first-in, first-out list of deliveries, linked by their plugin_data. A delivery is in one list
 * at most. The list does not own its deliveries and needs no memory of its own. All zero: empty.
 */
#ifndef FR_KAFKA_DELIVERY_LIST_H
#define FR_KAFKA_DELIVERY_LIST_H

#include "fleetroute/plugin.h"

struct delivery_list {
    struct fr_delivery *first, *last;
};

/* Add a delivery at the end. */
void delivery_list_append(struct delivery_list *list, struct fr_delivery *delivery);

/* Add a delivery at the beginning. */
void delivery_list_prepend(struct delivery_list *list, struct fr_delivery *delivery);

/* Remove the first delivery and return it; NULL: the list is empty. */
struct fr_delivery *delivery_list_take(struct delivery_list *list);

#endif
