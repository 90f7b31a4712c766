/*
 * Singly linked lists of deliveries, linked by delivery.next. A delivery is in at most one list.
 *
 * All functions: the sink's thread; no function allocates.
 */
#ifndef FR_DELIVERY_LIST_H
#define FR_DELIVERY_LIST_H

struct delivery;
struct delivery_list;

/* Add a delivery at the end. */
void fr_delivery_list_append(struct delivery_list *list, struct delivery *d);

/* Insert a delivery into a list that is sorted by delivery.order. Constant time if the delivery is
 * the newest one, else linear. */
void fr_delivery_list_insert(struct delivery_list *list, struct delivery *d);

/* Remove and return the first delivery; NULL: the list is empty. */
struct delivery *fr_delivery_list_pop(struct delivery_list *list);

#endif
