#include "fleet_api/state.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fleet_api/clean_text.h"
#include "util/atomic_file.h"
#include "util/buffer.h"
#include "util/file_remedy.h"
#include "util/json_text.h"
#include "util/memory.h"

#define STATE_BYTES_MAX 100000000                  /* 100,000 vehicles need about 70 MB */
#define STATE_TIME_MAX_MS INT64_C(253402300799999) /* the end of the year 9999 */

/* ---- members --------------------------------------------------------------------- */

enum state_kind {
    STATE_INT64,
    STATE_UINT64,
    STATE_INT,
    STATE_UNSIGNED,
    STATE_REAL,
    STATE_BOOL,
    STATE_TEXT,
    STATE_DIGEST
};

struct state_member {
    const char *name;
    enum state_kind kind;
    size_t offset;
    size_t size; /* of a text */
    double max;  /* of a number; the minimum is 0, of STATE_REAL -1 */
};

#define NUMBER(owner, member, kind, max)                                                           \
    {                                                                                              \
#member, kind, offsetof(struct owner, member), 0, max                                      \
    }
#define TEXT(owner, member, kind)                                                                  \
    {                                                                                              \
#member, kind, offsetof(struct owner, member), sizeof((struct owner *)0)->member, 0        \
    }

static const struct state_member state_members[] = {
    NUMBER(fr_state, updated_ms, STATE_INT64, STATE_TIME_MAX_MS),
    NUMBER(fr_state, run_ms, STATE_INT64, STATE_TIME_MAX_MS),
    NUMBER(fr_state, success_ms, STATE_INT64, STATE_TIME_MAX_MS),
    NUMBER(fr_state, tried_ms, STATE_INT64, STATE_TIME_MAX_MS),
    NUMBER(fr_state, refresh_ms, STATE_INT64, STATE_TIME_MAX_MS),
    NUMBER(fr_state, login_required, STATE_BOOL, 1),
    NUMBER(fr_state, blocked_until_ms, STATE_INT64, STATE_TIME_MAX_MS),
    NUMBER(fr_state, failures, STATE_UNSIGNED, 1e6),
    TEXT(fr_state, blocked, STATE_TEXT),
    TEXT(fr_state, failure, STATE_TEXT),
    NUMBER(fr_state, requests, STATE_UINT64, 1e15),
    NUMBER(fr_state, requests_month, STATE_INT, 12 * 10000),
    NUMBER(fr_state, projected_usd, STATE_REAL, 1e12),
    NUMBER(fr_state, measured, STATE_BOOL, 1),
    NUMBER(fr_state, over_budget, STATE_BOOL, 1),
    NUMBER(fr_state, month_signals, STATE_UINT64, 1e15),
    NUMBER(fr_state, measured_from_ms, STATE_INT64, STATE_TIME_MAX_MS),
    NUMBER(fr_state, measured_base_usd, STATE_REAL, 1e12),
    NUMBER(fr_state, counted_ms, STATE_INT64, STATE_TIME_MAX_MS),
    NUMBER(fr_state, counted_next, STATE_UINT64, 1e18),
};

static const struct state_member state_vehicle_members[] = {
    NUMBER(fr_state_vehicle, pushed_ms, STATE_INT64, STATE_TIME_MAX_MS),
    NUMBER(fr_state_vehicle, exp_s, STATE_INT64, STATE_TIME_MAX_MS),
    NUMBER(fr_state_vehicle, synced_ms, STATE_INT64, STATE_TIME_MAX_MS),
    NUMBER(fr_state_vehicle, tried_ms, STATE_INT64, STATE_TIME_MAX_MS),
    NUMBER(fr_state_vehicle, checked_ms, STATE_INT64, STATE_TIME_MAX_MS),
    NUMBER(fr_state_vehicle, waiting, STATE_BOOL, 1),
    TEXT(fr_state_vehicle, config, STATE_DIGEST),
    TEXT(fr_state_vehicle, ca, STATE_DIGEST),
    TEXT(fr_state_vehicle, former_ca, STATE_DIGEST),
    TEXT(fr_state_vehicle, ca_file, STATE_DIGEST),
    TEXT(fr_state_vehicle, key, STATE_DIGEST),
    TEXT(fr_state_vehicle, problem, STATE_TEXT),
    TEXT(fr_state_vehicle, remedy, STATE_TEXT),
};

#define COUNT(list) (sizeof(list) / sizeof *(list))

/* ---- reading --------------------------------------------------------------------- */

static bool state_is_digest(const char *text)
{
    return strlen(text) == 64 && strspn(text, "0123456789abcdef") == 64;
}

/* Take a number of a member, if it is in its range. Otherwise the member keeps its value. */
static void state_take_number(const struct state_member *member, void *at, const json_t *value)
{
    double min = member->kind == STATE_REAL ? -1 : 0;

    if (!json_is_number(value) || !(json_number_value(value) >= min) ||
        !(json_number_value(value) <= member->max))
        return;
    switch (member->kind) {
    case STATE_INT64:
        *(int64_t *)at = json_integer_value(value);
        break;
    case STATE_UINT64:
        *(uint64_t *)at = (uint64_t)json_integer_value(value);
        break;
    case STATE_INT:
        *(int *)at = (int)json_integer_value(value);
        break;
    case STATE_UNSIGNED:
        *(unsigned *)at = (unsigned)json_integer_value(value);
        break;
    default:
        *(double *)at = json_number_value(value);
        break;
    }
}

static void state_take(const struct state_member *members, size_t count, void *object,
                       const json_t *json)
{
    for (size_t i = 0; i < count; i++) {
        const struct state_member *member = &members[i];
        const json_t *value = json_object_get(json, member->name);
        const char *text = json_string_value(value);
        void *at = (char *)object + member->offset;

        if (member->kind == STATE_BOOL)
            *(bool *)at = json_is_true(value);
        else if (member->kind < STATE_BOOL)
            state_take_number(member, at, value);
        else if (text != NULL && (member->kind == STATE_TEXT || state_is_digest(text)))
            fr_clean_text(at, member->size, text, strlen(text));
    }
}

static int state_compare(const void *a, const void *b)
{
    const struct fr_state_vehicle *left = a, *right = b;

    return strcmp(left->vin, right->vin);
}

/* The vehicles are members of an object, by VIN. Others than valid VINs are skipped. */
static void state_take_vehicles(struct fr_state *state, json_t *json)
{
    size_t max = json_object_size(json);
    const char *vin;
    json_t *value;

    if (max > FR_STATE_VEHICLES_MAX)
        max = FR_STATE_VEHICLES_MAX;
    /* As fr_state_vehicle() would: a power of two. */
    for (size_t size = 1; max != 0; size *= 2)
        if (size >= max) {
            state->vehicles = fr_calloc(size, sizeof *state->vehicles);
            break;
        }
    json_object_foreach(json, vin, value)
    {
        if (!fr_is_vin(vin) || !json_is_object(value) || state->vehicle_count == max)
            continue;
        strcpy(state->vehicles[state->vehicle_count].vin, vin);
        state_take(state_vehicle_members, COUNT(state_vehicle_members),
                   &state->vehicles[state->vehicle_count++], value);
    }
    if (state->vehicle_count != 0)
        qsort(state->vehicles, state->vehicle_count, sizeof *state->vehicles, state_compare);
}

/* Read a regular file of max STATE_BYTES_MAX bytes. NULL: the cause is in `error`; a missing file has
 * errno ENOENT. The caller frees the text. */
static char *state_read_file(const char *path, size_t *len, struct fr_error *error)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    char *text = NULL;
    struct stat st;
    ssize_t n = 0;

    if (fd < 0) {
        int cause = errno;

        fr_error_set(error, "cannot read %s: %s; %s", path, strerror(cause), fr_file_remedy(cause));
        errno = cause;
        return NULL;
    }
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode) || st.st_size > STATE_BYTES_MAX) {
        fr_error_set(error, "%s is not a file of this program; remove it", path);
    } else {
        text = fr_calloc(1, (size_t)st.st_size + 1);
        for (*len = 0; *len < (size_t)st.st_size; *len += (size_t)n)
            if ((n = read(fd, text + *len, (size_t)st.st_size - *len)) <= 0)
                break;
        if (n < 0) {
            fr_error_set(error, "cannot read %s: %s; %s", path, strerror(errno),
                         fr_file_remedy(errno));
            free(text);
            text = NULL;
        }
    }
    close(fd);
    errno = EIO;
    return text;
}

int fr_state_read(const char *folder, struct fr_state *state, struct fr_error *error)
{
    char *path = fr_asprintf("%s/state.json", folder), *text;
    json_error_t cause;
    json_t *json;
    size_t len;
    int status = 0;

    *state = (struct fr_state){.projected_usd = -1};
    text = state_read_file(path, &len, error);
    if (text == NULL) {
        status = errno == ENOENT ? 0 : -1;
        free(path);
        return status;
    }
    json = json_loadb(text, len, 0, &cause);
    free(text);
    if (json_is_object(json)) {
        state_take(state_members, COUNT(state_members), state, json);
        state_take_vehicles(state, json_object_get(json, "vehicles"));
    } else {
        status = fr_error_set(error,
                              "%s is damaged; remove it: the next run of `fleetroute keep` reads "
                              "back what vehicles have",
                              path);
    }
    json_decref(json);
    free(path);
    return status;
}

/* ---- writing --------------------------------------------------------------------- */

static void state_put(const struct state_member *members, size_t count, const void *object,
                      struct fr_buffer *out)
{
    for (size_t i = 0; i < count; i++) {
        const struct state_member *member = &members[i];
        const void *at = (const char *)object + member->offset;

        fr_buffer_printf(out, "%s\"%s\":", i == 0 ? "" : ",", member->name);
        switch (member->kind) {
        case STATE_INT64:
            fr_buffer_printf(out, "%lld", (long long)*(const int64_t *)at);
            break;
        case STATE_UINT64:
            fr_buffer_printf(out, "%llu", (unsigned long long)*(const uint64_t *)at);
            break;
        case STATE_INT:
            fr_buffer_printf(out, "%d", *(const int *)at);
            break;
        case STATE_UNSIGNED:
            fr_buffer_printf(out, "%u", *(const unsigned *)at);
            break;
        case STATE_REAL:
            fr_json_number(out, *(const double *)at);
            break;
        case STATE_BOOL:
            fr_buffer_text(out, *(const bool *)at ? "true" : "false");
            break;
        case STATE_TEXT:
        case STATE_DIGEST:
            fr_json_string(out, at, strlen(at));
            break;
        }
    }
}

static void state_put_vehicles(const struct fr_state *state, struct fr_buffer *out)
{
    fr_buffer_text(out, ",\n\"vehicles\":{");
    for (size_t i = 0; i < state->vehicle_count; i++) {
        fr_buffer_printf(out, "%s\n\"%s\":{", i == 0 ? "" : ",", state->vehicles[i].vin);
        state_put(state_vehicle_members, COUNT(state_vehicle_members), &state->vehicles[i], out);
        fr_buffer_byte(out, '}');
    }
    fr_buffer_text(out, "}}\n");
}

int fr_state_write(const char *folder, struct fr_state *state, int64_t now_ms, int group,
                   struct fr_error *error)
{
    char *path = fr_asprintf("%s/state.json", folder);
    struct fr_file_owner owner = {geteuid(), group >= 0 ? (gid_t)group : getegid()};
    struct fr_atomic_file file = {
        .path = path, .mode = 0640, .owner = group >= 0 ? &owner : NULL, .may_replace = true};
    struct fr_buffer out = {0};
    int status;

    state->updated_ms = now_ms;
    fr_buffer_byte(&out, '{');
    state_put(state_members, COUNT(state_members), state, &out);
    state_put_vehicles(state, &out);
    if (out.failed)
        status = fr_error_set(error, "%s: out of memory", path);
    else
        status = fr_atomic_file_write(&file, out.bytes, out.len, error);
    fr_buffer_free(&out);
    free(path);
    return status;
}

void fr_state_free(struct fr_state *state)
{
    free(state->vehicles);
    *state = (struct fr_state){.projected_usd = -1};
}

/* ---- vehicles -------------------------------------------------------------------- */

/* The index of the vehicle, or where it belongs in the order of VINs. */
static size_t state_index(const struct fr_state *state, const char *vin)
{
    size_t low = 0, high = state->vehicle_count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (strcmp(state->vehicles[middle].vin, vin) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

const struct fr_state_vehicle *fr_state_find(const struct fr_state *state, const char *vin)
{
    size_t index = state_index(state, vin);

    return index < state->vehicle_count && strcmp(state->vehicles[index].vin, vin) == 0
               ? &state->vehicles[index]
               : NULL;
}

struct fr_state_vehicle *fr_state_vehicle(struct fr_state *state, const char *vin, bool add)
{
    size_t index = state_index(state, vin);
    struct fr_state_vehicle *vehicle;

    if (index < state->vehicle_count && strcmp(state->vehicles[index].vin, vin) == 0)
        return &state->vehicles[index];
    if (!add)
        return NULL;
    /* Grows at powers of two. */
    if ((state->vehicle_count & (state->vehicle_count - 1)) == 0)
        state->vehicles =
            fr_realloc(state->vehicles, state->vehicle_count != 0 ? 2 * state->vehicle_count : 1,
                       sizeof *state->vehicles);
    vehicle = &state->vehicles[index];
    memmove(vehicle + 1, vehicle, (state->vehicle_count - index) * sizeof *vehicle);
    state->vehicle_count++;
    *vehicle = (struct fr_state_vehicle){0};
    snprintf(vehicle->vin, sizeof vehicle->vin, "%s", vin);
    return vehicle;
}
