#include "kafka_message.h"

#include <stdio.h>
#include <string.h>

static void message_add_header(rd_kafka_headers_t *headers, const char *name, const char *value,
                               size_t len)
{
    rd_kafka_header_add(headers, name, -1, value, (ssize_t)len);
}

static rd_kafka_headers_t *message_make_headers(const struct fr_delivery *d, unsigned flags)
{
    rd_kafka_headers_t *headers = rd_kafka_headers_new(8);
    char received[24], created[24] = "0";
    int n = snprintf(received, sizeof received, "%lld", (long long)d->received_ms);

    if (headers == NULL)
        return NULL;
    if (flags & FR_KAFKA_HEADER_CREATED)
        snprintf(created, sizeof created, "%lld", (long long)d->created_ms);
    message_add_header(headers, "vin", d->vin, strlen(d->vin));
    message_add_header(headers, "receivedat", received, (size_t)n);
    message_add_header(headers, "timestamp", created, strlen(created));
    message_add_header(headers, "txid", d->txid, d->txid_len);
    message_add_header(headers, "txtype", d->record_type, strlen(d->record_type));
    message_add_header(headers, "version", "0", 1);
    message_add_header(headers, "device_client_version", d->client_version,
                       strlen(d->client_version));
    if ((flags & FR_KAFKA_HEADER_REPEATED) && (d->flags & FR_FLAG_REPEATED))
        message_add_header(headers, "repeated", "1", 1);
    return headers;
}

rd_kafka_resp_err_t fr_kafka_message_produce(rd_kafka_t *producer, rd_kafka_topic_t *topic,
                                             struct fr_delivery *d, const void *value, size_t len,
                                             unsigned flags)
{
    rd_kafka_headers_t *headers = message_make_headers(d, flags);
    /* The JSON of a field's value is valid only until the next call of host->json(). */
    int copy = d->kind == FR_DELIVERY_FIELD ? RD_KAFKA_MSG_F_COPY : 0;
    rd_kafka_vu_t parts[6];
    rd_kafka_resp_err_t code;
    rd_kafka_error_t *error;

    parts[0] = (rd_kafka_vu_t){.vtype = RD_KAFKA_VTYPE_RKT, .u.rkt = topic};
    parts[1] = (rd_kafka_vu_t){.vtype = RD_KAFKA_VTYPE_MSGFLAGS, .u.i = copy};
    parts[2] = (rd_kafka_vu_t){.vtype = RD_KAFKA_VTYPE_KEY,
                               .u.mem = {(void *)(uintptr_t)d->vin, strlen(d->vin)}};
    parts[3] =
        (rd_kafka_vu_t){.vtype = RD_KAFKA_VTYPE_VALUE, .u.mem = {(void *)(uintptr_t)value, len}};
    parts[4] = (rd_kafka_vu_t){.vtype = RD_KAFKA_VTYPE_HEADERS, .u.headers = headers};
    parts[5] = (rd_kafka_vu_t){.vtype = RD_KAFKA_VTYPE_OPAQUE, .u.ptr = d};
    error = rd_kafka_produceva(producer, parts, sizeof parts / sizeof *parts);
    if (error == NULL)
        return RD_KAFKA_RESP_ERR_NO_ERROR;
    if (headers != NULL) /* librdkafka takes ownership only on success */
        rd_kafka_headers_destroy(headers);
    code = rd_kafka_error_code(error);
    rd_kafka_error_destroy(error);
    return code;
}
