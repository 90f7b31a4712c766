#include "daemon/admin_token.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>

#include "privsep/key_reader.h"
#include "util/log.h"

char *fr_daemon_read_admin_token(const char *path, struct fr_error *error)
{
    int fd = fr_key_reader_open(path);

    if (fd >= 0)
        return fr_http_admin_read_token(path, fd, error);
    fr_error_set(error, "token_file: %s: %s", path, strerror(errno));
    return NULL;
}

int fr_daemon_refresh_admin_token(struct fr_daemon *d, struct fr_error *error)
{
    const char *path = d->setup->server->admin_token_file;
    char *token;

    /* A listener that began with a token keeps it, and one without gets none, until a restart. */
    if (d->admin == NULL || !fr_http_admin_has_token(d->admin) || path == NULL)
        return 0;
    token = fr_daemon_read_admin_token(path, error);
    if (token == NULL)
        return -1;
    if (fr_http_admin_set_token(d->admin, token))
        fr_log(FR_LOG_NOTICE, "admin: the token was replaced; all sessions have ended");
    OPENSSL_cleanse(token, strlen(token));
    free(token);
    return 0;
}
