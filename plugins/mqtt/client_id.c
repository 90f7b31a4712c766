#include "mqtt/client_id.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "text_buffer.h"

static bool client_id_read(const char *path, char *digits)
{
    FILE *file = fopen(path, "re");
    bool read = file != NULL && fgets(digits, CLIENT_ID_DIGITS + 1, file) != NULL &&
                strspn(digits, "0123456789abcdef") == CLIENT_ID_DIGITS;

    if (file != NULL)
        fclose(file);
    return read;
}

/* Under another name first: after a power cut the file is whole, or absent. */
static bool client_id_write(const char *path, const char *beside, const char *digits)
{
    int fd = open(beside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    bool written =
        fd >= 0 && write(fd, digits, CLIENT_ID_DIGITS) == CLIENT_ID_DIGITS && fdatasync(fd) == 0;

    if (fd >= 0 && close(fd) != 0)
        written = false;
    return written && rename(beside, path) == 0;
}

bool client_id_digits(const char *folder, char digits[CLIENT_ID_DIGITS + 1])
{
    struct fr_text_buffer path = {0}, beside = {0};
    uint32_t number = 0;
    bool kept;

    fr_text_buffer_printf(&path, "%s/client-id", folder);
    fr_text_buffer_printf(&beside, "%s/client-id.new", folder);
    kept = !path.failed && client_id_read(path.bytes, digits);
    if (!kept) {
        if (getrandom(&number, sizeof number, 0) != (ssize_t)sizeof number)
            number = (uint32_t)getpid();
        snprintf(digits, CLIENT_ID_DIGITS + 1, "%08x", (unsigned)number);
        errno = ENOMEM;
        kept = !path.failed && !beside.failed && client_id_write(path.bytes, beside.bytes, digits);
    }
    fr_text_buffer_free(&path);
    fr_text_buffer_free(&beside);
    return kept;
}
