#include "fleet_api/tokens.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <openssl/crypto.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "fleet_api/clean_text.h"
#include "fleet_api/secret_file.h"
#include "util/atomic_file.h"
#include "util/buffer.h"
#include "util/clock.h"
#include "util/file_remedy.h"
#include "util/files.h"
#include "util/json_text.h"
#include "util/memory.h"

#define FILE_NAME "tokens.json"
#define FILE_BYTES_MAX 262144
#define TEXT_MAX 16384 /* characters of a token */
#define LOCK_POLL_US 20000

/* ---- reading --------------------------------------------------------------------- */

/* A copy of a member: printable ASCII; with `spaces` also spaces, or nothing. False: it is malformed. A
 * missing or null member is NULL. */
static bool tokens_text(const json_t *root, const char *key, bool spaces, char **text)
{
    const json_t *value = json_object_get(root, key);
    const char *at = json_string_value(value);

    *text = NULL;
    if (value == NULL || json_is_null(value))
        return true;
    if (at == NULL || (json_string_length(value) == 0 && !spaces) ||
        json_string_length(value) > TEXT_MAX)
        return false;
    for (size_t i = 0; at[i] != '\0'; i++)
        if (!isgraph((unsigned char)at[i]) && !(spaces && at[i] == ' '))
            return false;
    *text = fr_strdup(at);
    return true;
}

/* A time, ms since 1970; a missing one is 0. False: it is malformed. */
static bool tokens_time(const json_t *root, const char *key, int64_t *ms)
{
    const json_t *value = json_object_get(root, key);

    *ms = 0;
    if (value == NULL || json_is_null(value))
        return true;
    if (!json_is_integer(value) || json_integer_value(value) < 0 ||
        json_integer_value(value) > INT64_C(253402300799999))
        return false;
    *ms = json_integer_value(value);
    return true;
}

static bool tokens_parse(struct fr_tokens *tokens, const json_t *root)
{
    return json_is_object(root) && tokens_text(root, "access_token", false, &tokens->access) &&
           tokens_text(root, "refresh_token", false, &tokens->refresh) &&
           tokens_text(root, "previous_refresh_token", false, &tokens->refresh_previous) &&
           tokens_text(root, "base_url", false, &tokens->base_url) &&
           tokens_text(root, "scopes", true, &tokens->scopes) &&
           tokens_text(root, "client_id", false, &tokens->client_id) &&
           tokens_time(root, "access_expires_ms", &tokens->access_expires_ms) &&
           tokens_time(root, "refresh_issued_ms", &tokens->refresh_issued_ms) &&
           tokens_time(root, "previous_until_ms", &tokens->previous_until_ms) &&
           (tokens->base_url == NULL || strncmp(tokens->base_url, "https://", 8) == 0);
}

enum fr_tokens_result fr_tokens_read(const char *folder, struct fr_tokens *tokens,
                                     struct fr_error *error)
{
    char *path = fr_asprintf("%s/" FILE_NAME, folder), *text;
    enum fr_tokens_result result = FR_TOKENS_REFUSED;
    enum fr_secret_file_result read;
    json_error_t problem;
    json_t *root;
    size_t len;

    memset(tokens, 0, sizeof *tokens);
    read = fr_secret_file_read(path, FILE_BYTES_MAX, &text, &len, error);
    if (read == FR_SECRET_FILE_MISSING)
        result = FR_TOKENS_MISSING;
    else if (read == FR_SECRET_FILE_READ) {
        root = json_loadb(text, len, 0, &problem);
        if (tokens_parse(tokens, root))
            result = FR_TOKENS_READ;
        else {
            fr_error_set(error,
                         "%s: the file is damaged; delete it, and run `fleetroute setup` to "
                         "log in again",
                         path);
            fr_tokens_free(tokens);
        }
        fr_secret_erase_members(root);
        json_decref(root);
        OPENSSL_cleanse(text, len);
        free(text);
    }
    if (tokens->refresh_previous != NULL && fr_wall_ms() >= tokens->previous_until_ms) {
        fr_secret_free(tokens->refresh_previous);
        tokens->refresh_previous = NULL;
    }
    free(path);
    return result;
}

/* ---- writing --------------------------------------------------------------------- */

static size_t tokens_length(const char *text)
{
    return text != NULL ? strlen(text) : 0;
}

static void tokens_put(struct fr_buffer *out, const char *key, const char *text)
{
    if (text == NULL)
        return;
    fr_buffer_printf(out, "\"%s\":", key);
    fr_json_string(out, text, strlen(text));
    fr_buffer_text(out, ",\n");
}

/* The content of the file. Its memory is reserved first, so that no copy is left behind. */
static void tokens_json(struct fr_buffer *out, const struct fr_tokens *tokens)
{
    size_t len = tokens_length(tokens->access) + tokens_length(tokens->refresh) +
                 tokens_length(tokens->refresh_previous) + tokens_length(tokens->base_url) +
                 tokens_length(tokens->scopes) + tokens_length(tokens->client_id);

    fr_buffer_reserve(out, 6 * len + 1024);
    fr_buffer_text(out, "{\n");
    tokens_put(out, "access_token", tokens->access);
    tokens_put(out, "refresh_token", tokens->refresh);
    tokens_put(out, "previous_refresh_token", tokens->refresh_previous);
    tokens_put(out, "base_url", tokens->base_url);
    tokens_put(out, "scopes", tokens->scopes);
    tokens_put(out, "client_id", tokens->client_id);
    fr_buffer_printf(out, "\"access_expires_ms\":%lld,\n", (long long)tokens->access_expires_ms);
    fr_buffer_printf(out, "\"previous_until_ms\":%lld,\n", (long long)tokens->previous_until_ms);
    fr_buffer_printf(out, "\"refresh_issued_ms\":%lld\n}\n", (long long)tokens->refresh_issued_ms);
}

static int tokens_make_folder(const char *folder, struct fr_error *error)
{
    return access(folder, F_OK) == 0 ? 0 : fr_make_folders(folder, error);
}

int fr_tokens_write(const char *folder, const struct fr_tokens *tokens, struct fr_error *error)
{
    char *path = fr_asprintf("%s/" FILE_NAME, folder);
    struct fr_atomic_file file = {path, 0600, NULL, true};
    struct fr_buffer out = {0};
    int status;

    tokens_json(&out, tokens);
    if (out.failed)
        status = fr_error_set(error, "%s: the tokens do not fit in memory; free memory", path);
    else
        status = tokens_make_folder(folder, error) != 0
                     ? -1
                     : fr_atomic_file_write(&file, out.bytes, out.len, error);
    if (out.bytes != NULL)
        OPENSSL_cleanse(out.bytes, out.len);
    fr_buffer_free(&out);
    free(path);
    return status;
}

void fr_tokens_replace(struct fr_tokens *tokens, const char *access, int64_t access_expires_ms,
                       const char *refresh, int64_t now_ms)
{
    fr_secret_free(tokens->access);
    tokens->access = fr_strdup(access);
    tokens->access_expires_ms = access_expires_ms;
    if (refresh == NULL)
        return;
    fr_secret_free(tokens->refresh_previous);
    tokens->refresh_previous = tokens->refresh;
    tokens->previous_until_ms = tokens->refresh != NULL ? now_ms + FR_TOKENS_GRACE_MS : 0;
    tokens->refresh = fr_strdup(refresh);
    tokens->refresh_issued_ms = now_ms;
}

int fr_tokens_remove(const char *folder, struct fr_error *error)
{
    char *path = fr_asprintf("%s/" FILE_NAME, folder);
    int status = 0;

    if (unlink(path) != 0 && errno != ENOENT)
        status = fr_error_set(error, "cannot delete %s: %s; %s", path, strerror(errno),
                              fr_file_remedy(errno));
    free(path);
    return status;
}

void fr_tokens_free(struct fr_tokens *tokens)
{
    fr_secret_free(tokens->access);
    fr_secret_free(tokens->refresh);
    fr_secret_free(tokens->refresh_previous);
    free(tokens->base_url);
    free(tokens->scopes);
    free(tokens->client_id);
    memset(tokens, 0, sizeof *tokens);
}

/* ---- the lock -------------------------------------------------------------------- */

/* Report that another process has the lock. That process has written its number to the file. */
static int tokens_lock_busy(int fd, const char *path, struct fr_error *error)
{
    char text[32] = "", name[64] = "", comm[64] = "";
    ssize_t len = pread(fd, text, sizeof text - 1, 0);
    long pid = len > 0 ? strtol(text, NULL, 10) : 0;
    FILE *file;

    if (pid > 0) {
        snprintf(name, sizeof name, "/proc/%ld/comm", pid);
        file = fopen(name, "re");
        if (file != NULL && fgets(comm, sizeof comm, file) == NULL)
            comm[0] = '\0';
        if (file != NULL)
            fclose(file);
        fr_clean_text(name, sizeof name, comm, strlen(comm));
        return fr_error_set(error,
                            "%s: the process %ld%s%s%s uses the tokens; wait until it has ended, "
                            "or end it",
                            path, pid, name[0] != '\0' ? " (" : "", name,
                            name[0] != '\0' ? ")" : "");
    }
    return fr_error_set(error, "%s: another process uses the tokens; wait until it has ended",
                        path);
}

/* Wait for the lock. Returns 0, or -1 with errno set: EWOULDBLOCK after `wait_ms`. */
static int tokens_wait_lock(int fd, int64_t wait_ms)
{
    int64_t end = fr_monotonic_ms() + wait_ms;

    while (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        if (errno != EINTR && (errno != EWOULDBLOCK || fr_monotonic_ms() >= end))
            return -1;
        usleep(LOCK_POLL_US);
    }
    return 0;
}

/* The holder of the lock is the only process that writes these files. */
static void tokens_remove_unfinished(const char *folder)
{
    static const char *const names[] = {FILE_NAME, "state.json"};

    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char *path = fr_asprintf("%s/%s", folder, names[i]);

        fr_atomic_file_remove_unfinished(path);
        free(path);
    }
}

int fr_tokens_lock(const char *folder, int64_t wait_ms, struct fr_error *error)
{
    char *path = fr_asprintf("%s/lock", folder), text[32];
    int fd = -1, len;

    if (tokens_make_folder(folder, error) == 0) {
        fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
        if (fd < 0)
            fr_error_set(error, "cannot open %s: %s; %s", path, strerror(errno),
                         errno == EACCES ? "run this command as root" : fr_file_remedy(errno));
        else if (tokens_wait_lock(fd, wait_ms) != 0) {
            if (errno == EWOULDBLOCK)
                tokens_lock_busy(fd, path, error);
            else
                fr_error_set(error, "cannot lock %s: %s; %s", path, strerror(errno),
                             fr_file_remedy(errno));
            close(fd);
            fd = -1;
        } else {
            /* For the message of a process that waits; a full disk does no harm. */
            len = snprintf(text, sizeof text, "%ld\n", (long)getpid());
            if (ftruncate(fd, 0) != 0 || pwrite(fd, text, (size_t)len, 0) != len)
                errno = 0;
            tokens_remove_unfinished(folder);
        }
    }
    free(path);
    return fd;
}

void fr_tokens_unlock(int lock)
{
    if (lock >= 0)
        close(lock);
}
