#include "util/tail_repair.h"

#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

#define CHUNK 4096

/* Returns the offset of the last line if it lacks a line feed, else `size`. -1 on error. */
static off_t tail_unended_line(int fd, off_t size)
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

/* Whether the bytes from `at` on are a complete JSON object: all its braces are closed. */
static bool tail_is_complete(int fd, off_t at, off_t size)
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

/* Cut off an incomplete last line, or end a complete one with a line feed. */
static int tail_end_line(int fd, off_t size)
{
    off_t at = tail_unended_line(fd, size);

    if (at < 0)
        return -1;
    if (at == size)
        return 0;
    if (!tail_is_complete(fd, at, size))
        return ftruncate(fd, at) == 0 ? 1 : -1;
    return write(fd, "\n", 1) == 1 ? 1 : -1;
}

/* Returns the offset behind the message at `at`; more than `size` if the message is incomplete. */
static off_t tail_message_end(int fd, off_t at, off_t size)
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

/* Cut off an incomplete last message. */
static int tail_cut_message(int fd, off_t size)
{
    off_t at = 0;

    while (at < size) {
        off_t end = tail_message_end(fd, at, size);

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
    return binary ? tail_cut_message(fd, st.st_size) : tail_end_line(fd, st.st_size);
}
