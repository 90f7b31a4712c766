#include "delivery_list.h"

void delivery_list_append(struct delivery_list *list, struct fr_delivery *d)
{
    d->plugin_data = NULL;
    if (list->first == NULL)
        list->first = d;
    else
        list->last->plugin_data = d;
    list->last = d;
}

void delivery_list_prepend(struct delivery_list *list, struct fr_delivery *d)
{
    d->plugin_data = list->first;
    if (list->first == NULL)
        list->last = d;
    list->first = d;
}

struct fr_delivery *delivery_list_take(struct delivery_list *list)
{
    struct fr_delivery *d = list->first;

    if (d == NULL)
        return NULL;
    list->first = d->plugin_data;
    d->plugin_data = NULL;
    return d;
}
