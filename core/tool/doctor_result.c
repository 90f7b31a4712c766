#include "tool/doctor_result.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util/atomic_file.h"
#include "util/json_text.h"
#include "util/memory.h"

static void result_put(struct fr_buffer *out, const char *name, const char *text)
{
    fr_buffer_printf(out, ",\"%s\":", name);
    if (text != NULL)
        fr_json_string(out, text, strlen(text));
    else
        fr_buffer_text(out, "null");
}

void fr_doctor_put_json(const struct fr_doctor *doctor, struct fr_buffer *out)
{
    size_t counts[FR_DOCTOR_LEVELS];

    fr_doctor_count(doctor, counts);
    fr_buffer_printf(out, "{\"status\":%d,\"run_ms\":%lld", fr_doctor_status(doctor),
                     (long long)doctor->run_ms);
    for (int i = 0; i < FR_DOCTOR_LEVELS; i++)
        fr_buffer_printf(out, ",\"%s\":%zu", fr_doctor_level_word((enum fr_doctor_level)i),
                         counts[i]);
    fr_buffer_text(out, ",\"links\":[");
    for (size_t i = 0; i < doctor->line_count; i++) {
        const struct fr_doctor_line *line = &doctor->lines[i];

        fr_buffer_printf(out, "%s\n{\"level\":\"%s\"", i == 0 ? "" : ",",
                         fr_doctor_level_word(line->level));
        result_put(out, "id", line->check->id);
        result_put(out, "title", line->check->title);
        result_put(out, "subject", line->subject);
        result_put(out, "text", line->text);
        result_put(out, "remedy", line->remedy);
        fr_buffer_byte(out, '}');
    }
    fr_buffer_text(out, "\n]}\n");
}

int fr_doctor_store(const struct fr_doctor *doctor, struct fr_error *error)
{
    struct fr_atomic_file file = {.mode = 0640, .may_replace = true};
    struct fr_file_owner owner;
    struct fr_buffer out = {0};
    struct stat st;
    char *path;
    int status;

    if (doctor->server == NULL || doctor->options.vin != NULL ||
        stat(doctor->server->state, &st) != 0 || access(doctor->server->state, W_OK | X_OK) != 0)
        return 0;
    path = fr_asprintf("%s/%s", doctor->server->state, FR_DOCTOR_FILE);
    file.path = path;
    if (geteuid() == 0) {
        owner = (struct fr_file_owner){st.st_uid, st.st_gid};
        file.owner = &owner;
    }
    fr_doctor_put_json(doctor, &out);
    if (out.failed || out.len > FR_DOCTOR_FILE_MAX)
        status = fr_error_set(error, "%s: the result is larger than %d kB", path,
                              FR_DOCTOR_FILE_MAX / 1024);
    else
        status = fr_atomic_file_write(&file, out.bytes, out.len, error);
    fr_buffer_free(&out);
    free(path);
    return status;
}
