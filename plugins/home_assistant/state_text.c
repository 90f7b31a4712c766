#include "home_assistant/state_text.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define PLAIN_MAX 1e15          /* from this value on, a real is written with an exponent */
#define TIME_MAX_S 253402300799 /* seconds since 1970: the end of the year 9999 */

void fr_state_text_number(double real, int precision, struct fr_state_text *state)
{
    if (!isfinite(real)) {
        state->has_value = false;
        return;
    }
    state->number = real;
    state->is_number = true;
    if (fabs(real) >= PLAIN_MAX) { /* its digits would exceed FR_STATE_MAX */
        snprintf(state->text, sizeof state->text, "%.7g", real);
        return;
    }
    if (precision < 0)
        snprintf(state->text, sizeof state->text, "%.7g", real);
    else
        snprintf(state->text, sizeof state->text, "%.*f", precision + 1, real);
    if (strchr(state->text, 'e') != NULL)
        snprintf(state->text, sizeof state->text, "%.3f", real);
    if (strchr(state->text, '.') != NULL) {
        size_t len = strlen(state->text);

        while (state->text[len - 1] == '0')
            len--;
        if (state->text[len - 1] == '.')
            len--;
        state->text[len] = '\0';
    }
    if (strcmp(state->text, "-0") == 0)
        strcpy(state->text, "0");
}

static void state_put_time(int64_t seconds, struct fr_state_text *state)
{
    time_t when = (time_t)seconds;
    struct tm tm;

    state->has_value = seconds > 0 && seconds <= TIME_MAX_S && gmtime_r(&when, &tm) != NULL &&
                       strftime(state->text, sizeof state->text, "%Y-%m-%dT%H:%M:%S+00:00", &tm);
}

static bool state_is_timestamp(const struct fr_entity *entity)
{
    return entity->device_class != NULL && strcmp(entity->device_class, "timestamp") == 0;
}

static void state_put_integer(const struct fr_entity *entity, int64_t integer,
                              struct fr_state_text *state)
{
    if (state_is_timestamp(entity)) {
        state_put_time(integer, state);
        return;
    }
    snprintf(state->text, sizeof state->text, "%lld", (long long)integer);
    state->number = (double)integer;
    state->is_number = true;
}

/* Cut to FR_STATE_MAX bytes, at the end of a character. */
static void state_put_text(const char *bytes, size_t len, struct fr_state_text *state)
{
    if (len > FR_STATE_MAX) {
        len = FR_STATE_MAX;
        while (len > 0 && (bytes[len] & 0xc0) == 0x80)
            len--;
    }
    memcpy(state->text, bytes, len);
    state->text[len] = '\0';
    if (strlen(state->text) != len || len == 0)
        state->has_value = len != 0 && state->text[0] != '\0';
}

static void state_put_choice(const struct fr_value *value, struct fr_state_text *state)
{
    static const char *const no_value[] = {"Unknown", "Invalid", "SNA"};

    if (value->choice.name == NULL) {
        snprintf(state->text, sizeof state->text, "unknown(%d)", (int)value->choice.number);
        state->unlisted = true;
        return;
    }
    snprintf(state->text, sizeof state->text, "%s", value->choice.name);
    for (size_t i = 0; i < sizeof no_value / sizeof *no_value; i++)
        if (strcmp(state->text, no_value[i]) == 0)
            state->has_value = false;
}

static void state_put_value(const struct fr_entity *entity, const struct fr_value *value,
                            struct fr_state_text *state)
{
    switch (value->kind) {
    case FR_VALUE_BOOL:
        strcpy(state->text, value->boolean ? "true" : "false");
        break;
    case FR_VALUE_INT:
        state_put_integer(entity, value->integer, state);
        break;
    case FR_VALUE_REAL:
        if (state_is_timestamp(entity))
            state_put_time(
                value->real > 0 && value->real <= (double)TIME_MAX_S ? (int64_t)value->real : 0,
                state);
        else
            fr_state_text_number(value->real, entity->precision, state);
        break;
    case FR_VALUE_TEXT:
        state_put_text(value->text.bytes, value->text.len, state);
        break;
    case FR_VALUE_ENUM:
        state_put_choice(value, state);
        break;
    case FR_VALUE_LOCATION:
        snprintf(state->text, sizeof state->text, "%.6f, %.6f", value->location.latitude,
                 value->location.longitude);
        break;
    case FR_VALUE_DOORS:
    case FR_VALUE_TIRES:
        strcpy(state->text,
               (entity->bit != 0 ? value->bits & entity->bit : value->bits) ? "true" : "false");
        break;
    case FR_VALUE_CLOCK:
        snprintf(state->text, sizeof state->text, "%02d:%02d:%02d", (int)value->clock.hour,
                 (int)value->clock.minute, (int)value->clock.second);
        break;
    case FR_VALUE_NONE:
    case FR_VALUE_INVALID:
    default:
        state->has_value = false;
        break;
    }
}

/* Whether a sensor with a unit or a state class has a number. A value that the vehicle sends as
 * text may have any content. */
static bool state_matches_class(const struct fr_entity *entity, const struct fr_state_text *state)
{
    bool number = entity->state_class != NULL || entity->unit != NULL;

    return entity->platform != FR_PLATFORM_SENSOR || !number || state->is_number;
}

/* The state of a sensor with `on_if:`: the second of its options for these values, else the first. */
static void state_put_word(const struct fr_entity *entity, struct fr_state_text *state)
{
    bool on = fr_words_find(&entity->on_if, state->text) >= 0;

    state_put_text(entity->options.word[on], strlen(entity->options.word[on]), state);
    state->is_number = state->unlisted = false;
}

void fr_state_text(const struct fr_entity *entity, const struct fr_delivery *delivery,
                   struct fr_state_text *state)
{
    *state = (struct fr_state_text){.has_value = true};
    state_put_value(entity, &delivery->value, state);
    if (state->has_value && entity->platform == FR_PLATFORM_SENSOR && entity->on_if.count != 0) {
        state_put_word(entity, state);
        return;
    }
    if (state->has_value && !state_matches_class(entity, state))
        state->has_value = false;
    if (state->has_value && entity->options.count != 0 &&
        fr_words_find(&entity->options, state->text) < 0)
        state->unlisted = true;
    if (state->has_value && entity->platform == FR_PLATFORM_BINARY_SENSOR) {
        bool on = entity->on_if.count != 0 ? fr_words_find(&entity->on_if, state->text) >= 0
                                           : strcmp(state->text, "true") == 0;

        strcpy(state->text, on ? "on" : "off");
        state->is_number = state->unlisted = false;
    }
}
