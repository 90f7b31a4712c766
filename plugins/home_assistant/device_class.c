#include "home_assistant/device_class.h"

#include <stdio.h>
#include <string.h>

bool fr_class_has_unit(const char *class, const char *unit)
{
    static const struct {
        const char *class, *units;
    } known[] = {
        {"pressure", " bar psi kPa "},
        {"speed", " mph km/h m/s "},
        {"distance", " km m mi ft "},
        {"temperature", " °C °F K "},
        {"energy", " kWh Wh MJ "},
        {"energy_storage", " kWh Wh MJ "},
        {"power", " kW W "},
        {"duration", " h min s ms "},
        {"voltage", " V mV "},
        {"current", " A mA "},
        {"battery", " % "},
    };
    char word[32];

    if (unit == NULL)
        return true;
    snprintf(word, sizeof word, " %.28s ", unit);
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strcmp(known[i].class, class) == 0)
            return strstr(known[i].units, word) != NULL;
    return true;
}
