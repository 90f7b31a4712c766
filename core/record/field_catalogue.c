#include "record/field_catalogue.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "record/field_catalogue_data.h"

const struct fr_field *fr_field_by_number(uint32_t number)
{
    return number < fr_catalogue_field_count ? &fr_catalogue_fields[number] : NULL;
}

const struct fr_field *fr_field_by_name(const char *name)
{
    for (size_t i = 0; i < fr_catalogue_field_count; i++)
        if (strcmp(fr_catalogue_fields[i].name, name) == 0)
            return &fr_catalogue_fields[i];
    return NULL;
}

int64_t fr_field_number(const char *name)
{
    const struct fr_field *field = fr_field_by_name(name);
    char *end;
    unsigned long number;

    if (field != NULL)
        return field->number;
    if (strncmp(name, "field_", 6) != 0 || name[6] < '0' || name[6] > '9')
        return -1;
    errno = 0;
    number = strtoul(name + 6, &end, 10);
    if (errno != 0 || *end != '\0' || number > INT32_MAX)
        return -1;
    return (int64_t)number;
}

const char *fr_field_name(uint32_t number, char buffer[FR_FIELD_NAME_SIZE])
{
    const struct fr_field *field = fr_field_by_number(number);

    if (field != NULL)
        return field->name;
    snprintf(buffer, FR_FIELD_NAME_SIZE, "field_%u", number);
    return buffer;
}

int fr_firmware_compare(const char *a, const char *b)
{
    while (*a != '\0' || *b != '\0') {
        char *end_a, *end_b;
        long x = strtol(a, &end_a, 10), y = strtol(b, &end_b, 10);

        if (x != y)
            return x < y ? -1 : 1;
        if (end_a == a && end_b == b)
            return 0;
        a = *end_a == '.' ? end_a + 1 : "";
        b = *end_b == '.' ? end_b + 1 : "";
    }
    return 0;
}

size_t fr_field_count(void)
{
    return fr_catalogue_field_count;
}

const char *fr_field_category(size_t n)
{
    for (size_t i = 0; i < fr_catalogue_field_count; i++) {
        const char *category = fr_catalogue_fields[i].category;
        bool seen = fr_catalogue_fields[i].kind == FR_FIELD_NONE;

        for (size_t j = 0; j < i && !seen; j++)
            seen = fr_catalogue_fields[j].kind != FR_FIELD_NONE &&
                   strcmp(fr_catalogue_fields[j].category, category) == 0;
        if (!seen && n-- == 0)
            return category;
    }
    return NULL;
}

const struct fr_enum *fr_enum_by_tag(uint32_t tag)
{
    for (size_t i = 0; i < fr_catalogue_enum_count; i++)
        if (fr_catalogue_enums[i].tag == tag && tag != 0)
            return &fr_catalogue_enums[i];
    return NULL;
}

const struct fr_choice *fr_enum_choice(const struct fr_enum *e, int64_t number)
{
    /* In nearly every enum, the number of a choice is its index. */
    if (number >= 0 && (size_t)number < e->count && e->choices[number].number == number)
        return &e->choices[number];
    for (size_t i = 0; i < e->count; i++)
        if (e->choices[i].number == number)
            return &e->choices[i];
    return NULL;
}

static bool catalogue_name_is(const char *name, const char *text, size_t len)
{
    return strlen(name) == len && strncasecmp(name, text, len) == 0;
}

const struct fr_choice *fr_enum_choice_named(const struct fr_enum *e, const char *name, size_t len)
{
    for (size_t i = 0; i < e->count; i++)
        if (catalogue_name_is(e->choices[i].name, name, len) ||
            catalogue_name_is(e->choices[i].long_name, name, len))
            return &e->choices[i];
    return NULL;
}
