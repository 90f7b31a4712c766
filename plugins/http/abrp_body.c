#include "http/abrp_body.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "http/abrp_values.h"
#include "text_hash.h"

#define BUCKETS 256
#define VIN_SIZE 64

struct vehicle {
    struct vehicle *next;
    char vin[VIN_SIZE];
    struct abrp_values values;
};

struct abrp {
    struct vehicle *buckets[BUCKETS];
    size_t count;
    struct vehicle *last; /* of the last delivery that was added */
};

struct abrp *abrp_new(void)
{
    return calloc(1, sizeof(struct abrp));
}

static void abrp_forget_all(struct abrp *abrp)
{
    for (size_t i = 0; i < BUCKETS; i++)
        for (struct vehicle *v = abrp->buckets[i], *next; v != NULL; v = next) {
            next = v->next;
            free(v);
        }
    memset(abrp, 0, sizeof *abrp);
}

void abrp_free(struct abrp *abrp)
{
    if (abrp == NULL)
        return;
    abrp_forget_all(abrp);
    free(abrp);
}

/* At the bound all vehicles are forgotten: their next values fill the table again. */
static struct vehicle *abrp_vehicle(struct abrp *abrp, const char *vin)
{
    struct vehicle **bucket = &abrp->buckets[fr_text_hash(vin) % BUCKETS], *v;

    for (v = *bucket; v != NULL; v = v->next)
        if (strcmp(v->vin, vin) == 0)
            return v;
    if (strlen(vin) >= VIN_SIZE)
        return NULL;
    if (abrp->count == ABRP_VEHICLES_MAX)
        abrp_forget_all(abrp);
    v = calloc(1, sizeof *v);
    if (v == NULL)
        return NULL;
    memcpy(v->vin, vin, strlen(vin) + 1);
    v->next = *bucket;
    *bucket = v;
    abrp->count++;
    return v;
}

static bool abrp_take_json(struct abrp_values *values, const char *field, const json_t *value,
                           const char *unit)
{
    struct abrp_input input = {.unit = unit};
    const json_t *latitude = json_object_get(value, "latitude");
    const json_t *longitude = json_object_get(value, "longitude");

    if (strcmp(field, "Location") == 0) {
        if (json_is_number(latitude) && json_is_number(longitude))
            abrp_values_take_location(values, json_number_value(latitude),
                                      json_number_value(longitude));
        else /* invalid: the former position must not stay */
            abrp_values_take_location(values, (double)NAN, (double)NAN);
        return true;
    }
    if (json_is_number(value)) {
        input.kind = ABRP_INPUT_NUMBER;
        input.number = json_number_value(value);
    } else if (json_is_boolean(value)) {
        input.kind = ABRP_INPUT_BOOLEAN;
        input.boolean = json_is_true(value);
    } else if (json_is_string(value)) {
        input.kind = ABRP_INPUT_TEXT;
        input.text = json_string_value(value);
        input.len = json_string_length(value);
    }
    return abrp_values_take(values, field, &input);
}

enum body_added abrp_body_add(struct abrp *abrp, struct fr_text_buffer *out,
                              const struct fr_delivery *d, const json_t *json)
{
    struct vehicle *v = d->flags & FR_FLAG_LATE ? NULL : abrp_vehicle(abrp, d->vin);
    /* The clock of a vehicle that is ahead must not stop the time of its values. */
    int64_t ms =
        d->created_ms != 0 && d->created_ms < d->received_ms ? d->created_ms : d->received_ms;
    bool is_taken = false;
    const char *field;
    json_t *value;

    if (d->flags & FR_FLAG_LATE) /* a newer value is known */
        return BODY_NOTHING;
    if (v == NULL)
        return BODY_NO_MEMORY;
    if (d->kind == FR_DELIVERY_FIELD)
        is_taken = abrp_take_json(&v->values, d->field_name, json, d->unit);
    else
        json_object_foreach(json_object_get(json, "data"), field, value) is_taken |=
            abrp_take_json(&v->values, field, value, "");
    if (!is_taken)
        return BODY_NOTHING;
    if (ms > v->values.utc_ms)
        v->values.utc_ms = ms;
    abrp->last = v;
    if (out->len == 0)
        fr_text_buffer_byte(out, ' ');
    return BODY_ADDED;
}

void abrp_body_end(struct abrp *abrp, struct fr_text_buffer *out)
{
    if (abrp->last != NULL)
        abrp_values_write(&abrp->last->values, out);
}
