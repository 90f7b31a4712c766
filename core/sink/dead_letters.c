#include "sink/dead_letters.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "record/json.h"
#include "util/clock.h"
#include "util/counters.h"
#include "util/files.h"
#include "util/log.h"
#include "util/memory.h"

struct fr_dead_letters {
    char *folder, *path, *older;
    char *sink;
    struct fr_buffer lines;
};

struct fr_dead_letters *fr_dead_letters_new(const char *folder, const char *sink)
{
    struct fr_dead_letters *letters = fr_calloc(1, sizeof *letters);

    letters->folder = fr_strdup(folder);
    letters->sink = fr_strdup(sink);
    letters->path = fr_asprintf("%s/%s.jsonl", folder, sink);
    letters->older = fr_asprintf("%s.1", letters->path);
    return letters;
}

void fr_dead_letters_free(struct fr_dead_letters *letters)
{
    if (letters == NULL)
        return;
    fr_buffer_free(&letters->lines);
    free(letters->folder);
    free(letters->sink);
    free(letters->path);
    free(letters->older);
    free(letters);
}

static void put_base64(struct fr_buffer *out, const uint8_t *bytes, size_t len)
{
    uint8_t *to = fr_buffer_reserve(out, (len + 2) / 3 * 4 + 1);

    if (to != NULL)
        out->len += (size_t)EVP_EncodeBlock(to, bytes, (int)len);
}

int fr_dead_letters_add(struct fr_dead_letters *letters, struct fr_record *record,
                        unsigned attempts, const char *reason, struct fr_error *error)
{
    struct fr_buffer *out = &letters->lines;

    fr_buffer_text(out, "{\"sink\":");
    fr_json_string(out, letters->sink, strlen(letters->sink));
    fr_buffer_text(out, ",\"failed_at\":");
    fr_json_time_ms(out, fr_wall_ms());
    fr_buffer_printf(out, ",\"attempts\":%u,\"reason\":", attempts);
    fr_json_string(out, reason, strlen(reason));
    fr_buffer_printf(out, ",\"seq\":%llu,\"record\":", (unsigned long long)record->seq);
    fr_json_record(out, record, NULL, record->resend ? FR_MARK_RESEND : 0, false);
    fr_buffer_text(out, ",\"payload\":\"");
    put_base64(out, record->payload, record->payload_len);
    fr_buffer_text(out, "\"}\n");
    if (!out->failed)
        return 0;
    fr_buffer_free(out);
    return fr_error_set(error, "%s: out of memory for a record of %zu bytes", letters->path,
                        record->payload_len);
}

static unsigned long long letters_count_lines(const char *path)
{
    FILE *file = fopen(path, "re");
    unsigned long long lines = 0;
    char bytes[65536];
    size_t n;

    while (file != NULL && (n = fread(bytes, 1, sizeof bytes, file)) != 0)
        for (const char *at = bytes; (at = memchr(at, '\n', (size_t)(bytes + n - at))) != NULL;
             at++)
            lines++;
    if (file != NULL)
        fclose(file);
    return lines;
}

static void letters_move_aside(const struct fr_dead_letters *letters)
{
    unsigned long long deleted;
    struct stat st;

    if (stat(letters->path, &st) != 0 || st.st_size < FR_DEAD_LETTERS_SIZE)
        return;
    deleted = letters_count_lines(letters->older);
    if (rename(letters->path, letters->older) != 0 || deleted == 0)
        return;
    fr_count_add(FR_COUNT_DEAD_LETTERS_DELETED, deleted);
    fr_log(
        FR_LOG_ERROR,
        "sink %s: the %llu oldest dead letters were deleted: %s reached %u MB; send dead letters "
        "again with `fleetroute replay`, or move them away",
        letters->sink, deleted, letters->path, FR_DEAD_LETTERS_SIZE >> 20);
}

/* All or nothing: half a line would spoil the next one. */
static int letters_append(const struct fr_dead_letters *letters, struct fr_error *error)
{
    int fd = open(letters->path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0640);
    struct stat before;
    ssize_t n;

    if (fd < 0 || fstat(fd, &before) != 0) {
        fr_error_set(error, "%s: %s", letters->path, strerror(errno));
        if (fd >= 0)
            close(fd);
        return -1;
    }
    n = write(fd, letters->lines.bytes, letters->lines.len);
    if (n == (ssize_t)letters->lines.len && fdatasync(fd) == 0) {
        close(fd);
        return 0;
    }
    fr_error_set(error, "%s: %s", letters->path, n < 0 ? strerror(errno) : "the disk is full");
    if (ftruncate(fd, before.st_size) != 0)
        fr_error_wrap(error, "half a line was written and cannot be removed");
    close(fd);
    return -1;
}

int fr_dead_letters_write(struct fr_dead_letters *letters, struct fr_error *error)
{
    int status = fr_make_folders(letters->folder, error);

    if (status == 0 && letters->lines.len != 0) {
        letters_move_aside(letters);
        status = letters_append(letters, error);
    }
    fr_buffer_free(&letters->lines);
    return status;
}
