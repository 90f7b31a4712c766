#include "mqtt/client_id.h"

#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "state_file.h"

static void client_id_generate(struct client_id *id)
{
    uint32_t number = 0;

    if (getrandom(&number, sizeof number, 0) != (ssize_t)sizeof number)
        number = (uint32_t)getpid();
    snprintf(id->digits, sizeof id->digits, "%08x", (unsigned)number);
}

/* False: the file does not exist, or is damaged or unreadable, which is logged. */
static bool client_id_read(struct client_id *id, const char *path)
{
    struct fr_text_buffer content = {0}, why = {0};
    bool found = fr_state_file_read(path, 4096, &content, &why);
    const char *digits = fr_text_buffer_string(&content);
    bool valid = found && strspn(digits, "0123456789abcdef") >= CLIENT_ID_DIGITS;

    if (valid)
        snprintf(id->digits, sizeof id->digits, "%.*s", CLIENT_ID_DIGITS, digits);
    else if (found || why.len != 0)
        id->host->log(id->sink, FR_LOG_WARNING, "%s%s; generating another MQTT client id",
                      found ? path : fr_text_buffer_string(&why),
                      found ? " is damaged: 8 hexadecimal digits are missing" : "");
    fr_text_buffer_free(&content);
    fr_text_buffer_free(&why);
    return valid;
}

/* Save the digits; on failure, set `why`. `read_first`: prefer the digits of an existing file. */
static void client_id_save(struct client_id *id, bool read_first)
{
    const char *folder = id->host->state_dir(id->sink);
    struct fr_text_buffer path = {0};

    fr_text_buffer_clear(&id->why);
    if (folder == NULL) { /* state_dir() has logged the reason */
        fr_text_buffer_add(&id->why, "the folder for client-id cannot be created");
        return;
    }
    fr_text_buffer_printf(&path, "%s/client-id", folder);
    id->saved = read_first && client_id_read(id, fr_text_buffer_string(&path));
    if (!id->saved)
        id->saved = fr_state_file_write(fr_text_buffer_string(&path), id->digits, CLIENT_ID_DIGITS,
                                        &id->why);
    fr_text_buffer_free(&path);
}

void client_id_open(struct client_id *id, struct fr_sink *sink, const struct fr_host *host)
{
    *id = (struct client_id){.sink = sink, .host = host};
    client_id_generate(id);
    client_id_save(id, true);
    if (!id->saved)
        host->log(sink, FR_LOG_ERROR,
                  "%s; trying again; until this succeeds, each restart uses another MQTT client id",
                  fr_text_buffer_string(&id->why));
}

bool client_id_retry(struct client_id *id)
{
    struct fr_text_buffer before = {0};
    bool changed;

    if (id->sink == NULL || id->saved)
        return false;
    fr_text_buffer_add(&before, fr_text_buffer_string(&id->why));
    client_id_save(id, false);
    changed =
        id->saved || strcmp(fr_text_buffer_string(&before), fr_text_buffer_string(&id->why)) != 0;
    fr_text_buffer_free(&before);
    return changed;
}

void client_id_free(struct client_id *id)
{
    fr_text_buffer_free(&id->why);
}
