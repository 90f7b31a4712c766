/* Stored records, as the journal and `fleetroute replay` hand them over. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "journal/stored_record.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

/* What is whole reads back the same when it is written again; the rest is told from it. The
 * checksum is not looked at, or nothing but noise would ever come past it. */
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    struct fr_stored stored, again;
    struct fr_record *record;
    uint8_t *copy;

    if (fr_stored_look(bytes, len, &stored) != 0 ||
        memchr(stored.vin, '\0', stored.vin_len) != NULL ||
        memchr(stored.topic, '\0', stored.topic_len) != NULL ||
        memchr(stored.version, '\0', stored.version_len) != NULL)
        return 0;
    record = fr_stored_record(&stored);
    if (record == NULL || fr_stored_size(record) != len)
        abort();
    copy = malloc(len);
    fr_stored_write(record, stored.appended_ms, copy);
    if (fr_stored_read(copy, len, &again) != 0 || again.created_ns != stored.created_ns ||
        again.received_ms != stored.received_ms || again.appended_ms != stored.appended_ms ||
        again.resend != stored.resend ||
        memcmp(copy + FR_STORED_HEAD, bytes + FR_STORED_HEAD, len - FR_STORED_HEAD) != 0)
        abort();
    copy[len - 1] ^= 1;
    if (len > FR_STORED_HEAD && fr_stored_read(copy, len, &again) == 0)
        abort(); /* a flipped bit must not pass */
    free(copy);
    fr_record_unref(record);
    return 0;
}
