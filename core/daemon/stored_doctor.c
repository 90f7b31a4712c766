#include "daemon/stored_doctor.h"

#include <fcntl.h>
#include <jansson.h>
#include <stdbool.h>
#include <string.h>

#include "config/server_types.h"
#include "util/files.h"
#include "util/json_text.h"

/* ---- content --------------------------------------------------------------------- */

/* A text of a link; `nullable`: null and a missing member are no error. */
static bool stored_put_text(const json_t *link, const char *name, bool nullable,
                            struct fr_buffer *out)
{
    const json_t *text = json_object_get(link, name);

    fr_buffer_printf(out, ",\"%s\":", name);
    if (nullable && (text == NULL || json_is_null(text)))
        fr_buffer_text(out, "null");
    else if (json_is_string(text) && json_string_length(text) <= FR_STORED_DOCTOR_TEXT_MAX)
        fr_json_string(out, json_string_value(text), json_string_length(text));
    else
        return false;
    return true;
}

static bool stored_put_link(const json_t *link, struct fr_buffer *out)
{
    static const char *const levels[] = {"ok", "skipped", "warning", "failure"};
    const char *level = json_string_value(json_object_get(link, "level"));
    const char *known = NULL;

    for (size_t i = 0; level != NULL && i < sizeof levels / sizeof *levels; i++)
        if (strcmp(level, levels[i]) == 0)
            known = levels[i];
    if (known == NULL)
        return false;
    fr_buffer_printf(out, "{\"level\":\"%s\"", known);
    if (!stored_put_text(link, "id", false, out) || !stored_put_text(link, "title", false, out) ||
        !stored_put_text(link, "subject", true, out) ||
        !stored_put_text(link, "text", false, out) || !stored_put_text(link, "remedy", true, out))
        return false;
    fr_buffer_byte(out, '}');
    return true;
}

static int stored_put_links(const json_t *links, struct fr_buffer *out, struct fr_error *error)
{
    size_t count = json_array_size(links);

    if (!json_is_array(links) || count > FR_STORED_DOCTOR_LINKS_MAX)
        return fr_error_set(error, "it has no list of links, or more than %d",
                            FR_STORED_DOCTOR_LINKS_MAX);
    fr_buffer_byte(out, '[');
    for (size_t i = 0; i < count; i++) {
        if (i != 0)
            fr_buffer_byte(out, ',');
        if (!stored_put_link(json_array_get(links, i), out))
            return fr_error_set(error, "link %zu is not one of `fleetroute doctor`", i + 1);
    }
    fr_buffer_byte(out, ']');
    return 0;
}

int fr_stored_doctor_put(const void *bytes, size_t len, struct fr_buffer *out, int64_t *run_ms,
                         struct fr_error *error)
{
    json_t *root = json_loadb(bytes, len, JSON_REJECT_DUPLICATES, NULL);
    const json_t *run = json_object_get(root, "run_ms");
    size_t begin = out->len;
    int status = -1;

    if (root == NULL)
        fr_error_set(error, "it is not JSON");
    else if (!json_is_integer(run) || json_integer_value(run) <= 0)
        fr_error_set(error, "it has no time `run_ms`");
    else
        status = stored_put_links(json_object_get(root, "links"), out, error);
    if (status == 0)
        *run_ms = json_integer_value(run);
    else
        out->len = begin;
    json_decref(root);
    return status;
}

/* ---- the file -------------------------------------------------------------------- */

int fr_stored_doctor_read(const char *path, struct fr_buffer *out)
{
    return fr_read_file(path, O_NOFOLLOW, FR_DOCTOR_FILE_MAX, out);
}
