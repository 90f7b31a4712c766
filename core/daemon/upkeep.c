#include "daemon/upkeep.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "util/buffer.h"
#include "util/clock.h"
#include "util/error.h"
#include "util/memory.h"
#include "util/redact.h"

#define VIN_LEN 17

struct fr_upkeep {
    char *folder; /* of `state`; NULL: nothing was read yet */
    int64_t looked_ms;
    struct timespec mtime; /* of the file that was read */
    ino_t inode;
    struct fr_state state;
    struct fr_error error; /* of the last reading; "": none */
};

struct fr_upkeep *fr_upkeep_new(void)
{
    return fr_calloc(1, sizeof(struct fr_upkeep));
}

void fr_upkeep_free(struct fr_upkeep *upkeep)
{
    if (upkeep == NULL)
        return;
    fr_state_free(&upkeep->state);
    free(upkeep->folder);
    free(upkeep);
}

/* ---- redaction ------------------------------------------------------------------- */

static size_t upkeep_vin_run(const char *text)
{
    return strspn(text, "ABCDEFGHJKLMNPRSTUVWXYZ0123456789");
}

/* Copy a text that may name vehicles, e.g. in a pairing link, with VINs as they may be displayed. */
static void upkeep_copy_text(char *to, size_t size, const char *from)
{
    struct fr_buffer text = {0};

    while (*from != '\0') {
        size_t run = upkeep_vin_run(from);
        char vin[VIN_LEN + 1], buffer[FR_REDACTED_VIN_SIZE];

        if (run == VIN_LEN) {
            snprintf(vin, sizeof vin, "%s", from);
            fr_buffer_text(&text, fr_display_vin(vin, buffer));
        } else {
            run = run != 0 ? run : 1;
            fr_buffer_append(&text, from, run);
        }
        from += run;
    }
    snprintf(to, size, "%s", fr_buffer_string(&text));
    fr_buffer_free(&text);
}

/* ---- reading --------------------------------------------------------------------- */

static void upkeep_use_folder(struct fr_upkeep *upkeep, const char *folder)
{
    if (upkeep->folder != NULL && strcmp(upkeep->folder, folder) == 0)
        return;
    fr_state_free(&upkeep->state);
    free(upkeep->folder);
    *upkeep = (struct fr_upkeep){.folder = fr_strdup(folder)};
}

/* Whether the file differs from the one that was read. A missing file and a missing folder are no
 * error: `setup` has not been run. */
static bool upkeep_has_changed(struct fr_upkeep *upkeep)
{
    struct timespec mtime = {0};
    ino_t inode = 0;
    char path[4096];
    struct stat st;

    snprintf(path, sizeof path, "%s/state.json", upkeep->folder);
    if (stat(path, &st) == 0) {
        mtime = st.st_mtim;
        inode = st.st_ino;
    }
    if (upkeep->looked_ms != 0 && inode == upkeep->inode && mtime.tv_sec == upkeep->mtime.tv_sec &&
        mtime.tv_nsec == upkeep->mtime.tv_nsec)
        return false;
    upkeep->mtime = mtime;
    upkeep->inode = inode;
    return true;
}

/* Look at the file, unless that was done less than `pause_ms` ago. */
static void upkeep_look(struct fr_upkeep *upkeep, int64_t pause_ms)
{
    int64_t now_ms = fr_monotonic_ms();
    struct fr_state state;
    bool changed;

    if (upkeep->looked_ms != 0 && now_ms - upkeep->looked_ms < pause_ms)
        return;
    changed = upkeep_has_changed(upkeep);
    upkeep->looked_ms = now_ms;
    if (!changed)
        return;
    upkeep->error.text[0] = '\0';
    if (fr_state_read(upkeep->folder, &state, &upkeep->error) != 0)
        return;
    upkeep->error.text[0] = '\0';
    fr_state_free(&upkeep->state);
    upkeep->state = state;
}

bool fr_upkeep_status(struct fr_upkeep *upkeep, const struct fr_tesla_config *tesla,
                      struct fr_upkeep_status *status)
{
    char why[sizeof status->health.why];

    if (!tesla->present)
        return false;
    upkeep_use_folder(upkeep, tesla->folder);
    upkeep_look(upkeep, FR_UPKEEP_EVERY_MS);
    status->state = &upkeep->state;
    fr_keep_health(&upkeep->state, fr_wall_ms(), &status->health);
    if (upkeep->error.text[0] != '\0') {
        status->health.warning = true;
        snprintf(status->health.why, sizeof status->health.why, "%s", upkeep->error.text);
    }
    upkeep_copy_text(why, sizeof why, status->health.why);
    memcpy(status->health.why, why, sizeof why);
    upkeep_copy_text(status->failure, sizeof status->failure, upkeep->state.failure);
    return true;
}

const struct fr_state *fr_upkeep_state(struct fr_upkeep *upkeep,
                                       const struct fr_tesla_config *tesla)
{
    if (!tesla->present)
        return NULL;
    upkeep_use_folder(upkeep, tesla->folder);
    upkeep_look(upkeep, 0);
    return upkeep->error.text[0] == '\0' ? &upkeep->state : NULL;
}
