#include "redis/redis_command.h"

#include <stdio.h>
#include <string.h>

/* A head such as "$12\r\n" or "*3\r\n". */
static void command_head(struct fr_text_buffer *out, char mark, size_t n)
{
    char digits[24];
    size_t at = sizeof digits;

    digits[--at] = '\n';
    digits[--at] = '\r';
    do {
        digits[--at] = (char)('0' + n % 10);
        n /= 10;
    } while (n != 0);
    digits[--at] = mark;
    fr_text_buffer_append(out, digits + at, sizeof digits - at);
}

void redis_command_begin(struct fr_text_buffer *out, size_t count)
{
    command_head(out, '*', count);
}

void redis_command_bytes(struct fr_text_buffer *out, const void *bytes, size_t len)
{
    command_head(out, '$', len);
    fr_text_buffer_append(out, bytes, len);
    fr_text_buffer_append(out, "\r\n", 2);
}

void redis_command_text(struct fr_text_buffer *out, const char *text)
{
    redis_command_bytes(out, text, strlen(text));
}

static void command_number(struct fr_text_buffer *out, int64_t number)
{
    char text[24];

    snprintf(text, sizeof text, "%lld", (long long)number);
    redis_command_text(out, text);
}

void redis_command_publish(struct fr_text_buffer *out, const char *channel, const void *payload,
                           size_t len)
{
    redis_command_begin(out, 3);
    redis_command_text(out, "PUBLISH");
    redis_command_text(out, channel);
    redis_command_bytes(out, payload, len);
}

static void command_field(struct fr_text_buffer *out, const char *name, const char *value)
{
    redis_command_text(out, name);
    redis_command_text(out, value);
}

void redis_command_xadd(struct fr_text_buffer *out, const char *stream, int64_t max_length,
                        const struct fr_delivery *d, const void *payload, size_t len)
{
    bool resend = d->flags & FR_FLAG_RESEND, repeated = d->flags & FR_FLAG_REPEATED;
    bool named = d->kind == FR_DELIVERY_FIELD && d->name != NULL;
    size_t fields = 5u + (d->created_ms != 0) + resend + repeated + named;

    redis_command_begin(out, 3u + (max_length > 0 ? 3u : 0u) + 2 * fields);
    redis_command_text(out, "XADD");
    redis_command_text(out, stream);
    if (max_length > 0) {
        redis_command_text(out, "MAXLEN");
        redis_command_text(out, "~");
        command_number(out, max_length);
    }
    redis_command_text(out, "*");
    command_field(out, "vin", d->vin);
    command_field(out, "type", d->record_type);
    redis_command_text(out, "txid");
    redis_command_bytes(out, d->txid, d->txid_len);
    redis_command_text(out, "received_at");
    command_number(out, d->received_ms);
    if (d->created_ms != 0) {
        redis_command_text(out, "created_at");
        command_number(out, d->created_ms);
    }
    if (resend)
        command_field(out, "resend", "1");
    if (repeated)
        command_field(out, "repeated", "1");
    if (named)
        command_field(out, "name", d->name);
    redis_command_text(out, "payload");
    redis_command_bytes(out, payload, len);
}
