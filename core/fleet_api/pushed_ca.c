#include "fleet_api/pushed_ca.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fleet_api/keep_plan.h"
#include "fleet_api/text_digest.h"
#include "util/atomic_file.h"
#include "util/memory.h"

#define BYTES_MAX (1 << 20) /* FR_CA_MAX certificates need about 70 kB */
#define PREFIX "ca-"
#define SUFFIX ".pem"
#define DIGEST_LEN 64

static char *pushed_ca_path(const char *folder, const char *digest)
{
    return fr_asprintf("%s/" PREFIX "%s" SUFFIX, folder, digest);
}

/* ---- the digests ----------------------------------------------------------------- */

bool fr_pushed_ca_is_used(const struct fr_state_vehicle *v, int64_t now_ms)
{
    return v->pushed_ms != 0 && v->exp_s > now_ms / 1000 &&
           strcmp(v->problem, FR_KEEP_PROBLEM_REMOVED) != 0 &&
           strcmp(v->problem, FR_KEEP_PROBLEM_NOT_FOUND) != 0;
}

/* Add a digest once. The full list loses that of the oldest push. */
static void pushed_ca_add(struct fr_pushed_ca_list *list, const char *digest, int64_t pushed_ms)
{
    size_t at = list->count;

    if (digest[0] == '\0')
        return;
    for (size_t i = 0; i < list->count; i++)
        if (strcmp(list->digests[i], digest) == 0) {
            if (list->pushed_ms[i] < pushed_ms)
                list->pushed_ms[i] = pushed_ms;
            return;
        }
    if (at < FR_PUSHED_CA_MAX) {
        list->count++;
    } else {
        at = 0;
        for (size_t i = 1; i < list->count; i++)
            if (list->pushed_ms[i] < list->pushed_ms[at])
                at = i;
        if (list->pushed_ms[at] >= pushed_ms)
            return;
    }
    memcpy(list->digests[at], digest, sizeof list->digests[at]);
    list->pushed_ms[at] = pushed_ms;
}

void fr_pushed_ca_list(const struct fr_state *state, int64_t now_ms, struct fr_pushed_ca_list *list)
{
    *list = (struct fr_pushed_ca_list){0};
    for (size_t i = 0; i < state->vehicle_count; i++) {
        const struct fr_state_vehicle *v = &state->vehicles[i];

        if (!fr_pushed_ca_is_used(v, now_ms))
            continue;
        pushed_ca_add(list, v->ca, v->pushed_ms);
        pushed_ca_add(list, v->former_ca, v->pushed_ms);
    }
}

/* ---- the files ------------------------------------------------------------------- */

int fr_pushed_ca_write(const char *folder, const char *ca, const char *digest, int group,
                       struct fr_error *error)
{
    char *path = pushed_ca_path(folder, digest), *existing = fr_pushed_ca_read(folder, digest);
    struct fr_file_owner owner = {geteuid(), group >= 0 ? (gid_t)group : getegid()};
    struct fr_atomic_file file = {
        .path = path, .mode = 0640, .owner = group >= 0 ? &owner : NULL, .may_replace = true};
    int status = existing != NULL ? 0 : fr_atomic_file_write(&file, ca, strlen(ca), error);

    free(existing);
    free(path);
    return status;
}

/* Read a regular file of max BYTES_MAX bytes. */
static char *pushed_ca_read_file(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    char *text = NULL;
    struct stat st;
    size_t len = 0;
    ssize_t n = 0;

    if (fd < 0)
        return NULL;
    if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size <= BYTES_MAX) {
        text = fr_calloc(1, (size_t)st.st_size + 1);
        for (; len < (size_t)st.st_size; len += (size_t)n)
            if ((n = read(fd, text + len, (size_t)st.st_size - len)) <= 0)
                break;
    }
    close(fd);
    return text;
}

char *fr_pushed_ca_read(const char *folder, const char *digest)
{
    char *path = pushed_ca_path(folder, digest), *text = pushed_ca_read_file(path), found[65];

    free(path);
    if (text == NULL)
        return NULL;
    fr_text_digest(text, found);
    if (strcmp(found, digest) == 0)
        return text;
    free(text);
    return NULL;
}

static bool pushed_ca_is_listed(const struct fr_pushed_ca_list *list, const char *digest)
{
    for (size_t i = 0; i < list->count; i++)
        if (strncmp(list->digests[i], digest, DIGEST_LEN) == 0)
            return true;
    return false;
}

/* Whether a name is that of such a file. */
static bool pushed_ca_is_name(const char *name)
{
    return strncmp(name, PREFIX, strlen(PREFIX)) == 0 &&
           strspn(name + strlen(PREFIX), "0123456789abcdef") == DIGEST_LEN &&
           strcmp(name + strlen(PREFIX) + DIGEST_LEN, SUFFIX) == 0;
}

void fr_pushed_ca_prune(const char *folder, const struct fr_pushed_ca_list *list)
{
    DIR *dir = opendir(folder);
    const struct dirent *entry;

    if (dir == NULL)
        return;
    while ((entry = readdir(dir)) != NULL)
        if (pushed_ca_is_name(entry->d_name) &&
            !pushed_ca_is_listed(list, entry->d_name + strlen(PREFIX)))
            unlinkat(dirfd(dir), entry->d_name, 0);
    closedir(dir);
}
