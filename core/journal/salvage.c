#include "journal/salvage.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "journal/store_base.h"
#include "journal/store_open.h"
#include "journal/store_read.h"
#include "journal/store_write.h"
#include "journal/stored_record.h"
#include "util/clock.h"
#include "util/files.h"
#include "util/memory.h"

/* The page format of LMDB 0.9 (mdb.c, MDB_page and MDB_node). A page: number, padding, flags, lower
 * and upper bound of free space, then offsets of nodes. A node: size of data (two 16-bit halves),
 * flags, size of key, key, then the data or the number of the first overflow page. */
#define PAGE_HEAD 16
#define NODE_HEAD 8
#define P_LEAF 0x02
#define P_OVERFLOW 0x04
#define F_BIGDATA 0x01
#define F_SUBDATA 0x02
#define RECORD_MAX (64u << 20)
#define RECORDS_PER_COMMIT 1000

struct found {
    uint64_t seq;
    int64_t appended_ms;
    uint64_t offset; /* of the stored record in the file */
    size_t len;
};

struct salvage {
    int fd;
    uint64_t page_count;
    size_t page_size;
    struct found *found;
    size_t count, capacity;
    struct {
        char *name;
        uint64_t seq;
        int64_t moved_ms;
    } * cursors;
    size_t cursor_count;
    uint8_t *record; /* buffer of record_capacity bytes */
    size_t record_capacity;
};

static uint16_t salvage_get16(const uint8_t *at)
{
    return (uint16_t)(at[0] | at[1] << 8);
}

static const uint8_t *salvage_read(struct salvage *s, uint64_t offset, size_t len)
{
    if (len > s->record_capacity) {
        s->record_capacity = len;
        s->record = fr_realloc(s->record, len, 1);
    }
    return pread(s->fd, s->record, len, (off_t)offset) == (ssize_t)len ? s->record : NULL;
}

/* ---- search ---------------------------------------------------------------------- */

static void salvage_add_record(struct salvage *s, uint64_t seq, uint64_t offset, size_t len)
{
    const uint8_t *bytes = len <= RECORD_MAX ? salvage_read(s, offset, len) : NULL;
    struct fr_stored stored;

    if (bytes == NULL || seq == 0 || seq > UINT64_MAX / 2 ||
        fr_stored_read(bytes, len, &stored) != 0)
        return;
    if (s->count == s->capacity) {
        s->capacity = s->capacity == 0 ? 1024 : s->capacity * 2;
        s->found = fr_realloc(s->found, s->capacity, sizeof *s->found);
    }
    s->found[s->count++] = (struct found){seq, stored.appended_ms, offset, len};
}

/* Remember a cursor. Of several positions the one that was moved last is used. */
static void salvage_add_cursor(struct salvage *s, const uint8_t *name, size_t len,
                               const uint8_t *data)
{
    uint64_t numbers[2];
    size_t i = 0;

    for (size_t k = 0; k < len; k++)
        if (name[k] < ' ' || name[k] > '~')
            return;
    memcpy(numbers, data, sizeof numbers);
    while (i < s->cursor_count &&
           (strlen(s->cursors[i].name) != len || memcmp(s->cursors[i].name, name, len) != 0))
        i++;
    if (i == s->cursor_count) {
        s->cursors = fr_realloc(s->cursors, s->cursor_count + 1, sizeof *s->cursors);
        memset(&s->cursors[s->cursor_count++], 0, sizeof *s->cursors);
        s->cursors[i].name = fr_strndup((const char *)name, len);
    }
    if ((int64_t)numbers[1] >= s->cursors[i].moved_ms) {
        s->cursors[i].seq = numbers[0];
        s->cursors[i].moved_ms = (int64_t)numbers[1];
    }
}

static void salvage_scan_node(struct salvage *s, const uint8_t *page, uint64_t number, size_t at)
{
    const uint8_t *node = page + at;
    size_t data_len = (size_t)salvage_get16(node) | (size_t)salvage_get16(node + 2) << 16;
    unsigned flags = salvage_get16(node + 4);
    size_t key_len = salvage_get16(node + 6), data_at = at + NODE_HEAD + key_len;
    uint64_t seq = 0, overflow;

    if ((flags & F_SUBDATA) || data_at > s->page_size)
        return;
    if (key_len == sizeof seq)
        memcpy(&seq, node + NODE_HEAD, sizeof seq);
    if ((flags & F_BIGDATA) && key_len == sizeof seq && data_at + 8 <= s->page_size) {
        memcpy(&overflow, page + data_at, 8);
        if (overflow < s->page_count)
            salvage_add_record(s, seq, overflow * s->page_size + PAGE_HEAD, data_len);
    } else if (!(flags & F_BIGDATA) && data_at + data_len <= s->page_size) {
        if (key_len == sizeof seq && data_len >= FR_STORED_HEAD)
            salvage_add_record(s, seq, number * s->page_size + data_at, data_len);
        else if (data_len == 16 && key_len > 0 && key_len <= FR_STORE_NAME_MAX)
            salvage_add_cursor(s, node + NODE_HEAD, key_len, page + data_at);
    }
}

static void salvage_scan_page(struct salvage *s, const uint8_t *page, uint64_t number)
{
    unsigned flags = salvage_get16(page + 10);
    size_t lower = salvage_get16(page + 12);

    if ((flags & (P_LEAF | P_OVERFLOW)) != P_LEAF || lower < PAGE_HEAD || lower > s->page_size)
        return;
    for (size_t i = PAGE_HEAD; i + 2 <= lower; i += 2) {
        size_t at = salvage_get16(page + i);

        if (at >= PAGE_HEAD && at + NODE_HEAD <= s->page_size)
            salvage_scan_node(s, page, number, at);
    }
}

/* Order by number; of one number the record appended last is first. */
static int salvage_compare_found(const void *left, const void *right)
{
    const struct found *a = left, *b = right;

    if (a->seq != b->seq)
        return a->seq < b->seq ? -1 : 1;
    return (a->appended_ms < b->appended_ms) - (a->appended_ms > b->appended_ms);
}

static int salvage_find_all(struct salvage *s, const char *data, struct fr_error *error)
{
    struct stat st;
    uint8_t *page;
    size_t kept = 0;

    s->page_size = (size_t)sysconf(_SC_PAGESIZE); /* LMDB's choice */
    s->fd = open(data, O_RDONLY | O_CLOEXEC);
    if (s->fd < 0 || fstat(s->fd, &st) != 0)
        return fr_error_set(error, "journal: cannot open %s: %s", data, strerror(errno));
    s->page_count = (uint64_t)st.st_size / s->page_size;
    page = fr_calloc(1, s->page_size);
    for (uint64_t n = 2; n < s->page_count; n++)
        if (pread(s->fd, page, s->page_size, (off_t)(n * s->page_size)) == (ssize_t)s->page_size)
            salvage_scan_page(s, page, n);
    free(page);
    if (s->count == 0)
        return fr_error_set(error, "journal: no record can be read in %s", data);
    qsort(s->found, s->count, sizeof *s->found, salvage_compare_found);
    for (size_t i = 0; i < s->count; i++)
        if (kept == 0 || s->found[kept - 1].seq != s->found[i].seq)
            s->found[kept++] = s->found[i];
    s->count = kept;
    return 0;
}

/* ---- the new journal ------------------------------------------------------------- */

static int salvage_copy_record(struct salvage *s, struct fr_store *store, const struct found *f,
                               struct fr_error *error)
{
    const uint8_t *bytes = salvage_read(s, f->offset, f->len);
    struct fr_stored stored;
    struct fr_record *record;
    int status;

    if (bytes == NULL || fr_stored_read(bytes, f->len, &stored) != 0)
        return fr_error_set(error, "journal: record %llu cannot be read any more",
                            (unsigned long long)f->seq);
    record = fr_stored_record(&stored);
    if (record == NULL)
        return fr_error_set(error, "out of memory");
    fr_store_skip_to(store, f->seq);
    status = fr_store_append(store, record, stored.appended_ms, error);
    fr_record_unref(record);
    return status;
}

static int salvage_copy_records(struct salvage *s, struct fr_store *store, struct fr_error *error)
{
    for (size_t i = 0; i < s->count;) {
        size_t end = s->count - i < RECORDS_PER_COMMIT ? s->count : i + RECORDS_PER_COMMIT;

        if (fr_store_begin(store, error) != 0)
            return -1;
        for (; i < end; i++)
            if (salvage_copy_record(s, store, &s->found[i], error) != 0) {
                fr_store_abort(store);
                return -1;
            }
        if (fr_store_commit(store, error) != 0)
            return -1;
    }
    return 0;
}

/* The recovered position of a cursor; 1 (the oldest record) if there is none. */
static uint64_t salvage_find_cursor(const struct salvage *s, const char *name, uint64_t last)
{
    for (size_t i = 0; i < s->cursor_count; i++)
        if (strcmp(s->cursors[i].name, name) == 0 && s->cursors[i].seq <= last + 1)
            return s->cursors[i].seq;
    return 1;
}

static int salvage_put_cursors(struct salvage *s, struct fr_store *store, const char *const *names,
                               size_t name_count, struct fr_salvage *result, struct fr_error *error)
{
    int status = fr_store_begin(store, error);

    if (status != 0)
        return -1;
    for (size_t i = 0; i < name_count && status == 0; i++)
        status = fr_store_set_cursor(
            store, names[i], salvage_find_cursor(s, names[i], result->last), fr_wall_ms(), error);
    for (size_t i = 0; i < s->cursor_count && status == 0; i++)
        if (s->cursors[i].seq <= result->last + 1) {
            status = fr_store_set_cursor(store, s->cursors[i].name, s->cursors[i].seq,
                                         s->cursors[i].moved_ms, error);
            result->cursors++;
        }
    if (status == 0)
        return fr_store_commit(store, error);
    fr_store_abort(store);
    return -1;
}

/* Rename the broken file and move the new file to its path. */
static int salvage_swap_files(const char *path, const char *beside, char **kept,
                              struct fr_error *error)
{
    char *data = fr_asprintf("%s/data.mdb", path), *lock = fr_asprintf("%s/lock.mdb", path);
    char *new_data = fr_asprintf("%s/data.mdb", beside);
    char *new_lock = fr_asprintf("%s/lock.mdb", beside);
    int status = 0;

    *kept = fr_asprintf("%s/broken.%lld.mdb", path, (long long)(fr_wall_ms() / 1000));
    unlink(new_lock);
    if (fr_sync_folder(beside) != 0 || rename(data, *kept) != 0 || rename(new_data, data) != 0 ||
        fr_sync_folder(path) != 0)
        status = fr_error_set(error, "journal %s: cannot put the new file in place: %s", path,
                              strerror(errno));
    unlink(lock);
    rmdir(beside);
    free(data);
    free(lock);
    free(new_data);
    free(new_lock);
    return status;
}

static int salvage_into(struct salvage *s, const char *path, const char *const *names,
                        size_t name_count, struct fr_salvage *result, struct fr_error *error)
{
    char *beside = fr_asprintf("%s/salvaged", path), *data = fr_asprintf("%s/data.mdb", beside);
    struct fr_store *store;
    int status = -1;

    unlink(data); /* left by an interrupted salvage */
    store = fr_store_open(beside, s->page_count * s->page_size * 2, error);
    if (store != NULL && salvage_copy_records(s, store, error) == 0 &&
        salvage_put_cursors(s, store, names, name_count, result, error) == 0)
        status = 0;
    fr_store_close(store);
    if (status == 0)
        status = salvage_swap_files(path, beside, &result->kept, error);
    free(beside);
    free(data);
    return status;
}

int fr_journal_salvage(const char *path, const char *const *names, size_t name_count,
                       struct fr_salvage *result, struct fr_error *error)
{
    char *data = fr_asprintf("%s/data.mdb", path);
    struct salvage s = {.fd = -1};
    int lock = fr_store_lock(path, error), status = -1;

    memset(result, 0, sizeof *result);
    if (lock >= 0 && salvage_find_all(&s, data, error) == 0) {
        result->records = s.count;
        result->first = s.found[0].seq;
        result->last = s.found[s.count - 1].seq;
        result->missing = result->last - result->first + 1 - s.count;
        status = salvage_into(&s, path, names, name_count, result, error);
    }
    if (lock >= 0)
        close(lock);
    if (s.fd >= 0)
        close(s.fd);
    for (size_t i = 0; i < s.cursor_count; i++)
        free(s.cursors[i].name);
    free(s.cursors);
    free(s.found);
    free(s.record);
    free(data);
    return status;
}
