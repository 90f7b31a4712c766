#include "fleet_api/secret_file.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util/memory.h"

static int secret_file_check(const char *path, const struct stat *file, size_t max,
                             struct fr_error *error)
{
    if (!S_ISREG(file->st_mode))
        return fr_error_set(error, "%s: not a regular file; use another path", path);
    if (file->st_uid != 0 && file->st_uid != geteuid())
        return fr_error_set(error,
                            "%s: the file belongs to another user (uid %u), who can read and "
                            "replace the secret; run `chown %u %s`",
                            path, (unsigned)file->st_uid, (unsigned)geteuid(), path);
    if (file->st_mode & 077)
        return fr_error_set(error,
                            "%s: other users have access to the secret (mode %04o); run `chmod "
                            "600 %s`",
                            path, (unsigned)(file->st_mode & 07777), path);
    if (file->st_size == 0)
        return fr_error_set(error, "%s: the file is empty; write the secret to it or delete it",
                            path);
    if (file->st_size < 0 || (uintmax_t)file->st_size > max)
        return fr_error_set(error, "%s: the file has more than %zu bytes; restore it from a copy",
                            path, max);
    return 0;
}

ssize_t fr_secret_file_bytes(int fd, char *bytes, size_t max)
{
    size_t len = 0;

    while (len < max) {
        ssize_t got = read(fd, bytes + len, max - len);

        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return -1;
        if (got == 0)
            break;
        len += (size_t)got;
    }
    return (ssize_t)len;
}

enum fr_secret_file_result fr_secret_file_read(const char *path, size_t max, char **text,
                                               size_t *len, struct fr_error *error)
{
    /* O_NONBLOCK: the open(2) of a FIFO does not wait for a writer. */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    struct stat file;
    ssize_t got = -1;

    *text = NULL;
    if (fd < 0 && errno == ENOENT)
        return FR_SECRET_FILE_MISSING;
    if (fd < 0 || fstat(fd, &file) != 0)
        fr_error_set(error, "%s: %s; %s", path, strerror(errno),
                     errno == EACCES ? "run this command as root or as the owner of the file"
                                     : "check the path and the disk");
    else if (secret_file_check(path, &file, max, error) == 0) {
        *text = fr_calloc((size_t)file.st_size + 1, 1);
        got = fr_secret_file_bytes(fd, *text, (size_t)file.st_size);
        if (got < 0) {
            fr_error_set(error, "%s: cannot be read: %s; check the disk", path, strerror(errno));
            free(*text);
            *text = NULL;
        }
    }
    if (fd >= 0)
        close(fd);
    if (got < 0)
        return FR_SECRET_FILE_REFUSED;
    if (len != NULL)
        *len = (size_t)got;
    return FR_SECRET_FILE_READ;
}

void fr_secret_free(char *secret)
{
    if (secret != NULL)
        OPENSSL_cleanse(secret, strlen(secret));
    free(secret);
}

void fr_secret_erase_members(json_t *object)
{
    const char *key;
    json_t *value;

    json_object_foreach(object, key, value)
    {
        /* jansson owns the bytes and has no function that erases them. */
        if (json_is_string(value))
            OPENSSL_cleanse((void *)(uintptr_t)json_string_value(value), json_string_length(value));
    }
}
