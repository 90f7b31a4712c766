#include "http/retry_after.h"

#include <string.h>
#include <time.h>

static int64_t retry_after_bound(int64_t ms)
{
    return ms < 0 ? 0 : ms > RETRY_AFTER_MAX_MS ? RETRY_AFTER_MAX_MS : ms;
}

int64_t retry_after_ms(const char *value, size_t len, int64_t now_ms)
{
    char text[40];
    struct tm tm = {0};
    const char *end;
    int64_t seconds = 0;

    while (len != 0 && (*value == ' ' || *value == '\t')) {
        value++;
        len--;
    }
    while (len != 0 && (value[len - 1] == ' ' || value[len - 1] == '\t' || value[len - 1] == '\r' ||
                        value[len - 1] == '\n'))
        len--;
    if (len == 0 || len >= sizeof text)
        return 0;
    memcpy(text, value, len);
    text[len] = '\0';
    if (strspn(text, "0123456789") == len) {
        for (const char *digit = text; *digit != '\0' && seconds <= RETRY_AFTER_MAX_MS; digit++)
            seconds = seconds * 10 + (*digit - '0');
        return retry_after_bound(seconds * 1000);
    }
    end = strptime(text, "%a, %d %b %Y %H:%M:%S GMT", &tm);
    if (end == NULL || *end != '\0')
        return 0;
    return retry_after_bound((int64_t)timegm(&tm) * 1000 - now_ms);
}
