#include "history/history_field.h"

#include <math.h>

#include "record/field_catalogue.h"

#define E6 1e6 /* stored positions are in 1e-6 degrees */

bool fr_history_field_kind(uint32_t number, enum fr_chunk_kind *kind)
{
    const struct fr_field *field = fr_field_by_number(number);

    if (field == NULL)
        return false;
    switch (field->kind) {
    case FR_FIELD_REAL:
    case FR_FIELD_INTEGER:
        *kind = FR_CHUNK_NUMBERS;
        return true;
    case FR_FIELD_LOCATION:
        *kind = FR_CHUNK_POSITIONS;
        return true;
    case FR_FIELD_BOOLEAN:
    case FR_FIELD_TEXT:
    case FR_FIELD_ENUM:
    case FR_FIELD_DOORS:
    case FR_FIELD_TIRES:
        *kind = FR_CHUNK_STATES;
        return true;
    case FR_FIELD_NONE:
    case FR_FIELD_CLOCK:
    case FR_FIELD_TIME:
        break;
    }
    return false;
}

static void field_number(const struct fr_value *from, struct fr_batch_value *value)
{
    double number = from->kind == FR_VALUE_REAL  ? from->real
                    : from->kind == FR_VALUE_INT ? (double)from->integer
                                                 : NAN;

    value->number = (float)number;
    if (isfinite(value->number))
        value->kind = FR_BATCH_NUMBER;
}

static void field_position(const struct fr_value *from, struct fr_batch_value *value)
{
    if (from->kind != FR_VALUE_LOCATION)
        return;
    value->kind = FR_BATCH_POSITION;
    value->position.latitude = (int32_t)lround(from->location.latitude * E6);
    value->position.longitude = (int32_t)lround(from->location.longitude * E6);
}

/* The bytes of a text that are stored; no character is divided. */
static uint8_t field_text_len(const char *text, size_t len)
{
    if (len < FR_STATE_TEXT_SIZE)
        return (uint8_t)len;
    len = FR_STATE_TEXT_SIZE - 1;
    while (len > 0 && ((unsigned char)text[len] & 0xc0) == 0x80)
        len--;
    return (uint8_t)len;
}

static void field_state(const struct fr_value *from, struct fr_batch_value *value,
                        const char **text)
{
    value->kind = FR_BATCH_STATE;
    value->state.kind = FR_STATE_NUMBER;
    value->state.number = 0;
    value->state.text = 0;
    value->state.text_len = 0;
    switch (from->kind) {
    case FR_VALUE_NONE:
    case FR_VALUE_INVALID:
        value->state.kind = FR_STATE_NONE;
        break;
    case FR_VALUE_BOOL:
        value->state.kind = FR_STATE_BOOLEAN;
        value->state.number = from->boolean;
        break;
    case FR_VALUE_ENUM:
        value->state.number = from->choice.number;
        break;
    case FR_VALUE_DOORS:
    case FR_VALUE_TIRES:
        value->state.number = (int32_t)(from->bits & INT32_MAX);
        break;
    case FR_VALUE_TEXT:
        value->state.kind = FR_STATE_TEXT;
        value->state.text_len = field_text_len(from->text.bytes, from->text.len);
        *text = from->text.bytes;
        break;
    default:
        value->kind = FR_BATCH_COUNT;
        break;
    }
}

void fr_history_field_value(const struct fr_datum *datum, struct fr_batch_value *value,
                            const char **text)
{
    enum fr_chunk_kind kind;

    value->kind = FR_BATCH_COUNT;
    if (!fr_history_field_kind(datum->field, &kind))
        return;
    if (kind == FR_CHUNK_NUMBERS)
        field_number(&datum->value, value);
    else if (kind == FR_CHUNK_POSITIONS)
        field_position(&datum->value, value);
    else
        field_state(&datum->value, value, text);
}
