#include "password_file.h"

#include <stdio.h>
#include <string.h>

#include "secret_file.h"

bool fr_password_read(const char *path, char password[FR_PASSWORD_SIZE], char *why, size_t why_size)
{
    struct fr_text_buffer content = {0};
    const char *text;
    size_t len;
    bool ok = fr_secret_read(path, 0, &content, why, why_size);

    if (!ok)
        return false;
    text = fr_text_buffer_string(&content);
    len = strcspn(text, "\r\n");
    if (content.len == 0) {
        snprintf(why, why_size, "%.200s: the file is empty (it must contain the password)", path);
        ok = false;
    } else if (len > FR_PASSWORD_SIZE - 2) {
        snprintf(why, why_size, "%.200s: the first line has more than %d bytes", path,
                 FR_PASSWORD_SIZE - 2);
        ok = false;
    } else {
        memcpy(password, text, len);
        password[len] = '\0';
    }
    fr_secret_erase(&content);
    return ok;
}
