/*
 * Bodies of http.so in every format, of the deliveries of a record, and what the plugin reads of an answer:
 * Retry-After and the reason in the body. The input is as in deliveries.h.
 */
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "deliveries.h"
#include "http/answer_text.h"
#include "http/body.h"
#include "http/retry_after.h"
#include "http/vehicle_tokens.h"

#define FORMATS 6

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

static struct fr_host host; /* fuzz_host with own options */
static int64_t format;

static int64_t host_number(struct fr_sink *sink, const char *option)
{
    (void)sink;
    return strcmp(option, "format") == 0 ? format : 0;
}

static const char *host_text(struct fr_sink *sink, const char *option)
{
    (void)sink, (void)option;
    return "tesla_%{type}";
}

static int host_each(struct fr_sink *sink, const char *option,
                     int (*each)(const char *key, const char *text, void *context), void *context)
{
    (void)sink, (void)option;
    return each("fleet", "a b", context);
}

/* Each line has a measurement with the constant tag, at least one field, and a time: no text of the
 * vehicle ends a line, or a part of it. */
static void check_lines(const char *text, size_t len)
{
    const char *end = text + len;

    while (text < end) {
        bool quoted = false;
        int spaces = 0, lines = 0;

        for (; text < end && lines == 0; text++) {
            if (*text == '\\' && text + 1 < end)
                text++;
            else if (*text == '"')
                quoted = !quoted;
            else if (!quoted && *text == ' ')
                spaces++;
            else if ((unsigned char)*text < 0x20 && *text != '\t') {
                if (*text != '\n' || quoted)
                    abort();
                lines = 1;
            }
        }
        if (spaces != 2 || lines != 1)
            abort();
    }
}

static void check_body(const struct fr_text_buffer *out)
{
    if (format == 0 || format >= 4)
        fuzz_check_json(fr_text_buffer_string(out), out->len);
    else if (format == 3)
        check_lines(fr_text_buffer_string(out), out->len);
}

static void check_delivery(struct fr_delivery *d)
{
    struct fr_text_buffer out = {0};

    if (d->unit == NULL)
        d->unit = "";
    for (format = 0; format < FORMATS; format++)
        for (int mode = BODY_TOGETHER; mode <= BODY_SPLIT; mode++) {
            struct body *body = body_new(NULL, &host);
            enum body_added added = body_add(body, &out, (enum body_mode)mode, d);

            if (added == BODY_ADDED) {
                body_end(body, &out);
                check_body(&out);
            } else if (out.len != 0)
                abort();
            fr_text_buffer_clear(&out);
            body_free(body);
        }
    fr_text_buffer_free(&out);
}

static void check_answer(const uint8_t *bytes, size_t len)
{
    char *text = malloc(len + 1), reason[64];
    int64_t ms = retry_after_ms((const char *)bytes, len, 1700000000000);
    size_t token_len = 0;
    const char *token;

    if (text == NULL || ms < 0 || ms > RETRY_AFTER_MAX_MS)
        abort();
    memcpy(text, bytes, len);
    text[len] = '\0';
    answer_text(text, reason, sizeof reason);
    (void)influx_fault_of(reason);
    token = vehicle_token(text, "5YJ3E1EA7KF000001", &token_len);
    if (token != NULL && (token_len == 0 || token < text || token + token_len > text + len))
        abort();
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    host = fuzz_host;
    host.number = host_number;
    host.text = host_text;
    host.each = host_each;
    fuzz_deliveries(bytes, len, check_delivery);
    check_answer(bytes, len);
    return 0;
}
