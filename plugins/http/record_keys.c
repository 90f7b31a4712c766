#include "http/record_keys.h"

#include <stddef.h>
#include <string.h>

bool record_key_is_general(const char *key)
{
    static const char *const keys[] = {"type",        "vin",    "name", "txid",     "created_at",
                                       "received_at", "resend", "late", "restored", "repeated"};

    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        if (strcmp(key, keys[i]) == 0)
            return true;
    return false;
}
