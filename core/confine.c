/*
 * What the daemon gives up once it has its sockets and its key: another user's rights, every
 * capability, most system calls, and most of the file system.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon_state.h"
#include "guard/keeper.h"
#include "guard/sandbox.h"
#include "util/files.h"
#include "util/log.h"
#include "util/memory.h"

#define FOLDERS_MAX 128

/* The folder that a file is in; the caller frees it. */
static char *folder_of(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash == NULL ? fr_strdup(".")
                         : fr_strndup(path, slash == path ? 1 : (size_t)(slash - path));
}

static int become_user(const struct fr_server_config *c, struct fr_error *error)
{
    const char *const files[] = {c->certificate, c->key, c->vehicle_ca, c->crl};
    size_t count = c->crl != NULL ? 4 : 3;
    struct fr_user user;
    bool other = geteuid() == 0 && c->user != NULL;

    if (other && fr_user_find(c->user, &user, error) != 0)
        return -1;
    if (geteuid() == 0 && c->user == NULL) {
        fr_log(FR_LOG_NOTICE, "running as root: name a `user:` in %s to become another", c->path);
        return 0;
    }
    /* Under systemd we come as the user, with the capability to read the key. */
    if (fr_privileges_can_read_all() &&
        fr_keeper_start(files, count, other ? &user : NULL, error) != 0)
        return -1;
    return fr_privileges_drop(other ? &user : NULL, false, error);
}

static int enter_sandbox(struct fr_daemon *d, const struct fr_server_config *c,
                         struct fr_error *error)
{
    const char *folders[FOLDERS_MAX] = {c->state, c->journal_path};
    char *control = folder_of(c->control), *admin = NULL;
    const char *path;
    size_t count = 2;
    int status;

    folders[count++] = control;
    if (c->admin_socket != NULL)
        folders[count++] = admin = folder_of(c->admin_socket);
    for (size_t i = 0; i < c->sink_count; i++)
        for (size_t k = 0;
             count < FOLDERS_MAX && (path = fr_sink_path(d->setup->sinks[i], k)) != NULL; k++)
            folders[count++] = path;
    status = fr_sandbox_enter(folders, count, error);
    free(control);
    free(admin);
    return status;
}

int fr_daemon_confine(struct fr_daemon *d, struct fr_error *error)
{
    const struct fr_server_config *c = d->setup->server;

    if (become_user(c, error) != 0)
        return -1;
    if (!c->sandbox)
        return 0;
    /* Made now, so that they are what may be written, and not a folder above them. */
    if (fr_make_folders(c->state, error) != 0 ||
        (c->journal_on && fr_make_folders(c->journal_path, error) != 0))
        return -1;
    return enter_sandbox(d, c, error);
}
