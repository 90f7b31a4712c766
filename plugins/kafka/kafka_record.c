#include "kafka_record.h"

#include <stdio.h>
#include <string.h>

#define CLIENT_VERSION_MAX 8192 /* bytes; as in the daemon */

struct text {
    const char *at;
    size_t len;
};

static struct text record_header(rd_kafka_headers_t *headers, const char *name)
{
    const void *value;
    size_t len;

    if (headers != NULL &&
        rd_kafka_header_get_last(headers, name, &value, &len) == RD_KAFKA_RESP_ERR_NO_ERROR &&
        value != NULL)
        return (struct text){value, len};
    return (struct text){"", 0};
}

static int64_t record_number_of(struct text text)
{
    int64_t number = 0;

    for (size_t i = 0; i < text.len && i < 18; i++) {
        if (text.at[i] < '0' || text.at[i] > '9')
            return 0;
        number = number * 10 + (text.at[i] - '0');
    }
    return number;
}

/* The record type: the header txtype, or the topic's name without the prefix. */
static struct text record_type_of(rd_kafka_headers_t *headers, const char *topic, size_t prefix_len)
{
    struct text type = record_header(headers, "txtype");

    if (type.len == 0 && strlen(topic) > prefix_len)
        type = (struct text){topic + prefix_len, strlen(topic + prefix_len)};
    return type;
}

enum fr_submitted fr_kafka_record_submit(struct fr_source *source,
                                         const struct fr_source_host *host, size_t prefix_len,
                                         uint32_t flags, const rd_kafka_message_t *m)
{
    const char *topic = rd_kafka_topic_name(m->rkt);
    rd_kafka_headers_t *headers = NULL;
    struct text vin, type, txid, version;
    char offset_txid[320], client_version[CLIENT_VERSION_MAX + 1];
    struct fr_submission s = {.size = sizeof s,
                              .client_version = client_version,
                              .bytes = m->payload,
                              .len = m->len,
                              .part = (uint32_t)m->partition,
                              .flags = flags};

    rd_kafka_message_headers(m, &headers);
    vin = record_header(headers, "vin");
    if (vin.len == 0 && m->key != NULL)
        vin = (struct text){m->key, m->key_len};
    type = record_type_of(headers, topic, prefix_len);
    txid = record_header(headers, "txid");
    if (txid.len == 0) { /* use the message's offset, which is unique */
        int n = snprintf(offset_txid, sizeof offset_txid, "kafka-%.200s-%d-%lld", topic,
                         (int)m->partition, (long long)m->offset);

        txid = (struct text){offset_txid, (size_t)n};
    }
    version = record_header(headers, "device_client_version");
    snprintf(client_version, sizeof client_version, "%.*s",
             version.len < CLIENT_VERSION_MAX ? (int)version.len : CLIENT_VERSION_MAX, version.at);
    s.vin = vin.at;
    s.vin_len = vin.len;
    s.record_type = type.at;
    s.record_type_len = type.len;
    s.txid = txid.at;
    s.txid_len = txid.len;
    s.received_ms = record_number_of(record_header(headers, "receivedat"));
    /* No protobuf message of a record begins with '{': as a tag, that would start a group. */
    s.format =
        m->len > 0 && *(const char *)m->payload == '{' ? FR_FORMAT_TESLA_JSON : FR_FORMAT_PROTOBUF;
    return host->submit(source, &s);
}
