#include "mqtt/client_id.h"

#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "state_file.h"

static void client_id_draw(struct client_id *id)
{
    uint32_t number = 0;

    if (getrandom(&number, sizeof number, 0) != (ssize_t)sizeof number)
        number = (uint32_t)getpid();
    snprintf(id->digits, sizeof id->digits, "%08x", (unsigned)number);
}

/* False: the file is not there, or is of no use, which is logged. */
static bool client_id_read(struct client_id *id, const char *path)
{
    struct fr_text_buffer content = {0}, why = {0};
    bool found = fr_state_file_read(path, 4096, &content, &why);
    const char *digits = fr_text_buffer_string(&content);
    bool right = found && strspn(digits, "0123456789abcdef") >= CLIENT_ID_DIGITS;

    if (right)
        snprintf(id->digits, sizeof id->digits, "%.*s", CLIENT_ID_DIGITS, digits);
    else if (found || why.len != 0)
        id->host->log(id->sink, FR_LOG_WARNING, "%s%s; another MQTT client id is drawn",
                      found ? path : fr_text_buffer_string(&why),
                      found ? " is damaged: it has no 8 hexadecimal digits" : "");
    fr_text_buffer_free(&content);
    fr_text_buffer_free(&why);
    return right;
}

/* Keep the digits. The folder may be missing, and the disk full, read-only or failing. */
static void client_id_keep(struct client_id *id, bool read_first)
{
    const char *folder = id->host->state_dir(id->sink);
    struct fr_text_buffer path = {0};

    fr_text_buffer_clear(&id->why);
    if (folder == NULL) { /* the sink's status and the log say why */
        fr_text_buffer_add(&id->why, "the folder for client-id cannot be made");
        return;
    }
    fr_text_buffer_printf(&path, "%s/client-id", folder);
    id->kept = read_first && client_id_read(id, fr_text_buffer_string(&path));
    if (!id->kept)
        id->kept = fr_state_file_write(fr_text_buffer_string(&path), id->digits, CLIENT_ID_DIGITS,
                                       &id->why);
    fr_text_buffer_free(&path);
}

void client_id_open(struct client_id *id, struct fr_sink *sink, const struct fr_host *host)
{
    *id = (struct client_id){.sink = sink, .host = host};
    client_id_draw(id);
    client_id_keep(id, true);
    if (!id->kept)
        host->log(sink, FR_LOG_ERROR,
                  "%s; it is tried again; until then a restart takes another MQTT client id",
                  fr_text_buffer_string(&id->why));
}

bool client_id_tend(struct client_id *id)
{
    struct fr_text_buffer before = {0};
    bool changed;

    if (id->sink == NULL || id->kept)
        return false;
    fr_text_buffer_add(&before, fr_text_buffer_string(&id->why));
    client_id_keep(id, false);
    changed =
        id->kept || strcmp(fr_text_buffer_string(&before), fr_text_buffer_string(&id->why)) != 0;
    fr_text_buffer_free(&before);
    return changed;
}

void client_id_free(struct client_id *id)
{
    fr_text_buffer_free(&id->why);
}
