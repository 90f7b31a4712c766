#include "leftovers.h"

#include <dirent.h>
#include <event2/event.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "rotated_name.h"
#include "text_buffer.h"

/* A folder to be read. Its entries must match glob[depth]. */
struct folder {
    struct folder *next;
    size_t depth;
    char path[];
};

struct fr_leftovers {
    char *globs; /* one glob for each level of the pattern; the storage of `glob` */
    const char **glob;
    size_t depth; /* number of globs */
    bool absolute;
    struct folder *folders;
    size_t count;
    bool (*found)(void *ctx, const char *path);
    void *ctx;
    struct event *step;
};

/* ---- the pattern ----------------------------------------------------------------- */

/* The pattern with `*` for each conversion. Characters with a meaning for fnmatch() are escaped. */
static char *leftovers_globs_of(const char *pattern)
{
    struct fr_text_buffer globs = {0};

    for (; *pattern != '\0'; pattern++) {
        if (*pattern == '%' && pattern[1] != '\0') {
            pattern = pattern[1] == '{' && strchr(pattern, '}') != NULL ? strchr(pattern, '}')
                                                                        : pattern + 1;
            fr_text_buffer_byte(&globs, '*');
            continue;
        }
        if (strchr("*?[]\\", *pattern) != NULL)
            fr_text_buffer_byte(&globs, '\\');
        fr_text_buffer_byte(&globs, *pattern);
    }
    if (!globs.failed && globs.bytes != NULL)
        return globs.bytes;
    fr_text_buffer_free(&globs);
    return NULL;
}

static bool leftovers_split(struct fr_leftovers *l)
{
    size_t parts = 1;
    char *save = NULL;

    for (const char *c = l->globs; *c != '\0'; c++)
        parts += *c == '/';
    l->glob = calloc(parts, sizeof *l->glob);
    if (l->glob == NULL)
        return false;
    for (char *part = strtok_r(l->globs, "/", &save); part != NULL;
         part = strtok_r(NULL, "/", &save))
        l->glob[l->depth++] = part;
    return l->depth != 0;
}

/* ---- folders --------------------------------------------------------------------- */

static void leftovers_push(struct fr_leftovers *l, const char *path, const char *name, size_t depth)
{
    struct fr_text_buffer whole = {0};
    struct folder *folder;

    fr_text_buffer_add(&whole, path);
    fr_text_buffer_add(&whole, name);
    if (name[0] != '\0')
        fr_text_buffer_byte(&whole, '/');
    folder = whole.failed || l->count == FR_LEFTOVER_FOLDERS_MAX
                 ? NULL
                 : malloc(sizeof *folder + whole.len + 1);
    if (folder != NULL) {
        *folder = (struct folder){.next = l->folders, .depth = depth};
        memcpy(folder->path, fr_text_buffer_string(&whole), whole.len + 1);
        l->folders = folder;
        l->count++;
    }
    fr_text_buffer_free(&whole);
}

/* Remove a partly compressed file, unless its original is locked because it is being compressed. */
static void leftovers_remove_part(const char *part)
{
    size_t len = strlen(part) - strlen(".part");
    char *original = strndup(part, len);
    char *dot = original != NULL ? strrchr(original, '.') : NULL;
    int fd = -1;

    if (dot != NULL) {
        *dot = '\0';
        fd = open(original, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
        if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB) == 0)
            unlink(part);
    }
    if (fd >= 0)
        close(fd);
    free(original);
}

/* Whether a rotated file's name, up to the tilde, matches the last level of the pattern. */
static bool leftovers_matches(const struct fr_leftovers *l, const char *name)
{
    char *base = strndup(name, (size_t)(strrchr(name, '~') - name));
    bool ok = base != NULL && fnmatch(l->glob[l->depth - 1], base, 0) == 0;

    free(base);
    return ok;
}

static bool leftovers_check_file(struct fr_leftovers *l, const char *folder, const char *name)
{
    struct fr_text_buffer path = {0};
    uint64_t sequence;
    enum fr_rotated_kind kind = fr_rotated_kind(name, NULL, &sequence);
    bool more = true;

    if ((kind != FR_ROTATED_PLAIN && kind != FR_ROTATED_PART) || !leftovers_matches(l, name))
        return true;
    fr_text_buffer_add(&path, folder);
    fr_text_buffer_add(&path, name);
    if (!path.failed && kind == FR_ROTATED_PART)
        leftovers_remove_part(path.bytes);
    else if (!path.failed)
        more = l->found(l->ctx, path.bytes);
    fr_text_buffer_free(&path);
    return more;
}

static bool leftovers_read_folder(struct fr_leftovers *l, const struct folder *folder)
{
    bool last = folder->depth + 1 == l->depth, more = true;
    const char *glob = l->glob[folder->depth];
    struct dirent *entry;
    DIR *dir;

    if (!last && strpbrk(glob, "*\\") == NULL) { /* a fixed name: the parent may be unreadable */
        leftovers_push(l, folder->path, glob, folder->depth + 1);
        return true;
    }
    dir = opendir(folder->path[0] != '\0' ? folder->path : ".");
    while (dir != NULL && more && (entry = readdir(dir)) != NULL) {
        if (last)
            more = leftovers_check_file(l, folder->path, entry->d_name);
        else if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0 &&
                 (entry->d_type == DT_DIR || entry->d_type == DT_LNK ||
                  entry->d_type == DT_UNKNOWN) &&
                 fnmatch(glob, entry->d_name, 0) == 0)
            leftovers_push(l, folder->path, entry->d_name, folder->depth + 1);
    }
    if (dir != NULL)
        closedir(dir);
    return more;
}

static void leftovers_drop_folders(struct fr_leftovers *l)
{
    while (l->folders != NULL) {
        struct folder *next = l->folders->next;

        free(l->folders);
        l->folders = next;
    }
    l->count = 0;
}

static void leftovers_step_due(evutil_socket_t fd, short what, void *ctx)
{
    static const struct timeval soon = {0, 1000};
    struct fr_leftovers *l = ctx;
    struct folder *folder = l->folders;

    (void)fd, (void)what;
    if (folder == NULL)
        return;
    l->folders = folder->next;
    l->count--;
    if (!leftovers_read_folder(l, folder))
        leftovers_drop_folders(l);
    free(folder);
    if (l->folders != NULL)
        event_add(l->step, &soon);
}

/* ---- creation -------------------------------------------------------------------- */

void fr_leftovers_restart(struct fr_leftovers *l)
{
    static const struct timeval soon = {0, 1000};

    leftovers_drop_folders(l);
    leftovers_push(l, l->absolute ? "/" : "", "", 0);
    event_add(l->step, &soon);
}

void fr_leftovers_free(struct fr_leftovers *l)
{
    if (l == NULL)
        return;
    leftovers_drop_folders(l);
    if (l->step != NULL)
        event_free(l->step);
    free(l->globs);
    free(l->glob);
    free(l);
}

struct fr_leftovers *fr_leftovers_new(struct event_base *base, const char *pattern,
                                      bool (*found)(void *ctx, const char *path), void *ctx)
{
    struct fr_leftovers *l = calloc(1, sizeof *l);

    if (l == NULL)
        return NULL;
    l->found = found;
    l->ctx = ctx;
    l->absolute = pattern[0] == '/';
    l->globs = leftovers_globs_of(pattern);
    l->step = event_new(base, -1, 0, leftovers_step_due, l);
    if (l->globs != NULL && l->step != NULL && leftovers_split(l)) {
        fr_leftovers_restart(l);
        return l;
    }
    fr_leftovers_free(l);
    return NULL;
}
