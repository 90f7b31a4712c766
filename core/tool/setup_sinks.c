#include "tool/setup_sinks.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tool/setup_daemon.h"
#include "tool/setup_files.h"
#include "util/memory.h"

/* A sink that needs longer than this to connect is reported. */
#define CONNECT_MS 8000

static const struct sinks_kind {
    const char *word, *sink, *plugin, *package;
} sinks_kinds[] = {
    {"file", "archive", "file", "fleetroute"},
    {"home_assistant", "home", "ha_websocket", "fleetroute-homeassistant"},
    {"mqtt", "mqtt", "mqtt", "fleetroute-mqtt"},
};
#define KINDS (sizeof sinks_kinds / sizeof *sinks_kinds)

/* ---- check --------------------------------------------------------------------------- */

/* The first sink that does not work, as the daemon reports. Returns whether there is one. */
static bool sinks_find_failure(struct fr_setup_env *env, struct fr_error *note)
{
    struct fr_error error;
    json_t *status = fr_setup_ask_daemon(env, "status", &error), *sink;
    bool found = false;
    const char *name;

    json_object_foreach(json_object_get(status, "sinks"), name, sink)
    {
        const char *health = json_string_value(json_object_get(sink, "health"));
        const char *why = json_string_value(json_object_get(sink, "why"));
        const char *last = json_string_value(json_object_get(sink, "last_error"));

        if (found || health == NULL || strcmp(health, "up") == 0)
            continue;
        fr_setup_note(FR_SETUP_TODO, note, "the sink %s does not work: %s", name,
                      last != NULL && last[0] != '\0' ? last
                      : why != NULL && why[0] != '\0' ? why
                                                      : "see the log");
        found = true;
    }
    json_decref(status);
    return found;
}

static enum fr_setup_result sinks_check(struct fr_setup_env *env, struct fr_error *note)
{
    enum fr_yaml_section kind = fr_setup_section(env, false, "sinks");
    struct fr_buffer names = {0};

    if (kind == FR_YAML_SECTION_ABSENT || kind == FR_YAML_SECTION_EMPTY ||
        env->config->sink_count == 0)
        return fr_setup_note(FR_SETUP_TODO, note, "no sinks are set");
    if (sinks_find_failure(env, note))
        return FR_SETUP_TODO;
    for (size_t i = 0; i < env->config->sink_count; i++)
        fr_buffer_printf(&names, "%s%s", i > 0 ? ", " : "", env->config->sinks[i].name);
    fr_setup_note(FR_SETUP_DONE, note, "%s", fr_buffer_string(&names));
    fr_buffer_free(&names);
    return FR_SETUP_DONE;
}

/* ---- questions ------------------------------------------------------------------------- */

/* An option of a sink that exists, as the default of a question; else `text`. */
static const char *sinks_known(const struct fr_setup_env *env, const char *sink, const char *option,
                               const char *text)
{
    for (size_t i = 0; i < env->config->sink_count; i++) {
        const struct fr_yaml *value = fr_yaml_get(env->config->sinks[i].options, option);

        if (strcmp(env->config->sinks[i].name, sink) == 0 && value != NULL &&
            value->kind == FR_YAML_TEXT)
            return value->text;
    }
    return text;
}

/* Ask for a text and append "OPTION: TEXT" to the options in flow style, unless it is empty. */
static int sinks_ask_option(struct fr_setup_env *env, struct fr_buffer *options, const char *option,
                            const struct fr_setup_question *question, struct fr_error *error)
{
    char *answer = fr_setup_ask(env->prompt, question, error);

    if (answer != NULL && answer[0] != '\0') {
        fr_buffer_printf(options, "%s%s: ", options->len > 0 ? ", " : "", option);
        fr_yaml_scalar(options, answer);
    }
    free(answer);
    return answer != NULL ? 0 : -1;
}

/* Ask for a secret, write it to a file of the service user, and append the option with its path. */
static int sinks_ask_secret(struct fr_setup_env *env, struct fr_buffer *options, const char *option,
                            const char *file, const struct fr_setup_question *question,
                            struct fr_error *error)
{
    char *secret = fr_setup_ask(env->prompt, question, error);
    char *path = fr_setup_path(env, file);
    int status = -1;

    if (secret != NULL) {
        status = fr_setup_write_secret(env, path, secret, true, error);
        OPENSSL_cleanse(secret, strlen(secret));
        fr_buffer_printf(options, "%s%s: ", options->len > 0 ? ", " : "", option);
        fr_yaml_scalar(options, path);
    }
    free(secret);
    free(path);
    return status;
}

static int sinks_ask_file(struct fr_setup_env *env, struct fr_buffer *options,
                          struct fr_error *error)
{
    char *usual = fr_asprintf("%s/archive/%%Y-%%m-%%d/%%{type}.jsonl", env->config->state);
    struct fr_setup_question question = {
        "archive", "Path of the files", sinks_known(env, "archive", "path", usual), false, NULL,
        NULL};
    int status = sinks_ask_option(env, options, "path", &question, error);

    free(usual);
    return status;
}

/* The root of a private CA, or nothing. The daemon reads the file. */
static int sinks_valid_ca(char *answer, void *ctx, struct fr_error *error)
{
    return answer[0] == '\0' ? 0 : fr_setup_check_visible(ctx, answer, "644", error);
}

static int sinks_ask_home(struct fr_setup_env *env, struct fr_buffer *options,
                          struct fr_error *error)
{
    struct fr_setup_question url = {
        "home_url",
        "URL of Home Assistant",
        sinks_known(env, "home", "url", "http://homeassistant.local:8123"),
        false,
        NULL,
        NULL};
    struct fr_setup_question ca = {"home_ca",
                                   "Root certificate of a CA of your own for it (empty)",
                                   sinks_known(env, "home", "ca", ""),
                                   false,
                                   sinks_valid_ca,
                                   env};
    struct fr_setup_question token = {"home_token", "Long-lived access token", NULL, true, NULL,
                                      NULL};

    if (sinks_ask_option(env, options, "url", &url, error) != 0)
        return -1;
    if (strstr(fr_buffer_string(options), "https://") != NULL &&
        sinks_ask_option(env, options, "ca", &ca, error) != 0)
        return -1;
    puts("Create the token in Home Assistant, as an administrator: your name at the bottom left,\n"
         "Security, Long-lived access tokens, Create token.");
    return sinks_ask_secret(env, options, "token_file", "home-assistant.token", &token, error);
}

static int sinks_ask_mqtt(struct fr_setup_env *env, struct fr_buffer *options,
                          struct fr_error *error)
{
    struct fr_setup_question layout = {
        "mqtt_layout",
        "Topics: homeassistant (discovery), tesla (as Tesla's server), values, teslamate",
        sinks_known(env, "mqtt", "layout", "homeassistant"),
        false,
        NULL,
        NULL};
    struct fr_setup_question host = {"mqtt_host",
                                     "Host of the MQTT broker",
                                     sinks_known(env, "mqtt", "host", "localhost"),
                                     false,
                                     NULL,
                                     NULL};
    struct fr_setup_question port = {
        "mqtt_port", "Its port", sinks_known(env, "mqtt", "port", "1883"), false, NULL, NULL};
    struct fr_setup_question user = {"mqtt_username",
                                     "User name (empty: none)",
                                     sinks_known(env, "mqtt", "username", ""),
                                     false,
                                     NULL,
                                     NULL};
    struct fr_setup_question password = {"mqtt_password", "Password", NULL, true, NULL, NULL};
    size_t before;

    if (sinks_ask_option(env, options, "layout", &layout, error) != 0 ||
        sinks_ask_option(env, options, "host", &host, error) != 0 ||
        sinks_ask_option(env, options, "port", &port, error) != 0)
        return -1;
    before = options->len;
    if (sinks_ask_option(env, options, "username", &user, error) != 0)
        return -1;
    return options->len == before
               ? 0
               : sinks_ask_secret(env, options, "password_file", "mqtt-password", &password, error);
}

/* ---- writing --------------------------------------------------------------------------- */

static int sinks_check_plugin(const struct fr_setup_env *env, const struct sinks_kind *kind,
                              struct fr_error *error)
{
    char *path = fr_asprintf("%s/%s.so", env->config->plugin_dir, kind->plugin);
    int status = 0;

    if (access(path, R_OK) != 0)
        status = fr_error_set(error, "%s: %s; install the package %s", path, strerror(errno),
                              kind->package);
    free(path);
    return status;
}

static int sinks_add(struct fr_setup_env *env, const struct sinks_kind *kind,
                     struct fr_error *error)
{
    static int (*const ask[])(struct fr_setup_env *, struct fr_buffer *,
                              struct fr_error *) = {sinks_ask_file, sinks_ask_home, sinks_ask_mqtt};
    struct fr_buffer options = {0}, value = {0};
    int status = sinks_check_plugin(env, kind, error);

    if (status == 0)
        status = ask[kind - sinks_kinds](env, &options, error);
    if (status == 0) {
        fr_buffer_printf(&value, "{plugin: %s, options: {%s}}", kind->plugin,
                         fr_buffer_string(&options));
        status = fr_setup_put_yaml(env, "sinks", kind->sink, fr_buffer_string(&value), error);
    }
    fr_buffer_free(&options);
    fr_buffer_free(&value);
    return status;
}

/* Words of sinks_kinds, separated by commas. */
static int sinks_valid(char *answer, void *ctx, struct fr_error *error)
{
    bool *wanted = ctx;
    char *copy = fr_strdup(answer), *rest = NULL;
    int status = 0;

    memset(wanted, 0, KINDS * sizeof *wanted);
    for (char *word = strtok_r(copy, " ,", &rest); word != NULL && status == 0;
         word = strtok_r(NULL, " ,", &rest)) {
        bool found = false;

        for (size_t i = 0; i < KINDS; i++)
            if (strcmp(sinks_kinds[i].word, word) == 0)
                found = wanted[i] = true;
        if (!found)
            status = fr_error_set(error, "\"%.40s\" is none of file, home_assistant, mqtt", word);
    }
    free(copy);
    return status;
}

static int sinks_ask_kinds(struct fr_setup_env *env, bool *wanted, struct fr_error *error)
{
    const struct fr_yaml *list = fr_setup_answer(env->prompt, "sinks");
    struct fr_setup_question question = {
        "sinks",     "Where the data go: file, home_assistant, mqtt (several with commas)",
        "file",      false,
        sinks_valid, wanted};
    char *answer;

    if (list != NULL && list->kind == FR_YAML_LIST) {
        struct fr_buffer words = {0};
        int status;

        for (size_t i = 0; i < list->count; i++)
            fr_buffer_printf(&words, "%s ",
                             list->items[i]->kind == FR_YAML_TEXT ? list->items[i]->text : "-");
        answer = fr_strdup(fr_buffer_string(&words));
        fr_buffer_free(&words);
        status = sinks_valid(answer, wanted, error);
        free(answer);
        return status;
    }
    answer = fr_setup_ask(env->prompt, &question, error);
    free(answer);
    return answer != NULL ? 0 : -1;
}

/* The daemon reports a sink as working before its first connection failed, so wait a moment until
 * none is reported; a sink that needs longer is the note of check(). */
static int sinks_work(struct fr_setup_env *env, void *ctx, struct fr_error *error)
{
    (void)ctx;
    return !sinks_find_failure(env, error);
}

/* The routes of the package name the sink of the package. */
static int sinks_clear_routes(struct fr_setup_env *env, struct fr_error *error)
{
    if (fr_setup_section(env, true, "records") != FR_YAML_SECTION_EMPTY)
        return 0;
    return fr_setup_set_routing(env, "records", "[]", error);
}

static int sinks_run(struct fr_setup_env *env, struct fr_error *error)
{
    int64_t wait_ms = env->wait_ms;
    bool wanted[KINDS] = {false};
    struct fr_error note;

    if (fr_setup_section(env, false, "sinks") == FR_YAML_SECTION_FOREIGN)
        return sinks_find_failure(env, error) ? -1 : 0;
    if (sinks_ask_kinds(env, wanted, error) != 0)
        return -1;
    /* The example of the package is not a choice of the owner. */
    if (fr_setup_section(env, false, "sinks") == FR_YAML_SECTION_EMPTY &&
        (fr_setup_set_yaml(env, "sinks", "{}", error) != 0 || sinks_clear_routes(env, error) != 0))
        return -1;
    for (size_t i = 0; i < KINDS; i++)
        if (wanted[i] && sinks_add(env, &sinks_kinds[i], error) != 0)
            return -1;
    if (fr_setup_reload_daemon(env, error) != 0)
        return -1;
    env->wait_ms = CONNECT_MS;
    fr_setup_wait(env, "the sinks", sinks_work, NULL, &note);
    env->wait_ms = wait_ms;
    return 0;
}

const struct fr_setup_step fr_setup_step_sinks = {"sinks", "the sinks", sinks_check, sinks_run};
