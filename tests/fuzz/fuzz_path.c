/* File names: patterns with names from vehicles, rotated files, escaped names. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "file/rotated_name.h"
#include "file/type_limit.h"
#include "path_pattern.h"
#include "safe_name.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

static size_t count(const char *text, char c)
{
    size_t n = 0;

    for (; *text != '\0'; text++)
        n += *text == c;
    return n;
}

static void check_safe(const char *name)
{
    struct fr_text_buffer text = {0};

    fr_safe_name(&text, name);
    if (text.len == 0 || text.bytes[0] == '.' || strpbrk(text.bytes, "/+#~ \n") != NULL)
        abort();
    fr_text_buffer_free(&text);
}

/* A path must have only the slashes and tildes of its pattern, for any VIN and record type. */
static void check_path(const char *pattern, const struct fr_delivery *d, size_t size)
{
    char *to = malloc(size);
    bool fits = fr_pattern_expand(pattern, d, d->received_ms, to, size);
    uint64_t sequence;

    if (strlen(to) >= size)
        abort();
    if (fits && (count(to, '/') != count(pattern, '/') || count(to, '~') != count(pattern, '~')))
        abort();
    if (fits && strchr(pattern, '~') == NULL &&
        fr_rotated_kind(to, NULL, &sequence) != FR_ROTATED_NONE)
        abort();
    free(to);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    static const char *const patterns[] = {"a/%{vin}/%{type}.x", "%{type}", "%Y/%{name}-%H"};
    char *text, *parts[3];
    struct fr_type_limit limit = {0};
    struct fr_delivery d = {.kind = FR_DELIVERY_RECORD};
    uint64_t sequence;

    if (len < 4 || len > 4000)
        return 0;
    text = malloc(len + 1);
    memcpy(text, bytes, len);
    text[len] = '\0';
    /* The input has three texts, separated by NUL: a VIN, a record type and a pattern. */
    for (size_t i = 0; i < 3; i++)
        parts[i] = i == 0 ? text + 3 : parts[i - 1] + strlen(parts[i - 1]);
    for (size_t i = 1; i < 3; i++)
        if (parts[i] < text + len)
            parts[i]++;
    d.vin = parts[0];
    d.record_type = parts[1];
    d.received_ms = (int64_t)bytes[0] << (bytes[1] % 50);
    for (size_t i = 0; i < 3; i++)
        check_path(patterns[i], &d, bytes[2] + 1u);
    if (fr_pattern_mistake(parts[2]) == NULL && strstr(parts[2], "%%") == NULL)
        check_path(parts[2], &d, 2048);
    check_safe(parts[0]);
    fr_rotated_kind(parts[1], NULL, &sequence);
    fr_rotated_kind(parts[1], parts[0], &sequence);
    for (int i = 0; i < 40; i++) {
        char type[16] = {'t', (char)('0' + i), '\0'};
        const char *in_path = fr_type_in_path(&limit, parts[0], type);

        if ((strcmp(in_path, "other") == 0) != (i >= FR_TYPES_PER_VEHICLE))
            abort();
    }
    fr_type_limit_free(&limit);
    free(text);
    return 0;
}
