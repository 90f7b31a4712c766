#include "password_file.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

bool fr_password_read(const char *path, char password[FR_PASSWORD_SIZE], char *why, size_t why_size)
{
    FILE *file = fopen(path, "re");
    bool ok = file != NULL && fgets(password, FR_PASSWORD_SIZE, file) != NULL;

    if (!ok)
        snprintf(why, why_size, "%.200s: %s (it must contain the password)", path,
                 file == NULL || ferror(file) ? strerror(errno) : "the file is empty");
    else
        password[strcspn(password, "\r\n")] = '\0';
    if (file != NULL)
        fclose(file);
    return ok;
}
