#include "util/tail_repair.h"

#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

#define CHUNK 4096

/* Where the last line begins that no line feed ends; `size`: there is none. -1 on error. */
static off_t last_line(int fd, off_t size)
{
    char bytes[CHUNK];

    for (off_t end = size; end > 0;) {
        off_t from = end > CHUNK ? end - CHUNK : 0;
        ssize_t n = pread(fd, bytes, (size_t)(end - from), from);

        if (n != end - from)
            return -1;
        while (n > 0)
            if (bytes[--n] == '\n')
                return from + n + 1;
        end = from;
    }
    return 0;
}

/* Whether what stands there is a whole JSON object: its braces are closed. */
static bool is_whole(int fd, off_t at, off_t size)
{
    bool quoted = false, escaped = false;
    char bytes[CHUNK];
    long depth = 0;
    ssize_t n;

    for (; at < size; at += n) {
        n = pread(fd, bytes, sizeof bytes, at);
        if (n <= 0)
            return false;
        for (ssize_t i = 0; i < n; i++) {
            char c = bytes[i];

            if (escaped)
                escaped = false;
            else if (quoted && c == '\\')
                escaped = true;
            else if (c == '"')
                quoted = !quoted;
            else if (!quoted && (c == '{' || c == '}'))
                depth += c == '{' ? 1 : -1;
        }
    }
    return depth == 0 && !quoted;
}

/* Half a record is cut off: it was not confirmed, so it comes again. A whole one is only ended. */
static int end_line(int fd, off_t size)
{
    off_t at = last_line(fd, size);

    if (at < 0)
        return -1;
    if (at == size)
        return 0;
    if (!is_whole(fd, at, size))
        return ftruncate(fd, at) == 0 ? 1 : -1;
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
