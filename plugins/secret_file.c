#include "secret_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PIECE 4096

static bool secret_read_all(int fd, struct fr_text_buffer *content)
{
    char piece[PIECE];
    ssize_t n;

    while ((n = read(fd, piece, sizeof piece)) > 0 &&
           content->len + (size_t)n <= FR_SECRET_FILE_MAX)
        fr_text_buffer_append(content, piece, (size_t)n);
    explicit_bzero(piece, sizeof piece);
    if (n > 0)
        errno = EFBIG;
    if (n == 0 && content->failed)
        errno = ENOMEM;
    return n == 0 && !content->failed;
}

bool fr_secret_read(const char *path, mode_t forbidden, struct fr_text_buffer *content, char *why,
                    size_t why_size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    struct stat st;
    bool ok = false;

    fr_secret_erase(content);
    if (fd < 0 || fstat(fd, &st) != 0)
        snprintf(why, why_size, "%.200s: %s (the user of fleetrouted must be able to read it)",
                 path, strerror(errno));
    else if (!S_ISREG(st.st_mode))
        snprintf(why, why_size, "%.200s is not a regular file", path);
    else if ((st.st_mode & forbidden) != 0)
        snprintf(why, why_size, "%.200s: mode %04o lets others read it (chmod %s %.200s)", path,
                 (unsigned)(st.st_mode & 07777), (forbidden & 070) != 0 ? "600" : "o=", path);
    else if (!secret_read_all(fd, content))
        snprintf(why, why_size, "%.200s: %s", path, strerror(errno));
    else
        ok = true;
    if (fd >= 0)
        close(fd);
    if (!ok)
        fr_secret_erase(content);
    return ok;
}

void fr_secret_erase(struct fr_text_buffer *content)
{
    if (content->bytes != NULL)
        explicit_bzero(content->bytes, content->size);
    fr_text_buffer_free(content);
}
