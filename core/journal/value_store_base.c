#include "journal/value_store_base.h"

#include <string.h>

#include "journal/value_store_state.h"
#include "record/field_catalogue.h"

int64_t fr_last_value_time(const struct fr_last_value *value)
{
    return value->created_ns != 0 ? value->created_ns : value->received_ms * 1000000;
}

bool fr_value_field_known(uint32_t field)
{
    return field == FR_FIELD_PRESENCE || fr_field_by_number(field) != NULL;
}

bool fr_last_value_fits(uint32_t field, size_t len)
{
    return field != 0 &&
           len <= (fr_value_field_known(field) ? FR_VALUE_BYTES_MAX : FR_VALUE_UNKNOWN_BYTES_MAX);
}

size_t fr_value_key(uint8_t key[FR_VALUE_KEY_MAX], const char *vin, uint32_t field)
{
    size_t len = strnlen(vin, FR_VIN_MAX);

    memcpy(key, vin, len);
    key[len] = '\0';
    for (int i = 0; i < 4; i++)
        key[len + 1 + (size_t)i] = (uint8_t)(field >> (24 - 8 * i));
    return len + 5;
}

bool fr_last_value_parse(const uint8_t *key, size_t key_len, const uint8_t *data, size_t data_len,
                         struct fr_last_value *value)
{
    size_t vin_len = key_len - 5;

    if (key_len < 6 || vin_len > FR_VIN_MAX || data_len < FR_VALUE_HEAD ||
        strnlen((const char *)key, key_len) != vin_len)
        return false;
    memcpy(value->vin, key, vin_len + 1);
    value->field = 0;
    for (size_t i = 0; i < 4; i++)
        value->field = value->field << 8 | key[vin_len + 1 + i];
    memcpy(&value->created_ns, data, 8);
    memcpy(&value->received_ms, data + 8, 8);
    value->bytes = data + FR_VALUE_HEAD;
    value->len = data_len - FR_VALUE_HEAD;
    return value->field != 0;
}

int fr_value_store_failed(const struct fr_value_store *store, struct fr_error *error,
                          const char *what, int code)
{
    return fr_unsynced_failed(&store->file, error, what, code);
}
