#include "journal/stored_record.h"

#include <string.h>
#include <zlib.h>

#define FORMAT 1
#define FLAG_RESEND 1
#define CRC_OFFSET 8

static void stored_put(uint8_t *to, uint64_t number, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++)
        to[i] = (uint8_t)(number >> 8 * i);
}

static uint64_t stored_get(const uint8_t *from, size_t bytes)
{
    uint64_t number = 0;

    for (size_t i = 0; i < bytes; i++)
        number |= (uint64_t)from[i] << 8 * i;
    return number;
}

static uint32_t stored_checksum(const uint8_t *bytes, size_t len)
{
    uLong crc = crc32_z(0, bytes, CRC_OFFSET);

    return (uint32_t)crc32_z(crc, bytes + CRC_OFFSET + 4, len - CRC_OFFSET - 4);
}

static size_t stored_version_len(const struct fr_record *record)
{
    return strnlen(record->client_version, FR_CLIENT_VERSION_MAX);
}

size_t fr_stored_size(const struct fr_record *record)
{
    return FR_STORED_HEAD + strlen(record->vin) + strlen(record->topic) + record->txid_len +
           stored_version_len(record) + record->payload_len;
}

static uint8_t *stored_copy(uint8_t *to, const void *from, size_t len)
{
    if (len != 0)
        memcpy(to, from, len);
    return to + len;
}

void fr_stored_write(const struct fr_record *record, int64_t appended_ms, uint8_t *to)
{
    size_t vin = strlen(record->vin), topic = strlen(record->topic);
    uint8_t *at = to + FR_STORED_HEAD;

    to[0] = FORMAT;
    to[1] = record->resend ? FLAG_RESEND : 0;
    to[2] = (uint8_t)vin;
    to[3] = (uint8_t)topic;
    stored_put(to + 4, record->txid_len, 2);
    stored_put(to + 6, stored_version_len(record), 2);
    stored_put(to + 12, record->payload_len, 4);
    stored_put(to + 16, (uint64_t)appended_ms, 8);
    stored_put(to + 24, (uint64_t)record->received_ms, 8);
    stored_put(to + 32, (uint64_t)record->created_ns, 8);
    at = stored_copy(at, record->vin, vin);
    at = stored_copy(at, record->topic, topic);
    at = stored_copy(at, record->txid, record->txid_len);
    at = stored_copy(at, record->client_version, stored_version_len(record));
    at = stored_copy(at, record->payload, record->payload_len);
    stored_put(to + CRC_OFFSET, stored_checksum(to, (size_t)(at - to)), 4);
}

int fr_stored_parse_head(const uint8_t *bytes, size_t len, struct fr_stored *s)
{
    if (len < FR_STORED_HEAD || bytes[0] != FORMAT)
        return -1;
    s->resend = bytes[1] & FLAG_RESEND;
    s->vin_len = bytes[2];
    s->topic_len = bytes[3];
    s->txid_len = (size_t)stored_get(bytes + 4, 2);
    s->version_len = (size_t)stored_get(bytes + 6, 2);
    s->payload_len = (size_t)stored_get(bytes + 12, 4);
    s->appended_ms = (int64_t)stored_get(bytes + 16, 8);
    s->received_ms = (int64_t)stored_get(bytes + 24, 8);
    s->created_ns = (int64_t)stored_get(bytes + 32, 8);
    if (s->vin_len > FR_VIN_MAX || s->topic_len > FR_TOPIC_MAX || s->txid_len > FR_TXID_MAX ||
        s->version_len > FR_CLIENT_VERSION_MAX ||
        FR_STORED_HEAD + s->vin_len + s->topic_len + s->txid_len + s->version_len +
                s->payload_len !=
            len)
        return -1;
    s->vin = bytes + FR_STORED_HEAD;
    s->topic = s->vin + s->vin_len;
    s->txid = s->topic + s->topic_len;
    s->version = s->txid + s->txid_len;
    s->payload = s->version + s->version_len;
    return 0;
}

int fr_stored_read(const uint8_t *bytes, size_t len, struct fr_stored *stored)
{
    if (fr_stored_parse_head(bytes, len, stored) != 0 ||
        stored_get(bytes + CRC_OFFSET, 4) != stored_checksum(bytes, len) ||
        memchr(stored->vin, '\0', stored->vin_len) != NULL ||
        memchr(stored->topic, '\0', stored->topic_len) != NULL)
        return -1;
    return 0;
}

struct fr_record *fr_stored_record(const struct fr_stored *stored)
{
    char vin[FR_VIN_MAX + 1], version[FR_CLIENT_VERSION_MAX + 1];
    struct fr_record_source source = {
        .vin = vin,
        .topic = stored->topic,
        .topic_len = stored->topic_len,
        .txid = stored->txid,
        .txid_len = stored->txid_len,
        .client_version = version,
        .payload = stored->payload,
        .payload_len = stored->payload_len,
        .received_ms = stored->received_ms,
    };

    *stored_copy((uint8_t *)vin, stored->vin, stored->vin_len) = '\0';
    *stored_copy((uint8_t *)version, stored->version, stored->version_len) = '\0';
    return fr_record_known(&source, stored->created_ns, stored->resend);
}
