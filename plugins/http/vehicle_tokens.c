#include "http/vehicle_tokens.h"

#include <string.h>

const char *vehicle_token(const char *text, const char *vin, size_t *len)
{
    size_t vin_len = strlen(vin);

    while (*text != '\0') {
        const char *line = text + strspn(text, " \t");
        const char *token = line + strcspn(line, " \t\r\n");

        text = line + strcspn(line, "\n");
        text += *text == '\n';
        if ((size_t)(token - line) != vin_len || memcmp(line, vin, vin_len) != 0)
            continue;
        token += strspn(token, " \t");
        *len = strcspn(token, " \t\r\n");
        if (*len != 0)
            return token;
    }
    return NULL;
}
