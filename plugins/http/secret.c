#include "http/secret.h"

#include <stdio.h>
#include <string.h>

bool secret_read_file(const char *path, struct fr_text_buffer *content, char *why, size_t why_size)
{
    return fr_secret_read(path, 07, content, why, why_size);
}

bool secret_read_line(const char *path, struct fr_text_buffer *line, char *why, size_t why_size)
{
    const char *mistake = NULL;

    if (!secret_read_file(path, line, why, why_size))
        return false;
    line->len = line->bytes != NULL ? strcspn(line->bytes, "\r\n") : 0;
    if (line->len == 0)
        mistake = "the first line is empty";
    for (size_t i = 0; i < line->len; i++)
        if ((unsigned char)line->bytes[i] < 0x20 || line->bytes[i] == 0x7f)
            mistake = "the first line has control characters";
    if (mistake != NULL) {
        snprintf(why, why_size, "%.200s: %s (it must contain the value of the header)", path,
                 mistake);
        fr_secret_erase(line);
        return false;
    }
    line->bytes[line->len] = '\0';
    return true;
}
