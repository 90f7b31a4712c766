/* The texts of a request to the admin listener: the first line is the path, the second the query,
 * the third the Host header, the fourth the Origin, the fifth the Cookie. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "admin/http_guard.h"
#include "admin/http_query.h"
#include "admin/http_sessions.h"
#include "util/utf8.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

/* A decoded text is UTF-8 without control characters, and not longer than its buffer. */
static void check_text(const char *text, size_t size)
{
    size_t len = strnlen(text, size), n;

    if (len == size)
        abort();
    for (size_t i = 0; i < len; i += n) {
        n = fr_utf8_length((const uint8_t *)text + i, len - i);
        if (n == 0 || (uint8_t)text[i] < ' ')
            abort();
    }
}

static void check_path(const char *path)
{
    static const char *const patterns[] = {"/api/vehicles/{vin}", "/api/sinks/{name}/pause",
                                           "/web/*", "/status"};
    char segment[FR_HTTP_SEGMENT_SIZE];

    for (size_t i = 0; i < sizeof patterns / sizeof *patterns; i++) {
        enum fr_http_match match = fr_http_path_match(patterns[i], path, segment);

        check_text(segment, sizeof segment);
        if (match != FR_HTTP_MATCH && segment[0] != '\0')
            abort();
        if (strstr(segment, "../") != NULL && strncmp(strstr(segment, "../"), "../", 3) == 0 &&
            (strstr(segment, "../") == segment || strstr(segment, "/../") != NULL))
            abort();
        if (i < 2 && strchr(segment, '/') != NULL)
            abort();
    }
}

static void check_query(const char *query)
{
    static const char *const keys[] = {"find", "vin", "n"};
    char value[64];
    int64_t number;

    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        enum fr_http_found found = fr_http_query_text(query, keys[i], value, sizeof value);

        check_text(value, sizeof value);
        if (found != FR_HTTP_FOUND && value[0] != '\0')
            abort();
    }
    fr_http_query_number(query, "n", -5, 1000, 7, &number);
    if (number < -5 || number > 1000)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    static struct fr_http_names *names;
    static struct fr_http_sessions *sessions;
    char *lines[5], *copy = malloc(len + 1), *at = copy;
    struct fr_http_origin origin = {0};

    if (names == NULL) {
        names = fr_http_names_new(NULL, 0);
        sessions = fr_http_sessions_new("0123456789abcdef");
    }
    memcpy(copy, bytes, len);
    copy[len] = '\0';
    for (size_t i = 0; i < 5; i++) {
        lines[i] = at;
        at += strcspn(at, "\n");
        if (*at != '\0')
            *at++ = '\0';
    }
    check_path(lines[0]);
    check_query(lines[1]);
    origin.host = lines[2];
    origin.origin = lines[3];
    fr_http_host_allowed(names, lines[2], NULL);
    if (fr_http_origin_allowed(&origin, true, false) && strncasecmp(lines[3], "https://", 8) != 0)
        abort();
    if (fr_http_sessions_find(sessions, lines[4], "fr", 0) != 0)
        abort();
    free(copy);
    return 0;
}
