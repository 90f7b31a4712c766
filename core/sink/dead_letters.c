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
#include "util/file_remedy.h"
#include "util/files.h"
#include "util/log.h"
#include "util/memory.h"
#include "util/tail_repair.h"

struct fr_dead_letters {
    char *above, *folder, *path, *older;
    char *sink;
    struct fr_buffer lines;
    bool names_on_disk; /* of the file and its folder */
    ino_t inode;        /* of the file that was written to last; 0: none was */
    off_t end;          /* where its last line ends that is on the disk */
    bool unsynced;      /* lines were written behind it, and are not on the disk for sure */
};

struct fr_dead_letters *fr_dead_letters_new(const char *folder, const char *sink)
{
    struct fr_dead_letters *letters = fr_calloc(1, sizeof *letters);

    letters->above = fr_asprintf("%s/..", folder);
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
    free(letters->above);
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

/* `code` is an errno. */
static int letters_failed(const struct fr_dead_letters *letters, const char *what, int code,
                          struct fr_error *error)
{
    return fr_error_set(error, "%s %s: %s; %s", letters->path, what, strerror(code),
                        fr_file_remedy(code));
}

/* ---- a full file ----------------------------------------------------------------- */

/* A rename that fails holds back the letters: without it the file would grow without a bound. */
static int letters_move_aside(struct fr_dead_letters *letters, struct fr_error *error)
{
    unsigned long long deleted;
    struct stat st;

    if (letters->unsynced || stat(letters->path, &st) != 0 || st.st_size < FR_DEAD_LETTERS_SIZE)
        return 0;
    deleted = letters_count_lines(letters->older);
    if (rename(letters->path, letters->older) != 0)
        return letters_failed(letters, "is full and cannot be renamed to the same name with .1",
                              errno, error);
    letters->names_on_disk = false;
    if (deleted == 0)
        return 0;
    fr_count_add(FR_COUNT_DEAD_LETTERS_DELETED, deleted);
    fr_log(
        FR_LOG_ERROR,
        "sink %s: the %llu oldest dead letters were deleted: %s reached %u MB; send dead letters "
        "again with `fleetroute replay`, or move them away",
        letters->sink, deleted, letters->path, FR_DEAD_LETTERS_SIZE >> 20);
    return 0;
}

/* ---- writing --------------------------------------------------------------------- */

/* Cut off what a failed write left, and half a line that a crash left: its record comes again.
 * -1, errno is set. */
static int letters_mend_end(struct fr_dead_letters *letters, int fd, const struct stat *st)
{
    bool same = st->st_ino == letters->inode;
    off_t size = st->st_size;
    int mended;

    if (same && letters->unsynced && size > letters->end) {
        if (ftruncate(fd, letters->end) != 0)
            return -1;
        size = letters->end;
    }
    letters->unsynced = false;
    if (same && size == letters->end)
        return 0;
    mended = fr_tail_repair(fd, false);
    if (mended > 0)
        fr_log(FR_LOG_WARNING,
               "sink %s: the last line of %s was not whole, as after a crash; the file is mended",
               letters->sink, letters->path);
    return mended < 0 ? -1 : 0;
}

/* Some file systems and permissions do not let a folder be synced; files can be all the same. */
static int letters_sync_folder(const char *path)
{
    return fr_sync_folder(path) == 0 || errno == EINVAL || errno == ENOSYS || errno == EACCES ||
                   errno == EPERM
               ? 0
               : -1;
}

/* A new file's name, and a new folder's, survive a power cut. -1, errno is set. */
static int letters_sync_names(struct fr_dead_letters *letters)
{
    if (letters->names_on_disk)
        return 0;
    if (letters_sync_folder(letters->folder) != 0 || letters_sync_folder(letters->above) != 0)
        return -1;
    letters->names_on_disk = true;
    return 0;
}

/* -1, errno is set: that of the part that could not be written. */
static int letters_write_all(int fd, const uint8_t *bytes, size_t len)
{
    while (len != 0) {
        ssize_t n = write(fd, bytes, len);

        if (n < 0 && errno != EINTR)
            return -1;
        if (n > 0) {
            bytes += n;
            len -= (size_t)n;
        }
    }
    return 0;
}

/* Returns NULL, or what could not be done, with errno set. */
static const char *letters_put(struct fr_dead_letters *letters, int fd)
{
    struct stat st;

    if (fstat(fd, &st) != 0)
        return "cannot be opened";
    if (letters_mend_end(letters, fd, &st) != 0)
        return "ends with a line that is not whole, which cannot be cut off";
    if (fstat(fd, &st) != 0)
        return "cannot be opened";
    letters->names_on_disk = letters->names_on_disk && st.st_size != 0;
    if (letters_sync_names(letters) != 0)
        return "cannot be put on disk with its folder";
    letters->inode = st.st_ino;
    letters->end = st.st_size;
    letters->unsynced = true;
    if (letters_write_all(fd, letters->lines.bytes, letters->lines.len) != 0)
        return "cannot be written";
    return fdatasync(fd) != 0 ? "cannot be put on disk" : NULL;
}

/* All or nothing: half a line would spoil the next one, and a line that is not on the disk for
 * sure is written again. Where it cannot be cut off now, the next call does so. */
static int letters_append(struct fr_dead_letters *letters, struct fr_error *error)
{
    int fd = open(letters->path, O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC, 0640), code;
    const char *failed = fd >= 0 ? letters_put(letters, fd) : "cannot be opened";

    code = errno;
    if (failed != NULL && fd >= 0 && letters->unsynced && ftruncate(fd, letters->end) == 0)
        letters->unsynced = false;
    if (fd >= 0 && close(fd) != 0 && failed == NULL) {
        failed = "cannot be closed";
        code = errno;
    }
    if (failed != NULL)
        return letters_failed(letters, failed, code, error);
    letters->end += (off_t)letters->lines.len;
    letters->unsynced = false;
    return 0;
}

int fr_dead_letters_write(struct fr_dead_letters *letters, struct fr_error *error)
{
    int status = fr_make_folders(letters->folder, error);

    if (status == 0 && letters->lines.len != 0) {
        status = letters_move_aside(letters, error);
        if (status == 0)
            status = letters_append(letters, error);
    }
    fr_buffer_free(&letters->lines);
    return status;
}
