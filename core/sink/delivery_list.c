#include "sink/delivery_list.h"

#include "sink/sink_state.h"

void fr_delivery_list_append(struct delivery_list *list, struct delivery *d)
{
    d->next = NULL;
    if (list->first == NULL)
        list->first = d;
    else
        list->last->next = d;
    list->last = d;
}

void fr_delivery_list_insert(struct delivery_list *list, struct delivery *d)
{
    struct delivery **link = &list->first;

    if (list->last != NULL && list->last->order < d->order)
        link = &list->last->next;
    else
        while (*link != NULL && (*link)->order < d->order)
            link = &(*link)->next;
    d->next = *link;
    *link = d;
    if (d->next == NULL)
        list->last = d;
}

struct delivery *fr_delivery_list_pop(struct delivery_list *list)
{
    struct delivery *d = list->first;

    if (d == NULL)
        return NULL;
    list->first = d->next;
    if (list->first == NULL)
        list->last = NULL;
    return d;
}
