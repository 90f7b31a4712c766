#include "tool/doctor_home.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tool/doctor_daemon.h"
#include "tool/doctor_request.h"
#include "util/clock.h"
#include "util/json_text.h"
#include "util/memory.h"

#define TOKEN_MAX 4096
#define LAG_WARNING_S 3600
#define URL_DEFAULT "http://homeassistant.local:8123" /* as in plugins/ha_websocket */

/* Counts the entities of a device of mobile_app, those without a value, and the newest change in s
 * since 1970. Home Assistant renders it, so that names that the owner gave do not matter. */
static const char template_text[] =
    "{% set n = namespace(all=0, unavailable=0, newest=0) %}"
    "{% for e in integration_entities('mobile_app') if 'VIN' in "
    "((device_attr(e, 'identifiers') or []) | map('last') | list) and states[e] %}"
    "{% set n.all = n.all + 1 %}"
    "{% if states(e) in ('unavailable', 'unknown') %}{% set n.unavailable = n.unavailable + 1 %}"
    "{% endif %}"
    "{% set n.newest = [n.newest, as_timestamp(states[e].last_updated)] | max %}"
    "{% endfor %}"
    "{\"all\":{{ n.all }},\"unavailable\":{{ n.unavailable }},\"newest\":{{ n.newest | int }}}";

/* ---- a sink's options ------------------------------------------------------------ */

static const char *home_option(const struct fr_sink_config *sink, const char *name)
{
    const struct fr_yaml *node = fr_yaml_get(sink->options, name);

    return node != NULL && node->kind == FR_YAML_TEXT && node->text[0] != '\0' ? node->text : NULL;
}

/* Read the first line of the token's file. `token` is a secret. Returns 0, or -1 with errno set. */
static int home_read_token(const char *path, char token[TOKEN_MAX])
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK), code;
    ssize_t len = fd >= 0 ? read(fd, token, TOKEN_MAX - 1) : -1;

    code = errno;
    if (fd >= 0)
        close(fd);
    errno = code;
    if (len < 0)
        return -1;
    token[len] = '\0';
    token[strcspn(token, " \t\r\n")] = '\0';
    return 0;
}

/* ---- one vehicle ----------------------------------------------------------------- */

/* The body of the request: {"template": …} for this VIN. The caller frees it. */
static char *home_body(const char *vin)
{
    const char *at = strstr(template_text, "VIN");
    char *text = fr_asprintf("%.*s%s%s", (int)(at - template_text), template_text, vin, at + 3);
    struct fr_buffer body = {0};
    char *copy;

    fr_buffer_text(&body, "{\"template\":");
    fr_json_string(&body, text, strlen(text));
    fr_buffer_byte(&body, '}');
    copy = fr_strdup(fr_buffer_string(&body));
    fr_buffer_free(&body);
    free(text);
    return copy;
}

static void home_report_lag(struct fr_doctor *doctor, const char *subject, const char *vin,
                            const json_t *answer)
{
    int64_t last_s = fr_doctor_last_record_ms(doctor, vin) / 1000;
    int64_t newest_s = fr_doctor_number(answer, "newest");
    int64_t all = fr_doctor_number(answer, "all");
    int64_t age_s = fr_wall_ms() / 1000 - newest_s;

    if (last_s - newest_s > LAG_WARNING_S)
        fr_doctor_report(doctor, FR_DOCTOR_WARNING, subject,
                         "see the link sinks, and check that the routes of this sink have the "
                         "fields that change",
                         "the newest value in Home Assistant is %" PRId64
                         " min older than the last record",
                         (last_s - newest_s) / 60);
    else
        fr_doctor_report(doctor, FR_DOCTOR_OK, subject, NULL,
                         "%" PRId64 " entities, the newest value %" PRId64 " min old", all,
                         age_s / 60);
}

static void home_judge(struct fr_doctor *doctor, const char *subject, const char *vin,
                       const struct fr_http_response *response)
{
    json_t *answer = fr_http_response_is_dense(response)
                         ? NULL
                         : json_loadb(response->body, response->len, 0, NULL);
    int64_t all = fr_doctor_number(answer, "all");

    if (!json_is_object(answer))
        fr_doctor_report(doctor, FR_DOCTOR_FAILURE, subject, "correct `url:` of the sink",
                         "the answer is not Home Assistant's");
    else if (all == 0)
        fr_doctor_report(doctor, FR_DOCTOR_FAILURE, subject,
                         "see the link sinks; the device appears with the first routed value of "
                         "the vehicle",
                         "Home Assistant has no entity of the vehicle");
    else if (fr_doctor_number(answer, "unavailable") == all)
        fr_doctor_report(doctor, FR_DOCTOR_WARNING, subject,
                         "they appear with the next values of the vehicle",
                         "all %" PRId64 " entities are without a value", all);
    else
        home_report_lag(doctor, subject, vin, answer);
    json_decref(answer);
}

static void home_report_status(struct fr_doctor *doctor, const char *subject, const char *path,
                               int status)
{
    if (status == 401)
        fr_doctor_report(doctor, FR_DOCTOR_FAILURE, subject,
                         "create a new one (your profile, Security, Long-lived access tokens) and "
                         "write it to the file",
                         "Home Assistant refuses the token in %s", path);
    else if (status == 403)
        fr_doctor_report(doctor, FR_DOCTOR_FAILURE, subject,
                         "use a token of an administrator; remove this machine from "
                         "ip_bans.yaml",
                         "Home Assistant permits nothing with the token in %s", path);
    else
        fr_doctor_report(doctor, FR_DOCTOR_FAILURE, subject, "correct `url:` of the sink",
                         "Home Assistant answers with status %d", status);
}

/* Returns false if no other vehicle of the sink need be tried. */
static bool home_check_vehicle(struct fr_doctor *doctor, const struct fr_sink_config *sink,
                               const char *vin, const char *token)
{
    const char *base = home_option(sink, "url"), *path = home_option(sink, "token_file");
    size_t len = strcspn(base != NULL ? base : URL_DEFAULT, "?#");
    char *url = fr_asprintf("%.*s", (int)len, base != NULL ? base : URL_DEFAULT);
    char *body = home_body(vin), *subject = fr_asprintf("%s, %s", sink->name, vin), *target;
    struct fr_http_response response = {0};
    struct fr_http_request request = {.method = "POST",
                                      .bearer = token,
                                      .content_type = "application/json",
                                      .body = body,
                                      .len = strlen(body)};
    struct fr_error error;
    bool is_answered;

    for (len = strlen(url); len > 0 && url[len - 1] == '/'; len--)
        url[len - 1] = '\0';
    request.url = target = fr_asprintf("%s/api/template", url);
    is_answered =
        fr_doctor_request(home_option(sink, "ca"), true, &request, &response, &error) == 0;
    if (!is_answered) {
        const char *cause = strstr(error.text, "no complete answer");

        error.text[strcspn(error.text, ";")] = '\0'; /* the remedies there are for Tesla */
        fr_doctor_report(doctor, FR_DOCTOR_FAILURE, sink->name,
                         "check that Home Assistant runs, and `url:` of the sink", "%s: %s", url,
                         cause != NULL ? cause : error.text);
    } else if (response.status == 200) {
        home_judge(doctor, subject, vin, &response);
    } else {
        home_report_status(doctor, sink->name, path, response.status);
        is_answered = false;
    }
    if (response.body != NULL)
        fr_http_response_free(&response);
    free(target);
    free(subject);
    free(body);
    free(url);
    return is_answered;
}

/* ---- sinks ----------------------------------------------------------------------- */

static void home_check_sink(struct fr_doctor *doctor, const struct fr_sink_config *sink)
{
    size_t count = doctor->routing != NULL ? doctor->routing->vehicle_count : 0;
    const char *path = home_option(sink, "token_file");
    char token[TOKEN_MAX];

    if (path == NULL || home_read_token(path, token) != 0) {
        fr_doctor_report(doctor, FR_DOCTOR_FAILURE, sink->name,
                         "write a long-lived access token of an administrator to this file, which "
                         "this user can read",
                         "token_file %s: %s", path != NULL ? path : "is missing",
                         path != NULL ? strerror(errno) : "");
        return;
    }
    for (size_t i = 0; i < count; i++)
        if (fr_doctor_wants_vehicle(doctor, i) &&
            (!fr_doctor_has_time(doctor) ||
             !home_check_vehicle(doctor, sink, doctor->routing->vehicles[i].vin, token)))
            break;
    OPENSSL_cleanse(token, sizeof token);
    if (count == 0)
        fr_doctor_report(doctor, FR_DOCTOR_SKIPPED, sink->name, NULL,
                         "routing.yaml lists no vehicles");
}

static bool home_is_mqtt(const struct fr_sink_config *sink)
{
    const char *layout = home_option(sink, "layout");

    return strcmp(sink->plugin, "mqtt") == 0 && layout != NULL &&
           strcmp(layout, "homeassistant") == 0;
}

static void home_check(struct fr_doctor *doctor)
{
    bool is_any = false;

    for (size_t i = 0; i < doctor->server->sink_count; i++) {
        const struct fr_sink_config *sink = &doctor->server->sinks[i];

        if (sink->plugin == NULL)
            continue;
        if (strcmp(sink->plugin, "ha_websocket") == 0)
            home_check_sink(doctor, sink);
        else if (home_is_mqtt(sink))
            fr_doctor_report(doctor, FR_DOCTOR_SKIPPED, sink->name, NULL,
                             "entities over MQTT are checked only as far as the broker: see the "
                             "link sinks");
        else
            continue;
        is_any = true;
    }
    if (!is_any)
        fr_doctor_report(doctor, FR_DOCTOR_SKIPPED, NULL, NULL, "no sink sends to Home Assistant");
}

const struct fr_doctor_check fr_doctor_home[] = {
    {"home_assistant", "Home Assistant has the entities", {"config"}, true, home_check},
    {0},
};
