#include "tail_repair.h"

#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

static int end_line(int fd, off_t size)
{
    char last;

    if (pread(fd, &last, 1, size - 1) != 1)
        return -1;
    if (last == '\n')
        return 0;
    return write(fd, "\n", 1) == 1 ? 1 : -1;
}

/* Where the message that starts at `at` ends; `size` or more: it is cut off. */
static off_t message_end(int fd, off_t at, off_t size)
{
    uint8_t head[10];
    ssize_t n = pread(fd, head, sizeof head, at);
    uint64_t len = 0;

    for (ssize_t i = 0; i < n; i++) {
        len |= (uint64_t)(head[i] & 0x7f) << (7 * i);
        if (head[i] < 0x80)
            return len > (uint64_t)(size - at) ? size + 1 : at + i + 1 + (off_t)len;
    }
    return size + 1;
}

static int cut_message(int fd, off_t size)
{
    off_t at = 0;

    while (at < size) {
        off_t end = message_end(fd, at, size);

        if (end > size)
            return ftruncate(fd, at) == 0 ? 1 : -1;
        at = end;
    }
    return 0;
}

int fr_tail_repair(int fd, bool binary)
{
    struct stat st;

    if (fstat(fd, &st) != 0)
        return -1;
    if (st.st_size == 0)
        return 0;
    return binary ? cut_message(fd, st.st_size) : end_line(fd, st.st_size);
}
