#include "ha_websocket/registration_file.h"

#include <stdlib.h>
#include <string.h>

#include "safe_name.h"
#include "state_file.h"

#define FILE_MAX (4u << 20) /* bytes */

static void registration_file_path(struct fr_text_buffer *path, const char *folder, const char *vin)
{
    fr_text_buffer_add(path, folder);
    fr_text_buffer_byte(path, '/');
    fr_safe_name(path, vin);
    fr_text_buffer_add(path, ".json");
}

static char *registration_file_copy_text(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));

    return text != NULL ? strdup(text) : NULL;
}

/* NULL: the file does not exist, or `why` contains why it cannot be used. */
static json_t *registration_file_read(const char *path, struct fr_text_buffer *why)
{
    struct fr_text_buffer content = {0};
    json_t *root = NULL;
    json_error_t error;

    if (fr_state_file_read(path, FILE_MAX, &content, why)) {
        root = json_loadb(fr_text_buffer_string(&content), content.len, 0, &error);
        if (root == NULL)
            fr_text_buffer_printf(why, "%s is damaged: %s", path,
                                  content.len != 0 ? error.text : "the file is empty");
        else if (!json_is_object(root) || !json_is_object(json_object_get(root, "sensors")))
            fr_text_buffer_printf(why, "%s is damaged: it does not contain a registration", path);
    }
    fr_text_buffer_free(&content);
    return root;
}

int saved_registration_load(struct saved_registration *r, const char *folder, const char *vin,
                            struct fr_text_buffer *why)
{
    struct fr_text_buffer path = {0};
    json_t *root = NULL, *sensors;

    fr_text_buffer_clear(why);
    if (folder != NULL) {
        registration_file_path(&path, folder, vin);
        root = registration_file_read(fr_text_buffer_string(&path), why);
    }
    sensors = json_object_get(root, "sensors");
    *r = (struct saved_registration){
        .webhook = registration_file_copy_text(root, "webhook"),
        .device_name = registration_file_copy_text(root, "device_name"),
        .version = registration_file_copy_text(root, "version"),
        .sensors = json_is_object(sensors) ? json_incref(sensors) : json_object(),
    };
    json_decref(root);
    fr_text_buffer_free(&path);
    return r->sensors != NULL ? 0 : -1;
}

bool saved_registration_save(const struct saved_registration *r, const char *folder,
                             const char *vin, struct fr_text_buffer *why)
{
    struct fr_text_buffer path = {0};
    json_t *root = json_pack("{s:s*, s:s*, s:s*, s:O}", "webhook", r->webhook, "device_name",
                             r->device_name, "version", r->version, "sensors", r->sensors);
    char *text = root != NULL ? json_dumps(root, JSON_INDENT(1)) : NULL;
    bool saved = false;

    registration_file_path(&path, folder, vin);
    if (text != NULL && !path.failed)
        saved = fr_state_file_write(path.bytes, text, strlen(text), why);
    else {
        fr_text_buffer_clear(why);
        fr_text_buffer_printf(why, "%s/%s.json cannot be written: no memory", folder, vin);
    }
    json_decref(root);
    free(text);
    fr_text_buffer_free(&path);
    return saved;
}

void saved_registration_clear(struct saved_registration *r)
{
    free(r->webhook);
    free(r->device_name);
    free(r->version);
    json_decref(r->sensors);
    *r = (struct saved_registration){0};
}
