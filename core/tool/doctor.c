#include "tool/doctor.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "fleet_api/clean_text.h"
#include "tool/doctor_account.h"
#include "tool/doctor_daemon.h"
#include "tool/doctor_home.h"
#include "tool/doctor_key.h"
#include "tool/doctor_local.h"
#include "tool/doctor_tls.h"
#include "tool/doctor_vehicle.h"
#include "util/buffer.h"
#include "util/clock.h"
#include "util/memory.h"
#include "util/redact.h"

#define VIN_LENGTH 17
#define TEXT_MAX 1500 /* bytes of a text or a remedy */

/* In the order of the chain. */
static const struct fr_doctor_check *const groups[] = {
    fr_doctor_local,   fr_doctor_tls,    fr_doctor_key,  fr_doctor_account,
    fr_doctor_vehicle, fr_doctor_daemon, fr_doctor_home, fr_doctor_keep,
};
#define GROUPS (sizeof groups / sizeof *groups)

/* ---- texts ----------------------------------------------------------------------- */

/* Whether a VIN is at `text + at`, as a word of its own. */
static bool doctor_is_vin(const char *text, size_t at)
{
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";

    return strspn(text + at, letters) == VIN_LENGTH &&
           (at == 0 || strchr(letters, text[at - 1]) == NULL);
}

/* A copy of `text` in one line that is safe to print, with VINs redacted if redaction is on. */
static char *doctor_clean(const char *text)
{
    struct fr_buffer out = {0};
    char line[TEXT_MAX + 1], *copy;

    fr_clean_text(line, sizeof line, text, strlen(text));
    for (size_t i = 0; line[i] != '\0';) {
        char buffer[FR_REDACTED_VIN_SIZE], vin[VIN_LENGTH + 1] = "";

        if (!fr_redacting() || !doctor_is_vin(line, i)) {
            fr_buffer_byte(&out, (uint8_t)line[i++]);
            continue;
        }
        memcpy(vin, line + i, VIN_LENGTH);
        fr_buffer_text(&out, fr_redacted_vin(vin, buffer));
        i += VIN_LENGTH;
    }
    copy = fr_strdup(fr_buffer_string(&out));
    fr_buffer_free(&out);
    return copy;
}

void fr_doctor_report(struct fr_doctor *doctor, enum fr_doctor_level level, const char *subject,
                      const char *remedy, const char *format, ...)
{
    struct fr_doctor_line *line;
    char text[TEXT_MAX + 1];
    va_list ap;

    va_start(ap, format);
    vsnprintf(text, sizeof text, format, ap);
    va_end(ap);
    doctor->lines = fr_realloc(doctor->lines, doctor->line_count + 1, sizeof *doctor->lines);
    line = &doctor->lines[doctor->line_count++];
    line->check = doctor->check;
    line->level = level;
    line->subject = subject != NULL ? doctor_clean(subject) : NULL;
    line->text = doctor_clean(text);
    line->remedy = doctor_clean(remedy != NULL ? remedy : "");
}

void fr_doctor_report_diagnostic(struct fr_doctor *doctor, const struct fr_diagnostic *diagnostic)
{
    enum fr_doctor_level level =
        diagnostic->severity == FR_SEVERITY_ERROR ? FR_DOCTOR_FAILURE : FR_DOCTOR_WARNING;

    if (diagnostic->line == 0)
        fr_doctor_report(doctor, level, NULL, NULL, "%s: %s", diagnostic->file, diagnostic->text);
    else
        fr_doctor_report(doctor, level, NULL, NULL, "%s:%d:%d: %s", diagnostic->file,
                         diagnostic->line, diagnostic->column, diagnostic->text);
}

/* ---- links ----------------------------------------------------------------------- */

enum fr_doctor_level fr_doctor_level_of(const struct fr_doctor *doctor, const char *id)
{
    enum fr_doctor_level worst = FR_DOCTOR_OK;
    bool found = false;

    for (size_t i = 0; i < doctor->line_count; i++)
        if (strcmp(doctor->lines[i].check->id, id) == 0) {
            found = true;
            if (doctor->lines[i].level > worst)
                worst = doctor->lines[i].level;
        }
    return found ? worst : FR_DOCTOR_SKIPPED;
}

bool fr_doctor_has_time(const struct fr_doctor *doctor)
{
    return fr_monotonic_ms() < doctor->deadline_ms;
}

bool fr_doctor_wants_vehicle(const struct fr_doctor *doctor, size_t index)
{
    if (doctor->options.vin != NULL)
        return strcmp(doctor->routing->vehicles[index].vin, doctor->options.vin) == 0;
    return index < FR_DOCTOR_VEHICLES_MAX;
}

static bool doctor_is_met(const struct fr_doctor *doctor, const char *need)
{
    enum fr_doctor_level level;

    if (strcmp(need, "config") == 0)
        return doctor->server != NULL;
    if (strcmp(need, FR_DOCTOR_SECTION_TESLA) == 0)
        return doctor->server != NULL && doctor->server->tesla.present;
    level = fr_doctor_level_of(doctor, need);
    return level == FR_DOCTOR_OK || level == FR_DOCTOR_WARNING;
}

static void doctor_run_check(struct fr_doctor *doctor, const struct fr_doctor_check *check)
{
    const char *missing = NULL;

    doctor->check = check;
    doctor->link_begin = doctor->line_count;
    for (size_t i = 0; i < sizeof check->needs / sizeof *check->needs; i++)
        if (missing == NULL && check->needs[i] != NULL && !doctor_is_met(doctor, check->needs[i]))
            missing = check->needs[i];
    if (missing != NULL)
        fr_doctor_report(doctor, FR_DOCTOR_SKIPPED, NULL, NULL, "needs the link %.*s",
                         (int)strcspn(missing, ":"), missing);
    else if (check->network && !fr_doctor_has_time(doctor))
        fr_doctor_report(doctor, FR_DOCTOR_SKIPPED, NULL, "correct the links above first",
                         "the earlier links took longer than %d s", FR_DOCTOR_TOTAL_MS / 1000);
    else
        check->run(doctor);
    if (doctor->line_count == doctor->link_begin)
        fr_doctor_report(doctor, FR_DOCTOR_OK, NULL, NULL, "%s", check->title);
}

struct fr_doctor *fr_doctor_run(const struct fr_doctor_options *options,
                                void (*on_link)(const struct fr_doctor *doctor, void *ctx),
                                void *ctx)
{
    struct fr_doctor *doctor = fr_calloc(1, sizeof *doctor);

    doctor->options = *options;
    doctor->run_ms = fr_wall_ms();
    doctor->deadline_ms = fr_monotonic_ms() + FR_DOCTOR_TOTAL_MS;
    for (size_t g = 0; g < GROUPS; g++)
        for (const struct fr_doctor_check *check = groups[g]; check->id != NULL; check++) {
            doctor_run_check(doctor, check);
            if (on_link != NULL)
                on_link(doctor, ctx);
        }
    return doctor;
}

void fr_doctor_free(struct fr_doctor *doctor)
{
    for (size_t i = 0; i < doctor->line_count; i++) {
        free(doctor->lines[i].subject);
        free(doctor->lines[i].text);
        free(doctor->lines[i].remedy);
    }
    free(doctor->lines);
    json_decref(doctor->status);
    free(doctor->issuer);
    fr_push_plan_free(&doctor->plan);
    fr_api_free(doctor->api);
    fr_state_free(&doctor->state);
    EVP_PKEY_free(doctor->command_key);
    fr_doctor_handshake_free(&doctor->handshake);
    fr_server_chain_free(&doctor->chain);
    fr_setup_free(doctor->setup);
    free(doctor);
}

/* ---- output ---------------------------------------------------------------------- */

const char *fr_doctor_level_word(enum fr_doctor_level level)
{
    static const char *const words[FR_DOCTOR_LEVELS] = {"ok", "skipped", "warning", "failure"};

    return words[level];
}

int fr_doctor_status(const struct fr_doctor *doctor)
{
    enum fr_doctor_level worst = FR_DOCTOR_OK;

    for (size_t i = 0; i < doctor->line_count; i++)
        if (doctor->lines[i].level > worst)
            worst = doctor->lines[i].level;
    return worst == FR_DOCTOR_FAILURE ? 2 : worst == FR_DOCTOR_WARNING ? 1 : 0;
}

/* What separates a text from its remedy, which may be a sentence. */
static const char *doctor_separator(const char *remedy)
{
    if (remedy[0] == '\0')
        return "";
    return remedy[0] >= 'A' && remedy[0] <= 'Z' ? ". " : "; ";
}

void fr_doctor_print_link(const struct fr_doctor *doctor, FILE *to)
{
    for (size_t i = doctor->link_begin; i < doctor->line_count; i++) {
        const struct fr_doctor_line *line = &doctor->lines[i];

        fprintf(to, "%-7s  %-18s  %s%s%s%s%s\n", fr_doctor_level_word(line->level), line->check->id,
                line->subject != NULL ? line->subject : "", line->subject != NULL ? ": " : "",
                line->text, doctor_separator(line->remedy), line->remedy);
    }
}

void fr_doctor_count(const struct fr_doctor *doctor, size_t counts[FR_DOCTOR_LEVELS])
{
    memset(counts, 0, FR_DOCTOR_LEVELS * sizeof *counts);
    for (size_t i = 0; i < doctor->line_count; i++)
        counts[doctor->lines[i].level]++;
}

void fr_doctor_print_summary(const struct fr_doctor *doctor, FILE *to)
{
    size_t counts[FR_DOCTOR_LEVELS];

    fr_doctor_count(doctor, counts);
    fprintf(to, "%zu ok, %zu skipped, %zu warning%s, %zu failure%s\n", counts[FR_DOCTOR_OK],
            counts[FR_DOCTOR_SKIPPED], counts[FR_DOCTOR_WARNING],
            counts[FR_DOCTOR_WARNING] == 1 ? "" : "s", counts[FR_DOCTOR_FAILURE],
            counts[FR_DOCTOR_FAILURE] == 1 ? "" : "s");
}
