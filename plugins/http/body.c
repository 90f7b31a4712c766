#include "http/body.h"

#include <stdlib.h>
#include <string.h>

#include "http/abrp_body.h"
#include "http/influx_body.h"
#include "http/teslemetry_body.h"
#include "path_pattern.h"

enum precision { PRECISION_NS, PRECISION_MS, PRECISION_S };

struct body {
    struct fr_sink *sink;
    const struct fr_host *host;
    enum body_format format;
    struct influx_body influx;
    struct abrp *abrp; /* NULL: another format */
};

/* ---- open and close -------------------------------------------------------------- */

static int body_add_tag(const char *key, const char *text, void *context)
{
    influx_tag(context, key, text);
    return 0;
}

void body_check(struct fr_sink *sink, const struct fr_host *host)
{
    const char *mistake = fr_pattern_mistake(host->text(sink, "measurement"));

    if (mistake != NULL)
        host->config_error(sink, "measurement", NULL, "measurement: %s", mistake);
}

static int64_t body_time_factor(enum precision precision)
{
    return precision == PRECISION_NS ? 1000000 : 1;
}

struct body *body_new(struct fr_sink *sink, const struct fr_host *host)
{
    struct body *body = calloc(1, sizeof *body);
    enum precision precision = (enum precision)host->number(sink, "precision");

    if (body == NULL)
        return NULL;
    body->sink = sink;
    body->host = host;
    body->format = (enum body_format)host->number(sink, "format");
    body->influx.pattern = host->text(sink, "measurement");
    body->influx.has_integers = host->number(sink, "integers");
    body->influx.time_factor = body_time_factor(precision);
    body->influx.time_divisor = precision == PRECISION_S ? 1000 : 1;
    host->each(sink, "tags", body_add_tag, &body->influx.tags);
    if (body->format == FORMAT_ABRP)
        body->abrp = abrp_new();
    if (!body->influx.tags.failed && (body->format != FORMAT_ABRP || body->abrp != NULL))
        return body;
    body_free(body);
    return NULL;
}

void body_free(struct body *body)
{
    if (body == NULL)
        return;
    influx_body_free(&body->influx);
    abrp_free(body->abrp);
    free(body);
}

/* ---- properties of the formats --------------------------------------------------- */

const char *body_content_type(const struct body *body)
{
    switch (body->format) {
    case FORMAT_JSON_LINES:
        return "application/x-ndjson";
    case FORMAT_INFLUX:
        return "text/plain; charset=utf-8";
    case FORMAT_JSON:
    case FORMAT_TESLA_JSON:
    case FORMAT_TESLEMETRY:
    case FORMAT_ABRP:
    default:
        return "application/json";
    }
}

bool body_may_join(const struct body *body, const struct fr_delivery *first,
                   const struct fr_delivery *next)
{
    switch (body->format) {
    case FORMAT_TESLA_JSON:
    case FORMAT_TESLEMETRY:
        return false;
    case FORMAT_ABRP:
        return strcmp(first->vin, next->vin) == 0;
    case FORMAT_JSON:
    case FORMAT_JSON_LINES:
    case FORMAT_INFLUX:
    default:
        return true;
    }
}

bool body_can_split(const struct body *body)
{
    return body->format == FORMAT_INFLUX;
}

const char *body_query(const struct body *body)
{
    if (body->format != FORMAT_INFLUX || body->influx.time_factor != 1)
        return "";
    return body->influx.time_divisor == 1 ? "precision=ms" : "precision=s";
}

const char *body_unfit_reason(const struct body *body)
{
    return body->format == FORMAT_TESLA_JSON
               ? "the record is not in Tesla's JSON (set `format: tesla-json` of its route)"
               : "the record is not in JSON (remove `format:` of its route)";
}

/* ---- deliveries ------------------------------------------------------------------ */

static enum body_added body_add_json(struct body *body, struct fr_text_buffer *out,
                                     const struct fr_delivery *d)
{
    const void *bytes = d->bytes;
    size_t len = d->len;

    if (d->kind == FR_DELIVERY_FIELD) {
        if ((bytes = body->host->json(body->sink, d, &len)) == NULL)
            return BODY_NO_MEMORY;
    } else if (d->format != FR_FORMAT_TESLA_JSON &&
               (d->format != FR_FORMAT_JSON || body->format == FORMAT_TESLA_JSON))
        return BODY_UNFIT;
    if (body->format == FORMAT_JSON)
        fr_text_buffer_byte(out, out->len == 0 ? '[' : ',');
    fr_text_buffer_append(out, bytes, len);
    if (body->format == FORMAT_JSON_LINES)
        fr_text_buffer_byte(out, '\n');
    return BODY_ADDED;
}

static enum body_added body_add_parsed(struct body *body, struct fr_text_buffer *out,
                                       enum body_mode mode, const struct fr_delivery *d,
                                       const json_t *record)
{
    switch (body->format) {
    case FORMAT_INFLUX:
        return influx_body_add(&body->influx, out, mode == BODY_SPLIT, d, record);
    case FORMAT_TESLEMETRY:
        return teslemetry_body_add(out, d, record);
    case FORMAT_ABRP:
    case FORMAT_JSON:
    case FORMAT_JSON_LINES:
    case FORMAT_TESLA_JSON:
    default:
        return abrp_body_add(body->abrp, out, d, record);
    }
}

/* The JSON of a record, or of a value alone. NULL: it is none. */
static json_t *body_parse(const struct body *body, const struct fr_delivery *d)
{
    const char *text = (const char *)d->bytes;
    size_t len = d->len;

    if (d->kind == FR_DELIVERY_FIELD && (text = body->host->value(body->sink, d, &len)) == NULL)
        return NULL;
    return json_loadb(text, len, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
}

enum body_added body_add(struct body *body, struct fr_text_buffer *out, enum body_mode mode,
                         const struct fr_delivery *d)
{
    enum body_added added;
    json_t *json;

    if (body->format <= FORMAT_TESLA_JSON)
        added = body_add_json(body, out, d);
    else if (d->kind == FR_DELIVERY_RECORD && d->format != FR_FORMAT_JSON)
        added = BODY_UNFIT;
    else if (body->format == FORMAT_INFLUX && influx_body_is_scalar(d))
        added = influx_body_add(&body->influx, out, mode == BODY_SPLIT, d, NULL);
    else {
        json = body_parse(body, d);
        added = json != NULL ? body_add_parsed(body, out, mode, d, json) : BODY_UNFIT;
        json_decref(json);
    }
    return out->failed ? BODY_NO_MEMORY : added;
}

void body_end(struct body *body, struct fr_text_buffer *out)
{
    if (body->format == FORMAT_JSON)
        fr_text_buffer_byte(out, ']');
    if (body->format == FORMAT_ABRP)
        abrp_body_end(body->abrp, out);
}
