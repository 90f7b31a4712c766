#include "record/units.h"

#include <string.h>

struct unit {
    const char *name;
    const char *quantity;
    double factor; /* value in the base unit of the quantity = value * factor + offset */
    double offset;
    const char *alias; /* other names, separated by spaces */
};

static const struct unit units[] = {
    {"m/s", "speed", 1, 0, "mps"},
    {"km/h", "speed", 1 / 3.6, 0, "kmh kph"},
    {"mph", "speed", 0.44704, 0, "mi/h"},
    {"m", "length", 1, 0, "metre meter"},
    {"km", "length", 1000, 0, "kilometre kilometer"},
    {"mi", "length", 1609.344, 0, "mile miles"},
    {"ft", "length", 0.3048, 0, "feet"},
    {"°C", "temperature", 1, 0, "C celsius"},
    {"°F", "temperature", 5.0 / 9, -160.0 / 9, "F fahrenheit"},
    {"K", "temperature", 1, -273.15, "kelvin"},
    {"bar", "pressure", 100000, 0, ""},
    {"atm", "pressure", 101325, 0, ""},
    {"psi", "pressure", 6894.757293168, 0, ""},
    {"kPa", "pressure", 1000, 0, ""},
    {"Wh", "energy", 1, 0, ""},
    {"kWh", "energy", 1000, 0, ""},
    {"MJ", "energy", 1e6 / 3600, 0, ""},
    {"W", "power", 1, 0, ""},
    {"kW", "power", 1000, 0, ""},
    {"ms", "time", 0.001, 0, ""},
    {"s", "time", 1, 0, ""},
    {"min", "time", 60, 0, ""},
    {"h", "time", 3600, 0, ""},
    {"V", "voltage", 1, 0, ""},
    {"mV", "voltage", 0.001, 0, ""},
    {"A", "current", 1, 0, ""},
    {"mA", "current", 0.001, 0, ""},
    {"kΩ", "resistance", 1000, 0, "kOhm"},
    {"Ω", "resistance", 1, 0, "Ohm"},
    {"Nm", "torque", 1, 0, ""},
    {"m/s²", "acceleration", 1, 0, "m/s^2"},
    {"g", "acceleration", 9.80665, 0, "G"},
    {"rad/s", "rotation", 1, 0, ""},
    {"rpm", "rotation", 0.10471975511965977, 0, ""},
    {"°", "angle", 1, 0, "deg"},
    {"%", "share", 1, 0, "percent"},
};

/* Whether `word` is one of the space-separated words. */
static bool units_has_word(const char *words, const char *word)
{
    size_t len = strlen(word);

    for (const char *at = words; (at = strstr(at, word)) != NULL; at += len)
        if ((at == words || at[-1] == ' ') && (at[len] == ' ' || at[len] == '\0'))
            return true;
    return false;
}

static const struct unit *units_find(const char *name)
{
    for (size_t i = 0; i < sizeof units / sizeof *units; i++)
        if (strcmp(units[i].name, name) == 0)
            return &units[i];
    for (size_t i = 0; i < sizeof units / sizeof *units; i++)
        if (*name != '\0' && units_has_word(units[i].alias, name))
            return &units[i];
    return NULL;
}

bool fr_unit_convert(const char *from, const char *to, struct fr_conversion *conversion)
{
    const struct unit *a = units_find(from), *b = units_find(to);

    if (a == NULL || b == NULL || strcmp(a->quantity, b->quantity) != 0)
        return false;
    conversion->factor = a->factor / b->factor;
    conversion->offset = (a->offset - b->offset) / b->factor;
    return true;
}

const char *fr_unit_canonical(const char *unit)
{
    const struct unit *found = units_find(unit);

    return found != NULL ? found->name : NULL;
}

const char *fr_unit_alternative(const char *from, size_t n)
{
    const struct unit *a = units_find(from);

    for (size_t i = 0; a != NULL && i < sizeof units / sizeof *units; i++)
        if (strcmp(units[i].quantity, a->quantity) == 0 && n-- == 0)
            return units[i].name;
    return NULL;
}
