#include "tool/check_access.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define GROUPS_MAX 256

/* What decides on permissions. */
struct access_identity {
    uid_t uid;
    gid_t groups[GROUPS_MAX];
    int group_count;
    bool real; /* this process has the identity: ask the kernel */
};

static bool access_in_groups(const struct access_identity *identity, gid_t gid)
{
    for (int i = 0; i < identity->group_count; i++)
        if (identity->groups[i] == gid)
            return true;
    return false;
}

/* Whether the identity has the permissions `wanted` (R_OK, W_OK, X_OK) on a path. 0 or an errno
 * value. */
static int access_test(const struct access_identity *identity, const char *path, int wanted)
{
    struct stat st;
    unsigned mode;

    if (identity->real)
        return access(path, wanted) == 0 ? 0 : errno;
    if (stat(path, &st) != 0)
        return errno;
    if (identity->uid == 0)
        return 0;
    mode = st.st_mode & 0777;
    if (st.st_uid == identity->uid)
        mode >>= 6;
    else if (access_in_groups(identity, st.st_gid))
        mode >>= 3;
    return ((unsigned)wanted & ~mode & 7) == 0 ? 0 : EACCES;
}

/* Find the first folder of the path that cannot be searched; `refused` is its length, 0: none. */
static int access_search_folders(const struct access_identity *identity, const char *path,
                                 size_t *refused)
{
    char folder[PATH_MAX];

    *refused = 0;
    for (size_t len = 1; path[len] != '\0' && len < sizeof folder; len++) {
        int code;

        if (path[len] != '/')
            continue;
        memcpy(folder, path, len);
        folder[len] = '\0';
        code = access_test(identity, folder, X_OK);
        if (code == EACCES)
            *refused = len;
        if (code != 0)
            return code;
    }
    return 0;
}

static void access_check(const struct access_identity *identity, struct fr_check_access *file)
{
    char path[PATH_MAX];
    char *slash;

    file->code = access_search_folders(identity, file->path, &file->refused);
    if (!file->write) {
        if (file->code == 0)
            file->code = access_test(identity, file->path, R_OK);
        return;
    }
    if (file->code != 0 && file->code != ENOENT)
        return;
    if (strlen(file->path) >= sizeof path) {
        file->code = ENAMETOOLONG;
        return;
    }
    strcpy(path, file->path);
    while ((file->code = access_test(identity, path, W_OK | X_OK)) == ENOENT &&
           (slash = strrchr(path, '/')) != NULL && slash != path)
        *slash = '\0';
}

/* The child: become the user and write the results to the pipe. */
static void access_run_child(struct fr_check_access *files, size_t count,
                             const struct fr_user *user, int pipe_fd)
{
    struct access_identity identity = {.real = true};
    struct fr_error error;

    if (fr_privileges_drop(user, false, &error) != 0)
        _exit(1);
    for (size_t i = 0; i < count; i++) {
        access_check(&identity, &files[i]);
        if (write(pipe_fd, &files[i], sizeof files[i]) != (ssize_t)sizeof files[i])
            _exit(1);
    }
    _exit(0);
}

static int access_check_as_root(struct fr_check_access *files, size_t count,
                                const struct fr_user *user, struct fr_error *error)
{
    int fds[2], status = -1;
    size_t received = 0;
    pid_t child;

    if (pipe2(fds, O_CLOEXEC) != 0 || (child = fork()) < 0)
        return fr_error_set(error, "cannot start a process: %s", strerror(errno));
    if (child == 0)
        access_run_child(files, count, user, fds[1]);
    close(fds[1]);
    for (struct fr_check_access result;
         received < count && read(fds[0], &result, sizeof result) == (ssize_t)sizeof result;) {
        files[received].code = result.code;
        files[received++].refused = result.refused;
    }
    close(fds[0]);
    if (waitpid(child, &status, 0) != child || status != 0 || received != count)
        return fr_error_set(error, "cannot check the files as the user %s", user->name);
    return 0;
}

int fr_check_access(struct fr_check_access *files, size_t count, const struct fr_user *user,
                    struct fr_error *error)
{
    struct access_identity identity = {.uid = user->uid, .real = user->uid == geteuid()};

    if (geteuid() == 0 && user->uid != 0)
        return access_check_as_root(files, count, user, error);
    identity.group_count = GROUPS_MAX;
    if (getgrouplist(user->name, user->gid, identity.groups, &identity.group_count) < 0)
        identity.group_count = GROUPS_MAX; /* the first ones */
    for (size_t i = 0; i < count; i++)
        access_check(&identity, &files[i]);
    return 0;
}
