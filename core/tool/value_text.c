#include "tool/value_text.h"

#include <stdint.h>
#include <stdio.h>

void fr_text_print(const char *text)
{
    for (; text != NULL && *text != '\0'; text++)
        putchar((unsigned char)*text < ' ' || *text == 127 ? '?' : *text);
}

static void value_print_true_keys(const json_t *object)
{
    const char *separator = "", *key;
    const json_t *item;

    json_object_foreach((json_t *)(uintptr_t)object, key, item)
    {
        if (!json_is_true(item))
            continue;
        printf("%s%s", separator, key);
        separator = " ";
    }
    if (separator[0] == '\0')
        fputs("none", stdout);
}

void fr_value_print(const json_t *value)
{
    const json_t *latitude = json_object_get(value, "latitude");

    if (json_is_string(value))
        fr_text_print(json_string_value(value));
    else if (json_is_real(value))
        printf("%.6g", json_real_value(value));
    else if (json_is_integer(value))
        printf("%lld", (long long)json_integer_value(value));
    else if (json_is_boolean(value))
        fputs(json_is_true(value) ? "yes" : "no", stdout);
    else if (latitude != NULL)
        printf("%.6f, %.6f", json_number_value(latitude),
               json_number_value(json_object_get(value, "longitude")));
    else if (json_is_object(value))
        value_print_true_keys(value);
    else
        fputs("-", stdout);
}
