/*
 * A first-in, first-out list of deliveries, linked by their `plugin_data`, so that it needs no memory. A
 * delivery is in at most one list. A list does not own its deliveries and belongs to one thread. A zeroed
 * list is empty.
 */
#ifndef FR_PLUGIN_DELIVERY_LIST_H
#define FR_PLUGIN_DELIVERY_LIST_H

#include <stddef.h>

#include "fleetroute/plugin.h"

struct delivery_list {
    struct fr_delivery *first, *last; /* NULL: empty */
    size_t count;
};

/* The delivery after this one; NULL: it is the last. */
static inline struct fr_delivery *delivery_next(const struct fr_delivery *delivery)
{
    return delivery->plugin_data;
}

/* Add a delivery at the end. */
static inline void delivery_list_add(struct delivery_list *list, struct fr_delivery *delivery)
{
    delivery->plugin_data = NULL;
    if (list->last != NULL)
        list->last->plugin_data = delivery;
    else
        list->first = delivery;
    list->last = delivery;
    list->count++;
}

/* Add a delivery before the first one. */
static inline void delivery_list_add_first(struct delivery_list *list, struct fr_delivery *delivery)
{
    delivery->plugin_data = list->first;
    if (list->last == NULL)
        list->last = delivery;
    list->first = delivery;
    list->count++;
}

/* Remove the first delivery and return it; NULL: the list is empty. */
static inline struct fr_delivery *delivery_list_take(struct delivery_list *list)
{
    struct fr_delivery *delivery = list->first;

    if (delivery == NULL)
        return NULL;
    list->first = delivery_next(delivery);
    if (list->first == NULL)
        list->last = NULL;
    list->count--;
    delivery->plugin_data = NULL;
    return delivery;
}

/* Move all of `from` to the end of `to`. */
static inline void delivery_list_append(struct delivery_list *to, struct delivery_list *from)
{
    if (from->first == NULL)
        return;
    if (to->last != NULL)
        to->last->plugin_data = from->first;
    else
        to->first = from->first;
    to->last = from->last;
    to->count += from->count;
    *from = (struct delivery_list){0};
}

/* Move up to `count` deliveries from the head of `from` to the end of `to`. */
static inline void delivery_list_move(struct delivery_list *to, struct delivery_list *from,
                                      size_t count)
{
    for (; count != 0 && from->first != NULL; count--)
        delivery_list_add(to, delivery_list_take(from));
}

/* Put all of `from` before the head of `to`. */
static inline void delivery_list_put_back(struct delivery_list *to, struct delivery_list *from)
{
    if (from->first == NULL)
        return;
    from->last->plugin_data = to->first;
    to->first = from->first;
    if (to->last == NULL)
        to->last = from->last;
    to->count += from->count;
    *from = (struct delivery_list){0};
}

#endif
