/* The stored result of `fleetroute doctor`: what is accepted is written as JSON that is accepted again. */
#include <jansson.h>
#include <stdint.h>
#include <stdlib.h>

#include "daemon/stored_doctor.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    struct fr_buffer links = {0};
    struct fr_error error;
    int64_t run_ms = 0;
    json_t *list;

    if (fr_stored_doctor_put(bytes, len, &links, &run_ms, &error) != 0) {
        if (links.len != 0)
            abort();
        fr_buffer_free(&links);
        return 0;
    }
    list = json_loadb((const char *)links.bytes, links.len, JSON_REJECT_DUPLICATES, NULL);
    if (!json_is_array(list) || json_array_size(list) > FR_STORED_DOCTOR_LINKS_MAX || run_ms <= 0)
        abort();
    json_decref(list);
    fr_buffer_free(&links);
    return 0;
}
