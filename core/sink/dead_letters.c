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
#include "util/files.h"
#include "util/memory.h"

static void put_base64(struct fr_buffer *out, const uint8_t *bytes, size_t len)
{
    uint8_t *to = fr_buffer_reserve(out, (len + 2) / 3 * 4 + 1);

    if (to != NULL)
        out->len += (size_t)EVP_EncodeBlock(to, bytes, (int)len);
}

static void describe(struct fr_buffer *out, const char *sink, struct fr_record *record,
                     unsigned tries)
{
    fr_buffer_text(out, "{\"sink\":");
    fr_json_string(out, sink, strlen(sink));
    fr_buffer_text(out, ",\"refused_at\":");
    fr_json_time_ms(out, fr_wall_ms());
    fr_buffer_printf(out, ",\"tries\":%u,\"seq\":%llu,\"record\":", tries,
                     (unsigned long long)record->seq);
    fr_json_record(out, record, NULL, record->resend ? FR_MARK_RESEND : 0, false);
    fr_buffer_text(out, ",\"payload\":\"");
    put_base64(out, record->payload, record->payload_len);
    fr_buffer_text(out, "\"}\n");
}

/* All or nothing: half a line would spoil the next one. */
static int append(const char *path, const struct fr_buffer *line, struct fr_error *error)
{
    int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0640);
    struct stat before;
    ssize_t n;

    if (fd < 0 || fstat(fd, &before) != 0) {
        fr_error_set(error, "%s: %s", path, strerror(errno));
        if (fd >= 0)
            close(fd);
        return -1;
    }
    n = write(fd, line->bytes, line->len);
    if (n == (ssize_t)line->len && fdatasync(fd) == 0) {
        close(fd);
        return 0;
    }
    fr_error_set(error, "%s: %s", path, n < 0 ? strerror(errno) : "the disk is full");
    if (ftruncate(fd, before.st_size) != 0)
        fr_error_wrap(error, "cannot be mended");
    close(fd);
    return -1;
}

static void move_aside(const char *path)
{
    struct stat st;
    char *aside;

    if (stat(path, &st) != 0 || st.st_size < FR_DEAD_LETTERS_SIZE)
        return;
    aside = fr_asprintf("%s.1", path);
    rename(path, aside);
    free(aside);
}

int fr_dead_letter(const char *folder, const char *sink, struct fr_record *record, unsigned tries,
                   struct fr_error *error)
{
    char *path = fr_asprintf("%s/%s.jsonl", folder, sink);
    struct fr_buffer line = {0};
    int status = fr_make_folders(folder, error);

    if (status == 0) {
        move_aside(path);
        describe(&line, sink, record, tries);
        status = line.failed ? fr_error_set(error, "out of memory") : append(path, &line, error);
    }
    fr_buffer_free(&line);
    free(path);
    return status;
}
