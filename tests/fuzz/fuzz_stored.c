/* The parser of stored records, which the journal and `fleetroute replay` use. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "journal/stored_record.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

/* A valid record must read back unchanged after it is written, and a damaged one must be rejected.
 * The input is parsed without its checksum, because the fuzzer cannot find valid checksums. */
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    struct fr_stored stored, read_back;
    struct fr_record *record;
    uint8_t *copy;

    if (fr_stored_parse_head(bytes, len, &stored) != 0 ||
        memchr(stored.vin, '\0', stored.vin_len) != NULL ||
        memchr(stored.topic, '\0', stored.topic_len) != NULL ||
        memchr(stored.version, '\0', stored.version_len) != NULL)
        return 0;
    record = fr_stored_record(&stored);
    if (record == NULL || fr_stored_size(record) != len)
        abort();
    copy = malloc(len);
    fr_stored_write(record, stored.appended_ms, copy);
    if (fr_stored_read(copy, len, &read_back) != 0 || read_back.created_ns != stored.created_ns ||
        read_back.received_ms != stored.received_ms ||
        read_back.appended_ms != stored.appended_ms || read_back.resend != stored.resend ||
        memcmp(copy + FR_STORED_HEAD, bytes + FR_STORED_HEAD, len - FR_STORED_HEAD) != 0)
        abort();
    copy[len - 1] ^= 1;
    if (len > FR_STORED_HEAD && fr_stored_read(copy, len, &read_back) == 0)
        abort(); /* a flipped bit must be detected */
    free(copy);
    fr_record_unref(record);
    return 0;
}
