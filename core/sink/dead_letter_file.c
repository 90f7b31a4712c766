#include "sink/dead_letter_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "util/clock.h"
#include "util/file_remedy.h"
#include "util/memory.h"

#define DROPPED "{\"dropped\":true"
#define DROPPED_LEN (sizeof DROPPED - 1)
#define LINE_MIN (DROPPED_LEN + 1) /* so that it can be overwritten */
#define BLOCK 65536
#define LOCK_MS 2000 /* to wait for the lock */
#define LOCK_POLL_US 2000

int fr_dead_letter_lock(int fd, int64_t max_ms)
{
    int64_t until = fr_monotonic_ms() + max_ms;

    while (flock(fd, LOCK_EX | LOCK_NB) != 0)
        if (errno == EWOULDBLOCK && fr_monotonic_ms() < until)
            usleep(LOCK_POLL_US);
        else if (errno != EINTR)
            return errno == EWOULDBLOCK ? -1 : 0;
    return 0;
}

bool fr_dead_letter_is_dropped(const char *text, size_t len)
{
    return len >= DROPPED_LEN && memcmp(text, DROPPED, DROPPED_LEN) == 0;
}

static bool file_is_live(const char *head, size_t head_len, uint64_t len)
{
    return len >= LINE_MIN && len <= UINT32_MAX && head[0] == '{' &&
           !fr_dead_letter_is_dropped(head, head_len);
}

/* Read bytes completely. errno is 0 if the file ends before. */
static bool file_read(int fd, void *bytes, size_t len, uint64_t offset)
{
    uint8_t *to = bytes;

    while (len != 0) {
        ssize_t n = pread(fd, to, len, (off_t)offset);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) {
            errno = n < 0 ? errno : 0;
            return false;
        }
        to += n;
        len -= (size_t)n;
        offset += (uint64_t)n;
    }
    return true;
}

/* ---- open and scan --------------------------------------------------------------- */

/* The size is read under the lock: lines below it are complete and synced. */
static int file_open_part(struct fr_dead_letter_file *file, size_t index, const char *path,
                          struct fr_error *error)
{
    int fd = file->part[index].fd = open(path, O_RDWR | O_CLOEXEC | O_NONBLOCK);
    struct stat st;

    if (fd < 0 && errno == ENOENT)
        return 0;
    if (fd < 0)
        return fr_error_set(error, "%s cannot be opened: %s; %s", path, strerror(errno),
                            fr_file_remedy(errno));
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode))
        return fr_error_set(error, "%s is not a file; move it to another folder", path);
    if (fr_dead_letter_lock(fd, LOCK_MS) != 0)
        return fr_error_set(error, "%s is locked by another process; `lslocks` names it", path);
    if (fstat(fd, &st) != 0)
        return fr_error_set(error, "%s cannot be read: %s", path, strerror(errno));
    flock(fd, LOCK_UN);
    file->part[index].inode = st.st_ino;
    file->part[index].size = (uint64_t)st.st_size;
    return 0;
}

int fr_dead_letter_file_open(struct fr_dead_letter_file *file, const char *folder, const char *sink,
                             struct fr_error *error)
{
    char *path = fr_asprintf("%s/%s.jsonl", folder, sink);
    char *older = fr_asprintf("%s.1", path);
    int status;

    memset(file, 0, sizeof *file);
    file->part[0].fd = file->part[1].fd = -1;
    status = file_open_part(file, 1, path, error);
    if (status == 0)
        status = file_open_part(file, 0, older, error);
    /* The sink has renamed the file between both. */
    if (file->part[0].fd >= 0 && file->part[1].fd >= 0 &&
        file->part[0].inode == file->part[1].inode) {
        close(file->part[0].fd);
        file->part[0].fd = -1;
    }
    free(path);
    free(older);
    return status;
}

void fr_dead_letter_file_close(struct fr_dead_letter_file *file)
{
    for (size_t i = 0; i < 2; i++)
        if (file->part[i].fd >= 0)
            close(file->part[i].fd);
    free(file->lines);
}

/* The line that is being scanned. */
struct line_scan {
    uint64_t start;
    char head[LINE_MIN];
    size_t head_len;
};

/* Scan a block of a file. each() gets the lines that are not dropped; false ends the scan. */
static bool file_scan_block(struct line_scan *scan, const char *block, size_t len, uint64_t at,
                            bool (*each)(void *ctx, uint64_t offset, uint64_t len), void *ctx)
{
    const char *end = block + len;

    for (const char *p = block; p < end;) {
        const char *feed = memchr(p, '\n', (size_t)(end - p));
        size_t part = (size_t)((feed != NULL ? feed : end) - p);
        size_t take = sizeof scan->head - scan->head_len;
        uint64_t line_len;

        take = part < take ? part : take;
        memcpy(scan->head + scan->head_len, p, take);
        scan->head_len += take;
        if (feed == NULL)
            return true;
        line_len = at + (uint64_t)(feed - block) - scan->start;
        if (file_is_live(scan->head, scan->head_len, line_len) && !each(ctx, scan->start, line_len))
            return false;
        scan->start += line_len + 1;
        scan->head_len = 0;
        p = feed + 1;
    }
    return true;
}

struct part_scan {
    struct fr_dead_letter_file *file;
    size_t index;
};

static bool file_add_line(void *ctx, uint64_t offset, uint64_t len)
{
    const struct part_scan *scan = ctx;
    struct fr_dead_letter_file *file = scan->file;

    if (file->count == FR_DEAD_LETTERS_READ_MAX)
        return false;
    if (file->count == file->capacity) {
        file->capacity = file->capacity != 0 ? 2 * file->capacity : 256;
        file->lines = fr_realloc(file->lines, file->capacity, sizeof *file->lines);
    }
    file->lines[file->count++] =
        (struct fr_dead_letter){offset, (uint32_t)len, (uint32_t)scan->index};
    file->part[scan->index].count++;
    return true;
}

static int file_scan_part(struct fr_dead_letter_file *file, size_t index, int64_t deadline_ms,
                          const _Atomic bool *cancelled, struct fr_error *error)
{
    struct part_scan ctx = {file, index};
    struct line_scan scan = {0};
    uint64_t size = file->part[index].size, n;
    char block[BLOCK];

    for (uint64_t at = 0; at < size; at += n) {
        n = size - at < BLOCK ? size - at : BLOCK;
        if (fr_monotonic_ms() > deadline_ms || (cancelled != NULL && atomic_load(cancelled)))
            return fr_error_set(error, "the dead letters could not be read in time; repeat the "
                                       "request for one sink, or read the files on the server");
        if (!file_read(file->part[index].fd, block, n, at))
            return errno == 0 ? 0 /* the file was emptied meanwhile */
                              : fr_error_set(error, "the dead letters cannot be read: %s",
                                             strerror(errno));
        if (!file_scan_block(&scan, block, n, at, file_add_line, &ctx))
            return fr_error_set(error,
                                "there are more than %d dead letters; move the files to "
                                "another folder",
                                FR_DEAD_LETTERS_READ_MAX);
    }
    return 0;
}

int fr_dead_letter_file_scan(struct fr_dead_letter_file *file, int64_t deadline_ms,
                             const _Atomic bool *cancelled, struct fr_error *error)
{
    file->count = 0;
    for (size_t i = 0; i < 2; i++) {
        file->part[i].count = 0;
        if (file->part[i].fd >= 0 && file_scan_part(file, i, deadline_ms, cancelled, error) != 0)
            return -1;
    }
    return 0;
}

static bool file_count_line(void *ctx, uint64_t offset, uint64_t len)
{
    (void)offset, (void)len;
    ++*(unsigned long long *)ctx;
    return true;
}

unsigned long long fr_dead_letter_count(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    unsigned long long count = 0;
    struct line_scan scan = {0};
    char block[BLOCK];
    uint64_t at = 0;
    ssize_t n;

    while (fd >= 0 && (n = read(fd, block, sizeof block)) > 0) {
        file_scan_block(&scan, block, (size_t)n, at, file_count_line, &count);
        at += (uint64_t)n;
    }
    if (fd >= 0)
        close(fd);
    return count;
}

/* ---- lines ----------------------------------------------------------------------- */

bool fr_dead_letter_read(const struct fr_dead_letter_file *file, const struct fr_dead_letter *line,
                         struct fr_buffer *text)
{
    size_t len = line->len < FR_DEAD_LETTER_TEXT_MAX ? line->len : FR_DEAD_LETTER_TEXT_MAX;
    uint8_t *to;

    fr_buffer_clear(text);
    to = fr_buffer_reserve(text, len);
    if (to == NULL || !file_read(file->part[line->part].fd, to, len, line->offset))
        return false;
    text->len = len;
    return true;
}

void fr_dead_letter_id(const struct fr_dead_letter_file *file, const struct fr_dead_letter *line,
                       const struct fr_buffer *text, char id[FR_DEAD_LETTER_ID_SIZE])
{
    snprintf(id, FR_DEAD_LETTER_ID_SIZE, "%llx-%llx-%08lx",
             (unsigned long long)file->part[line->part].inode, (unsigned long long)line->offset,
             crc32_z(0, text->bytes, text->len));
}

/* Whether a line begins at the offset. */
static bool file_line_begins(int fd, uint64_t offset)
{
    char before = '\n';

    return offset == 0 || (file_read(fd, &before, 1, offset - 1) && before == '\n');
}

/* Find the length of the line at the offset. Returns false if the file ends before the line. */
static bool file_measure_line(int fd, uint64_t offset, uint64_t size, uint64_t *len)
{
    char block[BLOCK];

    for (*len = 0; offset < size;) {
        size_t n = size - offset < BLOCK ? (size_t)(size - offset) : BLOCK;
        const char *feed;

        if (!file_read(fd, block, n, offset))
            return false;
        feed = memchr(block, '\n', n);
        *len += feed != NULL ? (size_t)(feed - block) : n;
        if (feed != NULL)
            return true;
        offset += n;
    }
    return false;
}

bool fr_dead_letter_find(const struct fr_dead_letter_file *file, const char *id,
                         struct fr_dead_letter *line, struct fr_buffer *text)
{
    char found[FR_DEAD_LETTER_ID_SIZE], *end;
    unsigned long long inode = strtoull(id, &end, 16), offset;
    uint64_t len;

    if (*end != '-')
        return false;
    offset = strtoull(end + 1, NULL, 16);
    for (uint32_t i = 0; i < 2; i++) {
        int fd = file->part[i].fd;

        if (fd < 0 || file->part[i].inode != inode || offset >= file->part[i].size ||
            !file_line_begins(fd, offset) ||
            !file_measure_line(fd, offset, file->part[i].size, &len) || len > UINT32_MAX)
            continue;
        *line = (struct fr_dead_letter){offset, (uint32_t)len, i};
        if (!fr_dead_letter_read(file, line, text) ||
            !file_is_live((const char *)text->bytes, text->len, len))
            continue;
        fr_dead_letter_id(file, line, text, found);
        return strcmp(found, id) == 0;
    }
    return false;
}

/* ---- dropping -------------------------------------------------------------------- */

static bool file_write(int fd, const char *bytes, size_t len, uint64_t offset)
{
    while (len != 0) {
        ssize_t n = pwrite(fd, bytes, len, (off_t)offset);

        if (n < 0 && errno != EINTR)
            return false;
        if (n > 0) {
            bytes += n;
            len -= (size_t)n;
            offset += (uint64_t)n;
        }
    }
    return true;
}

/* Overwrite a line, if it is still there. Under the lock. */
static bool file_overwrite(int fd, const struct fr_dead_letter *line)
{
    uint64_t at = line->offset + DROPPED_LEN, end = line->offset + line->len - 1;
    char spaces[4096], head[LINE_MIN], feed;

    if (!file_line_begins(fd, line->offset) || !file_read(fd, head, sizeof head, line->offset) ||
        !file_read(fd, &feed, 1, end + 1) || feed != '\n' ||
        !file_is_live(head, sizeof head, line->len))
        return true;
    memset(spaces, ' ', sizeof spaces);
    if (!file_write(fd, DROPPED, DROPPED_LEN, line->offset))
        return false;
    for (size_t n; at < end; at += n) {
        n = end - at < sizeof spaces ? (size_t)(end - at) : sizeof spaces;
        if (!file_write(fd, spaces, n, at))
            return false;
    }
    return file_write(fd, "}", 1, end);
}

/* Whether the file is as it was when it was opened. Under the lock. */
static bool file_is_unchanged(int fd, uint64_t size)
{
    struct stat st;

    return fstat(fd, &st) == 0 && (uint64_t)st.st_size == size;
}

static bool file_drop_of_part(const struct fr_dead_letter_file *file, uint32_t index,
                              const struct fr_dead_letter *lines, size_t count)
{
    int fd = file->part[index].fd;
    size_t of_part = 0;
    bool written = true;

    for (size_t i = 0; i < count; i++)
        of_part += lines[i].part == index;
    if (of_part == 0)
        return true;
    if (fr_dead_letter_lock(fd, LOCK_MS) != 0)
        return false;
    if (of_part == file->part[index].count && file_is_unchanged(fd, file->part[index].size))
        written = ftruncate(fd, 0) == 0;
    else
        for (size_t i = 0; i < count && written; i++)
            written = lines[i].part != index || file_overwrite(fd, &lines[i]);
    written = fdatasync(fd) == 0 && written;
    flock(fd, LOCK_UN);
    return written;
}

int fr_dead_letter_drop(const struct fr_dead_letter_file *file, const struct fr_dead_letter *lines,
                        size_t count, struct fr_error *error)
{
    for (uint32_t i = 0; i < 2; i++)
        if (!file_drop_of_part(file, i, lines, count))
            return fr_error_set(error, "the file of the dead letters cannot be written: %s; %s",
                                strerror(errno), fr_file_remedy(errno));
    return 0;
}

void fr_dead_letter_file_trim(const struct fr_dead_letter_file *file)
{
    for (size_t i = 0; i < 2; i++) {
        int fd = file->part[i].fd;

        if (fd < 0 || file->part[i].count != 0 || file->part[i].size == 0)
            continue;
        /* A failure costs space alone. */
        if (fr_dead_letter_lock(fd, LOCK_MS) != 0)
            continue;
        if (file_is_unchanged(fd, file->part[i].size) && ftruncate(fd, 0) == 0)
            fdatasync(fd);
        flock(fd, LOCK_UN);
    }
}
