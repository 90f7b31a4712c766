#include "record/record_types.h"

#include <assert.h>
#include <string.h>

#include "vehicle_alert.pb-c.h"
#include "vehicle_connectivity.pb-c.h"
#include "vehicle_data.pb-c.h"
#include "vehicle_error.pb-c.h"

const struct fr_record_type_info fr_record_types[FR_RECORD_TYPES] = {
#define TYPE_ROW(id, topic, message, encoding, times_in_ms)                                        \
    {topic,                                                                                        \
     sizeof topic - 1,                                                                             \
     message,                                                                                      \
     encoding,                                                                                     \
     times_in_ms,                                                                                  \
     FR_COUNT_RECORDS_##id,                                                                        \
     FR_COUNT_BYTES_##id},
    FR_RECORD_TYPE_ROWS(TYPE_ROW)
#undef TYPE_ROW
};

/* Readers of the counters add the type to the first counter of each group. */
#define TYPE_COUNTERS_ORDERED(id, topic, message, encoding, times_in_ms)                           \
    static_assert((int)FR_COUNT_RECORDS_##id == (int)FR_COUNT_RECORDS_V + (int)FR_RECORD_##id &&   \
                      (int)FR_COUNT_BYTES_##id == (int)FR_COUNT_BYTES_V + (int)FR_RECORD_##id,     \
                  "the counters of record types are not in the order of the types");
FR_RECORD_TYPE_ROWS(TYPE_COUNTERS_ORDERED)
#undef TYPE_COUNTERS_ORDERED
static_assert(FR_RECORD_OTHER == FR_RECORD_TYPES - 1, "FR_RECORD_OTHER is not the last type");

enum fr_record_type fr_record_type_of(const uint8_t *topic, size_t len)
{
    for (int type = 0; type < FR_RECORD_OTHER; type++)
        if (fr_record_types[type].topic_len == len &&
            memcmp(fr_record_types[type].topic, topic, len) == 0)
            return (enum fr_record_type)type;
    return FR_RECORD_OTHER;
}

const char *fr_record_type_name(enum fr_record_type type)
{
    assert(type < FR_RECORD_TYPES);
    return fr_record_types[type].topic;
}
