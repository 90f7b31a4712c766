#include "home_assistant/alert.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "text_hash.h"

#define LOG_SIZE 4096
#define AHEAD_MAX_MS 300000 /* a clock further ahead is wrong */

const char *const fr_alert_kinds[] = {"alarm", "door_handle", "other", NULL};

struct fr_alert_log {
    struct {
        bool used;
        uint64_t key;    /* of vehicle, name and start */
        uint64_t record; /* of the delivery: its time of receipt and transaction */
    } live[LOG_SIZE];
};

/* Alerts of different control units have the same last word: VCSEC_a133_alarmTriggered,
 * BCCEN_w095_AlarmTriggered. */
static const char *alert_kind_of(const char *name)
{
    static const struct {
        const char *word, *kind;
    } words[] = {{"alarmTriggered", "alarm"}, {"handlePullWithoutAuth", "door_handle"}};
    const char *last = strrchr(name, '_');

    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strcasecmp(last != NULL ? last + 1 : name, words[i].word) == 0)
            return words[i].kind;
    return "other";
}

static void alert_copy_name(char name[FR_ALERT_NAME_SIZE], const char *text)
{
    size_t len = 0;

    for (; text[len] != '\0' && len + 1 < FR_ALERT_NAME_SIZE; len++) {
        unsigned char c = (unsigned char)text[len];

        name[len] = (char)(c < 0x80 && (isalnum(c) || strchr("_.-", c) != NULL) ? c : '_');
    }
    name[len] = '\0';
}

/* Parse "2026-01-01T00:00:00.123Z" to ms since 1970, without the fraction. 0: another form. */
static int64_t alert_time(const char *text)
{
    struct tm tm = {0};
    int end = 0;
    time_t s;

    if (text == NULL ||
        sscanf(text, "%4d-%2d-%2dT%2d:%2d:%2d%n", &tm.tm_year, &tm.tm_mon, &tm.tm_mday, &tm.tm_hour,
               &tm.tm_min, &tm.tm_sec, &end) != 6 ||
        end != (int)strlen("2026-01-01T00:00:00") || (text[end] != 'Z' && text[end] != '.'))
        return 0;
    tm.tm_year -= 1900;
    tm.tm_mon -= 1;
    s = timegm(&tm);
    return s > 0 ? (int64_t)s * 1000 : 0;
}

/* The same for each attempt to deliver a record, another one for each other record. */
static uint64_t alert_record(const struct fr_delivery *d)
{
    uint64_t hash = (uint64_t)d->received_ms;

    for (size_t i = 0; i < d->txid_len; i++)
        hash = (hash ^ (unsigned char)d->txid[i]) * 1099511628211u;
    return hash;
}

/* Whether the same alert was live in another record. The record is entered otherwise. */
static bool alert_was_live(struct fr_alert_log *log, const struct fr_alert *alert,
                           const struct fr_delivery *d)
{
    uint64_t key = ((uint64_t)fr_text_hash(d->vin) << 32 | fr_text_hash(alert->name)) ^
                   (uint64_t)alert->started_ms * 0x9e3779b97f4a7c15u;
    size_t place = (size_t)(key >> 40) % LOG_SIZE;

    if (log->live[place].used && log->live[place].key == key)
        return log->live[place].record != alert_record(d);
    log->live[place].used = true;
    log->live[place].key = key;
    log->live[place].record = alert_record(d);
    return false;
}

bool fr_alert_read(struct fr_alert *alert, const json_t *json, const struct fr_delivery *d,
                   struct fr_alert_log *log, int64_t now_ms, int64_t age_ms)
{
    const char *name = json_string_value(json_object_get(json, "name"));
    const json_t *ended = json_object_get(json, "endedAt");

    if (name == NULL || name[0] == '\0')
        return false;
    alert_copy_name(alert->name, name);
    alert->kind = alert_kind_of(alert->name);
    alert->started_ms = alert_time(json_string_value(json_object_get(json, "startedAt")));
    alert->live = (ended == NULL || json_is_null(ended)) && alert->started_ms != 0 &&
                  (d->flags & (FR_FLAG_RESTORED | FR_FLAG_REPEATED)) == 0 &&
                  now_ms - alert->started_ms <= age_ms &&
                  alert->started_ms - now_ms <= AHEAD_MAX_MS && !alert_was_live(log, alert, d);
    return true;
}

struct fr_alert_log *fr_alert_log_new(void)
{
    return calloc(1, sizeof(struct fr_alert_log));
}

void fr_alert_log_free(struct fr_alert_log *log)
{
    free(log);
}
