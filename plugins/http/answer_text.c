#include "http/answer_text.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "utf8.h"

void answer_text(const char *body, char *to, size_t size)
{
    static const char *const names[] = {"error", "message", "detail", "errorMessage"};
    json_t *root = body[0] == '{' ? json_loads(body, 0, NULL) : NULL;
    const char *text = body[0] == '<' ? "" : body;
    size_t len;

    for (size_t i = sizeof names / sizeof *names; i-- > 0;)
        if (json_is_string(json_object_get(root, names[i])))
            text = json_string_value(json_object_get(root, names[i]));
    len = fr_utf8_cut(text, strlen(text), size - 1);
    memcpy(to, text, len);
    to[len] = '\0';
    for (char *c = to; *c != '\0'; c++)
        if ((unsigned char)*c < 0x20 || *c == 0x7f)
            *c = ' ';
    json_decref(root);
}

enum influx_fault influx_fault_of(const char *text)
{
    if (strstr(text, "field type conflict") != NULL)
        return INFLUX_CONFLICT;
    if (strstr(text, "unable to parse") != NULL || strstr(text, "partial write") != NULL ||
        strstr(text, "beyond retention policy") != NULL)
        return INFLUX_POINT;
    return INFLUX_OTHER;
}
