#include "daemon/drop_privileges.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "privsep/key_reader.h"
#include "privsep/sandbox.h"
#include "util/files.h"
#include "util/log.h"
#include "util/memory.h"

#define FOLDERS_MAX 128

/* The folder that contains a file; the caller frees it. */
static char *privs_folder_of(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash == NULL ? fr_strdup(".")
                         : fr_strndup(path, slash == path ? 1 : (size_t)(slash - path));
}

static int privs_switch_user(const struct fr_server_config *c, struct fr_error *error)
{
    const char *files[FR_KEY_READER_FILES_MAX] = {c->certificate, c->key, c->vehicle_ca};
    size_t count = 3;
    struct fr_user user;
    bool switch_user = geteuid() == 0 && c->user != NULL;

    if (switch_user && fr_user_find(c->user, &user, error) != 0)
        return -1;
    if (geteuid() == 0 && c->user == NULL) {
        fr_log(FR_LOG_NOTICE, "running as root: set `user:` in %s to run as another user", c->path);
        return 0;
    }
    if (c->crl != NULL)
        files[count++] = c->crl;
    if (c->public_key != NULL)
        files[count++] = c->public_key;
    if (c->admin_certificate != NULL && c->admin_key != NULL) {
        files[count++] = c->admin_certificate;
        files[count++] = c->admin_key;
    }
    if (c->admin_on && c->admin_token_file != NULL)
        files[count++] = c->admin_token_file;
    /* systemd starts the daemon as the user already, with the capability to read the key. */
    if (fr_privileges_can_read_all() &&
        fr_key_reader_start(files, count, switch_user ? &user : NULL, error) != 0)
        return -1;
    return fr_privileges_drop(switch_user ? &user : NULL, false, error);
}

static int privs_enter_sandbox(struct fr_daemon *d, const struct fr_server_config *c,
                               struct fr_error *error)
{
    const char *folders[FOLDERS_MAX] = {c->state, c->journal_path};
    char *control = privs_folder_of(c->control), *admin = NULL;
    const char *path;
    size_t count = 2;
    int status;

    folders[count++] = control;
    if (c->admin_socket != NULL)
        folders[count++] = admin = privs_folder_of(c->admin_socket);
    for (size_t i = 0; i < c->sink_count; i++)
        for (size_t k = 0;
             count < FOLDERS_MAX && (path = fr_sink_path(d->setup->sinks[i], k)) != NULL; k++)
            folders[count++] = path;
    status = fr_sandbox_enter(folders, count, error);
    free(control);
    free(admin);
    return status;
}

int fr_daemon_drop_privileges(struct fr_daemon *d, struct fr_error *error)
{
    const struct fr_server_config *c = d->setup->server;

    if (privs_switch_user(c, error) != 0)
        return -1;
    if (!c->sandbox)
        return 0;
    /* Create the folders now: for a missing folder the sandbox would permit its nearest parent. */
    if (fr_make_folders(c->state, error) != 0 ||
        (c->journal_on && fr_make_folders(c->journal_path, error) != 0))
        return -1;
    return privs_enter_sandbox(d, c, error);
}
