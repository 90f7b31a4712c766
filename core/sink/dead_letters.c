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
#include "sink/dead_letter_file.h"
#include "util/clock.h"
#include "util/counters.h"
#include "util/file_remedy.h"
#include "util/files.h"
#include "util/log.h"
#include "util/memory.h"
#include "util/tail_repair.h"

#define LOCK_MS 5000 /* to wait for an act that drops lines of the file */

struct fr_dead_letters {
    char *parent_folder, *folder, *path;
    char *older_path; /* `path` with .1 */
    char *sink;
    struct fr_buffer lines;  /* not written yet */
    bool entries_synced;     /* the directory entries of the file and its folder are on disk */
    ino_t inode;             /* of the file of the last write; 0: none */
    off_t synced_size;       /* bytes of this file that are known to be on disk */
    bool has_unsynced_lines; /* the file may have lines behind synced_size */
};

struct fr_dead_letters *fr_dead_letters_new(const char *folder, const char *sink)
{
    struct fr_dead_letters *letters = fr_calloc(1, sizeof *letters);

    letters->parent_folder = fr_asprintf("%s/..", folder);
    letters->folder = fr_strdup(folder);
    letters->sink = fr_strdup(sink);
    letters->path = fr_asprintf("%s/%s.jsonl", folder, sink);
    letters->older_path = fr_asprintf("%s.1", letters->path);
    return letters;
}

void fr_dead_letters_free(struct fr_dead_letters *letters)
{
    if (letters == NULL)
        return;
    fr_buffer_free(&letters->lines);
    free(letters->parent_folder);
    free(letters->folder);
    free(letters->sink);
    free(letters->path);
    free(letters->older_path);
    free(letters);
}

static void letters_put_base64(struct fr_buffer *out, const uint8_t *bytes, size_t len)
{
    uint8_t *text = fr_buffer_reserve(out, (len + 2) / 3 * 4 + 1);

    if (text != NULL)
        out->len += (size_t)EVP_EncodeBlock(text, bytes, (int)len);
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
    fr_json_record(out, record, NULL, record->resend ? FR_FLAG_RESEND : 0, false);
    fr_buffer_text(out, ",\"payload\":\"");
    letters_put_base64(out, record->payload, record->payload_len);
    fr_buffer_text(out, "\"}\n");
    if (!out->failed)
        return 0;
    fr_buffer_free(out);
    return fr_error_set(error, "%s: out of memory for a record of %zu bytes", letters->path,
                        record->payload_len);
}

/* Describe a failed file operation. `code` is an errno value. Returns -1. */
static int letters_set_error(const struct fr_dead_letters *letters, const char *failure, int code,
                             struct fr_error *error)
{
    return fr_error_set(error, "%s %s: %s; %s", letters->path, failure, strerror(code),
                        fr_file_remedy(code));
}

/* ---- rotation -------------------------------------------------------------------- */

/* Rename a file that has reached its size limit. A failed rename stops the writing of dead letters,
 * because the file would grow without a bound. A file with unsynced lines is repaired first. */
static int letters_rotate(struct fr_dead_letters *letters, struct fr_error *error)
{
    unsigned long long deleted;
    struct stat st;

    if (letters->has_unsynced_lines || stat(letters->path, &st) != 0 ||
        st.st_size < FR_DEAD_LETTERS_SIZE)
        return 0;
    deleted = fr_dead_letter_count(letters->older_path);
    if (rename(letters->path, letters->older_path) != 0)
        return letters_set_error(letters, "is full and cannot be renamed to the same name with .1",
                                 errno, error);
    letters->entries_synced = false;
    if (deleted == 0)
        return 0;
    fr_count_add(FR_COUNT_DEAD_LETTERS_DELETED, deleted);
    fr_log(
        FR_LOG_ERROR,
        "sink %s: the %llu oldest dead letters were deleted: %s reached %u MB; send dead letters "
        "again with `fleetroute replay`, or move the files to another folder",
        letters->sink, deleted, letters->path, FR_DEAD_LETTERS_SIZE >> 20);
    return 0;
}

/* ---- writing --------------------------------------------------------------------- */

/* Truncate the lines of a failed write, and an incomplete line that a crash left: the cursor is
 * before its record, so the record is delivered again. Returns -1 and sets errno on failure. */
static int letters_repair_end(struct fr_dead_letters *letters, int fd, const struct stat *st)
{
    bool same = st->st_ino == letters->inode;
    off_t size = st->st_size;
    int repaired;

    if (same && letters->has_unsynced_lines && size > letters->synced_size) {
        if (ftruncate(fd, letters->synced_size) != 0)
            return -1;
        size = letters->synced_size;
    }
    letters->has_unsynced_lines = false;
    if (same && size == letters->synced_size)
        return 0;
    repaired = fr_tail_repair(fd, false);
    if (repaired > 0)
        fr_log(
            FR_LOG_WARNING,
            "sink %s: the last line of %s was incomplete, as after a crash; the file is repaired",
            letters->sink, letters->path);
    return repaired < 0 ? -1 : 0;
}

/* Some file systems and permissions allow a file to be synced but not its folder. Such a failure is
 * ignored. */
static int letters_sync_folder(const char *path)
{
    return fr_sync_folder(path) == 0 || errno == EINVAL || errno == ENOSYS || errno == EACCES ||
                   errno == EPERM
               ? 0
               : -1;
}

/* Sync the directory entries of a new file and a new folder, so that they survive a power cut.
 * Returns -1 and sets errno on failure. */
static int letters_sync_entries(struct fr_dead_letters *letters)
{
    if (letters->entries_synced)
        return 0;
    if (letters_sync_folder(letters->folder) != 0 ||
        letters_sync_folder(letters->parent_folder) != 0)
        return -1;
    letters->entries_synced = true;
    return 0;
}

/* Returns -1 and sets errno on failure. A part of the bytes may have been written. */
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

/* Append the buffered lines to the open file. Returns NULL, or a description of the failure with
 * errno set. */
static const char *letters_append_to(struct fr_dead_letters *letters, int fd)
{
    struct stat st;

    if (fstat(fd, &st) != 0)
        return "cannot be opened";
    if (!S_ISREG(st.st_mode)) {
        errno = EINVAL;
        return "is not a file";
    }
    if (fr_dead_letter_lock(fd, LOCK_MS) != 0) /* until `fd` is closed */
        return "is locked by another process";
    if (fstat(fd, &st) != 0)
        return "cannot be opened";
    if (letters_repair_end(letters, fd, &st) != 0)
        return "ends with an incomplete line, which cannot be removed";
    if (fstat(fd, &st) != 0)
        return "cannot be opened";
    letters->entries_synced = letters->entries_synced && st.st_size != 0;
    if (letters_sync_entries(letters) != 0)
        return "cannot be synced to disk with its folder";
    letters->inode = st.st_ino;
    letters->synced_size = st.st_size;
    letters->has_unsynced_lines = true;
    if (letters_write_all(fd, letters->lines.bytes, letters->lines.len) != 0)
        return "cannot be written";
    return fdatasync(fd) != 0 ? "cannot be synced to disk" : NULL;
}

/* Append all buffered lines or none: an incomplete line would damage the next line, and a line that
 * may not be on disk is written again. If the truncation fails too, the next call repeats it. */
static int letters_append(struct fr_dead_letters *letters, struct fr_error *error)
{
    int fd = open(letters->path, O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC | O_NONBLOCK, 0640), code;
    const char *failed = fd >= 0 ? letters_append_to(letters, fd) : "cannot be opened";

    code = errno;
    if (failed != NULL && fd >= 0 && letters->has_unsynced_lines &&
        ftruncate(fd, letters->synced_size) == 0)
        letters->has_unsynced_lines = false;
    if (fd >= 0 && close(fd) != 0 && failed == NULL) {
        failed = "cannot be closed";
        code = errno;
    }
    if (failed != NULL)
        return letters_set_error(letters, failed, code, error);
    letters->synced_size += (off_t)letters->lines.len;
    letters->has_unsynced_lines = false;
    return 0;
}

int fr_dead_letters_write(struct fr_dead_letters *letters, struct fr_error *error)
{
    int status = fr_make_folders(letters->folder, error);

    if (status == 0 && letters->lines.len != 0) {
        status = letters_rotate(letters, error);
        if (status == 0)
            status = letters_append(letters, error);
    }
    fr_buffer_free(&letters->lines);
    return status;
}
