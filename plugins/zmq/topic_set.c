#include "zmq/topic_set.h"

#include <stdlib.h>
#include <string.h>

#define HEAD 2 /* bytes of a length */

static size_t topic_set_size(const struct topic_set *set)
{
    return set->bytes + set->count * HEAD;
}

static size_t topic_len_at(const char *at)
{
    return (size_t)(unsigned char)at[0] << 8 | (unsigned char)at[1];
}

/* Where the topic begins in the list, with its length; NULL: it is not there. */
static char *topic_set_find(const struct topic_set *set, const char *topic, size_t len)
{
    char *at = set->list;

    for (size_t i = 0; i < set->count; i++) {
        if (topic_len_at(at) == len && memcmp(at + HEAD, topic, len) == 0)
            return at;
        at += HEAD + topic_len_at(at);
    }
    return NULL;
}

bool topic_set_contains(const struct topic_set *set, const char *topic, size_t len)
{
    return topic_set_find(set, topic, len) != NULL;
}

bool topic_set_add(struct topic_set *set, const char *topic, size_t len)
{
    size_t size = topic_set_size(set);
    char *list = len <= TOPIC_SET_LEN_MAX ? realloc(set->list, size + HEAD + len) : NULL;

    if (list == NULL)
        return false;
    list[size] = (char)(unsigned char)(len >> 8);
    list[size + 1] = (char)(unsigned char)(len & 255);
    memcpy(list + size + HEAD, topic, len);
    set->list = list;
    set->count++;
    set->bytes += len;
    return true;
}

bool topic_set_remove(struct topic_set *set, const char *topic, size_t len)
{
    char *at = topic_set_find(set, topic, len);
    size_t next;

    if (at == NULL)
        return false;
    next = (size_t)(at - set->list) + HEAD + len;
    memmove(at, set->list + next, topic_set_size(set) - next);
    set->count--;
    set->bytes -= len;
    return true;
}

void topic_set_clear(struct topic_set *set)
{
    free(set->list);
    *set = (struct topic_set){0};
}
