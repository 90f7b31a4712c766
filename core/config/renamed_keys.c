#include "config/renamed_keys.h"

#include <stddef.h>
#include <string.h>

static const struct {
    const char *old_name, *new_name;
} renamed[] = {
    {"dead_peer", "peer_timeout"},
    {"least", "min"},
    {"most", "max"},
    {"stall", "stall_timeout"},
    {"unacknowledged", "max_unacknowledged"},
};

const char *fr_renamed_key(const char *old)
{
    for (size_t i = 0; i < sizeof renamed / sizeof *renamed; i++)
        if (strcmp(renamed[i].old_name, old) == 0)
            return renamed[i].new_name;
    return NULL;
}
