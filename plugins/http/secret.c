#include "http/secret.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_MAX 65536
#define PIECE 4096

static bool secret_read_all(int fd, struct fr_text_buffer *content)
{
    char piece[PIECE];
    ssize_t n;

    while ((n = read(fd, piece, sizeof piece)) > 0 && content->len < FILE_MAX)
        fr_text_buffer_append(content, piece, (size_t)n);
    explicit_bzero(piece, sizeof piece);
    if (n > 0)
        errno = EFBIG;
    if (n == 0 && content->failed)
        errno = ENOMEM;
    return n == 0 && !content->failed;
}

bool secret_read_file(const char *path, struct fr_text_buffer *content, char *why, size_t why_size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    struct stat st;
    bool ok = false;

    secret_erase(content);
    if (fd < 0 || fstat(fd, &st) != 0)
        snprintf(why, why_size, "%.200s: %s (the user of fleetrouted must be able to read it)",
                 path, strerror(errno));
    else if (!S_ISREG(st.st_mode))
        snprintf(why, why_size, "%.200s is not a regular file", path);
    else if ((st.st_mode & 07) != 0)
        snprintf(why, why_size, "%.200s can be read by every user (chmod o= %.200s)", path, path);
    else if (!secret_read_all(fd, content))
        snprintf(why, why_size, "%.200s: %s", path, strerror(errno));
    else
        ok = true;
    if (fd >= 0)
        close(fd);
    if (!ok)
        secret_erase(content);
    return ok;
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
        secret_erase(line);
        return false;
    }
    line->bytes[line->len] = '\0';
    return true;
}

void secret_erase(struct fr_text_buffer *content)
{
    if (content->bytes != NULL)
        explicit_bzero(content->bytes, content->size);
    fr_text_buffer_free(content);
}
