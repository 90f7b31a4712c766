#include "history/history_key.h"

#include <string.h>

static size_t key_put(uint8_t *to, uint64_t number, size_t size)
{
    for (size_t i = 0; i < size; i++)
        to[i] = (uint8_t)(number >> (8 * (size - 1 - i)));
    return size;
}

static uint64_t key_get(const uint8_t **at, size_t size)
{
    uint64_t number = 0;

    for (size_t i = 0; i < size; i++)
        number = number << 8 | *(*at)++;
    return number;
}

size_t fr_history_key_write(const struct fr_history_key *key, uint8_t bytes[FR_HISTORY_KEY_MAX])
{
    size_t len = strnlen(key->vin, FR_VIN_MAX);

    memcpy(bytes, key->vin, len);
    bytes[len++] = '\0';
    bytes[len++] = (uint8_t)key->kind;
    len += key_put(bytes + len, key->field, 4);
    len += key_put(bytes + len, key->level, 1);
    len += key_put(bytes + len, key->ms > 0 ? (uint64_t)key->ms : 0, 8);
    len += key_put(bytes + len, key->extra, 4);
    return len;
}

static bool key_is_kind(uint64_t kind)
{
    return kind == FR_HISTORY_ALERT || kind == FR_HISTORY_CONNECTION || kind == FR_HISTORY_DAY ||
           kind == FR_HISTORY_SERIES || kind == FR_HISTORY_SESSION || kind == FR_HISTORY_VEHICLE;
}

bool fr_history_key_parse(const void *bytes, size_t len, struct fr_history_key *key)
{
    size_t vin_len = len - 1 - FR_HISTORY_KEY_TAIL;
    const uint8_t *at = bytes;
    uint64_t kind, ms;

    memset(key, 0, sizeof *key);
    if (len <= 1 + FR_HISTORY_KEY_TAIL || vin_len > FR_VIN_MAX || strnlen(bytes, len) != vin_len)
        return false;
    memcpy(key->vin, at, vin_len);
    at += vin_len + 1;
    kind = key_get(&at, 1);
    key->field = (uint32_t)key_get(&at, 4);
    key->level = (uint8_t)key_get(&at, 1);
    ms = key_get(&at, 8);
    key->extra = (uint32_t)key_get(&at, 4);
    if (!key_is_kind(kind) || ms > INT64_MAX)
        return false;
    key->kind = (enum fr_history_kind)kind;
    key->ms = (int64_t)ms;
    return true;
}

bool fr_history_key_same_series(const struct fr_history_key *a, const struct fr_history_key *b)
{
    return a->kind == b->kind && a->field == b->field && a->level == b->level &&
           strcmp(a->vin, b->vin) == 0;
}
