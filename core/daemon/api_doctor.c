#include "daemon/api_doctor.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/daemon_state.h"
#include "daemon/stored_doctor.h"
#include "util/clock.h"
#include "util/json_text.h"
#include "util/memory.h"

#define HOW                                                                                        \
    "Run `fleetroute doctor` as root on the server; this page then shows its result. It does not " \
    "run by itself, because Tesla bills its few requests for each vehicle."

/* Read the links into `links`. Returns an explanation; NULL: the result is complete. */
static char *doctor_read(const char *path, struct fr_buffer *links, int64_t *run_ms)
{
    struct fr_buffer bytes = {0};
    struct fr_error error;
    char *why = NULL;

    if (fr_stored_doctor_read(path, &bytes) != 0) {
        if (errno == ENOENT)
            why = fr_strdup("There is no result yet. ");
        else
            why = fr_asprintf("The last result cannot be read: %s: %s. ", path, strerror(errno));
    } else if (fr_stored_doctor_put(bytes.bytes, bytes.len, links, run_ms, &error) != 0)
        why = fr_asprintf("The last result cannot be used: %s: %s. ", path, error.text);
    fr_buffer_free(&bytes);
    return why;
}

int fr_api_doctor(void *daemon, const struct fr_http_call *call, struct fr_buffer *out)
{
    const struct fr_daemon *d = daemon;
    char *path = fr_asprintf("%s/%s", d->setup->server->state, FR_DOCTOR_FILE);
    int64_t run_ms = 0, now_ms = fr_wall_ms();
    struct fr_buffer links = {0};
    char *why = doctor_read(path, &links, &run_ms);
    char *how = fr_asprintf("%s%s", why != NULL ? why : "", HOW);

    (void)call;
    if (why == NULL)
        fr_buffer_printf(out, "{\"run_ms\":%lld,\"age_ms\":%lld,\"links\":", (long long)run_ms,
                         (long long)(now_ms > run_ms ? now_ms - run_ms : 0));
    else
        fr_buffer_text(out, "{\"run_ms\":null,\"age_ms\":null,\"links\":[]");
    fr_buffer_append(out, links.bytes, links.len);
    fr_buffer_text(out, ",\"how\":");
    fr_json_string(out, how, strlen(how));
    fr_buffer_byte(out, '}');
    fr_buffer_free(&links);
    free(how);
    free(why);
    free(path);
    return 200;
}
