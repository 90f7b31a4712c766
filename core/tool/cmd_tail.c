/* fleetroute tail: prints decoded records as the daemon receives them, one line for each value. */
#include <getopt.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/suggest.h"
#include "record/field_catalogue.h"
#include "tool/commands.h"
#include "tool/control_client.h"
#include "tool/value_text.h"

#define FIELDS_MAX 64

static const char help[] =
    "usage: fleetroute tail [-s SOCKET] [--vin VIN] [--field NAME]... [-n COUNT] [--json] "
    "[--redact]\n"
    "Prints the records that vehicles send, one line for each value, until it is interrupted.\n"
    "\n"
    "  -s, --socket PATH  the daemon's control socket (" FR_CONTROL_PATH ")\n"
    "      --vin VIN      print only this vehicle\n"
    "      --field NAME   print only this field; may be repeated, up to 64 times\n"
    "  -n, --count COUNT  exit after this number of lines\n"
    "      --json         print one JSON object for each record\n"
    "      --redact       redact VINs and positions\n"
    "  -h, --help         print this help and exit\n";

struct tail_view {
    const char *fields[FIELDS_MAX];
    size_t field_count;
    bool as_json;
    long long remaining; /* lines to print; -1: no limit */
};

static bool tail_includes_field(const struct tail_view *view, const char *field)
{
    for (size_t i = 0; i < view->field_count; i++)
        if (strcmp(view->fields[i], field) == 0)
            return true;
    return view->field_count == 0;
}

static void tail_end_line(struct tail_view *view)
{
    putchar('\n');
    if (view->remaining > 0)
        view->remaining--;
}

static const char *tail_text_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));

    return text != NULL ? text : "";
}

static bool tail_contains(const json_t *list, const char *word)
{
    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *text = json_string_value(json_array_get(list, i));

        if (text != NULL && strcmp(text, word) == 0)
            return true;
    }
    return false;
}

static void tail_print_head(const json_t *record)
{
    const char *at = tail_text_of(record, "created_at");

    if (at[0] == '\0')
        at = tail_text_of(record, "received_at");
    printf("%.12s  %s  ", strlen(at) > 11 ? at + 11 : "", tail_text_of(record, "vin"));
}

static void tail_print_data(struct tail_view *view, json_t *record)
{
    json_t *value;
    const char *key;

    json_object_foreach(json_object_get(record, "data"), key, value)
    {
        const struct fr_field *field = fr_field_by_name(key);

        if (!tail_includes_field(view, key) || view->remaining == 0)
            continue;
        tail_print_head(record);
        printf("%-28s ", key);
        if (tail_contains(json_object_get(record, "invalid"), key))
            fputs("invalid", stdout);
        else
            fr_value_print(value);
        if (field != NULL && field->unit[0] != '\0' && !json_is_null(value))
            printf(" %s", field->unit);
        if (json_is_true(json_object_get(record, "resend")))
            fputs("  (resent)", stdout);
        tail_end_line(view);
    }
}

static void tail_print_other(struct tail_view *view, json_t *record)
{
    static const char *const lists[] = {"alerts", "errors"};
    const char *type = tail_text_of(record, "type");

    if (view->field_count != 0)
        return;
    for (size_t i = 0; i < 2; i++) {
        const json_t *list = json_object_get(record, lists[i]);

        for (size_t k = 0; k < json_array_size(list) && view->remaining != 0; k++) {
            tail_print_head(record);
            printf("%-28s %s", type, tail_text_of(json_array_get(list, k), "name"));
            tail_end_line(view);
        }
    }
    if (json_object_get(record, "status") != NULL) {
        tail_print_head(record);
        printf("%-28s %s %s", type, tail_text_of(record, "status"),
               tail_text_of(record, "networkInterface"));
        tail_end_line(view);
    }
}

static void tail_print_line(struct tail_view *view, const char *line)
{
    json_t *record = json_loads(line, JSON_ALLOW_NUL, NULL);
    const json_t *skipped = json_object_get(record, "skipped");

    if (record == NULL)
        return;
    if (view->as_json) {
        fputs(line, stdout);
        if (skipped == NULL && view->remaining > 0)
            view->remaining--;
    } else if (skipped != NULL)
        printf("(%lld record%s skipped: the output is too slow)\n",
               (long long)json_integer_value(skipped),
               json_integer_value(skipped) == 1 ? " was" : "s were");
    else if (strcmp(tail_text_of(record, "type"), "V") == 0)
        tail_print_data(view, record);
    else
        tail_print_other(view, record);
    json_decref(record);
    if (fflush(stdout) != 0)
        view->remaining = 0;
}

static int tail_follow(struct tail_view *view, const char *path, const char *vin, bool redact)
{
    char request[160], *line = NULL;
    struct fr_error error;
    size_t size = 0;
    FILE *stream;

    snprintf(request, sizeof request, "tail%s%s%.100s", redact ? " redact" : "",
             vin != NULL ? " vin=" : "", vin != NULL ? vin : "");
    stream = fr_control_request(path, request, &error);
    if (stream == NULL) {
        fprintf(stderr, "fleetroute tail: %s\n", error.text);
        return EXIT_FAILURE;
    }
    while (view->remaining != 0 && getline(&line, &size, stream) > 0)
        tail_print_line(view, line);
    free(line);
    fclose(stream);
    return EXIT_SUCCESS;
}

static int tail_add_field(struct tail_view *view, const char *name)
{
    struct fr_suggestion suggestion = fr_suggest_begin(name);

    for (uint32_t i = 0; i < fr_field_count(); i++)
        fr_suggest_try(&suggestion, fr_field_by_number(i)->name);
    if (fr_field_number(name) < 0) {
        const char *best = fr_suggest_best(&suggestion);

        fprintf(stderr, "fleetroute tail: there is no field \"%s\"%s%s%s\n", name,
                best ? "; did you mean \"" : "", best ? best : "", best ? "\"?" : "");
        return -1;
    }
    if (view->field_count < FIELDS_MAX)
        view->fields[view->field_count++] = name;
    return 0;
}

int fr_cmd_tail(int argc, char **argv)
{
    static const struct option longs[] = {
        {"socket", required_argument, NULL, 's'}, {"vin", required_argument, NULL, 'v'},
        {"field", required_argument, NULL, 'f'},  {"count", required_argument, NULL, 'n'},
        {"json", no_argument, NULL, 'j'},         {"redact", no_argument, NULL, 'r'},
        {"help", no_argument, NULL, 'h'},         {NULL, 0, NULL, 0},
    };
    const char *path = FR_CONTROL_PATH, *vin = NULL;
    struct tail_view view = {.remaining = -1};
    bool redact = false;
    int option;

    while ((option = getopt_long(argc, argv, "s:n:h", longs, NULL)) != -1) {
        switch (option) {
        case 's':
            path = optarg;
            break;
        case 'v':
            vin = optarg;
            break;
        case 'f':
            if (tail_add_field(&view, optarg) != 0)
                return EXIT_FAILURE;
            break;
        case 'n':
            view.remaining = strtoll(optarg, NULL, 10);
            break;
        case 'j':
            view.as_json = true;
            break;
        case 'r':
            redact = true;
            break;
        case 'h':
            fputs(help, stdout);
            return EXIT_SUCCESS;
        default:
            return EXIT_FAILURE;
        }
    }
    return tail_follow(&view, path, vin, redact);
}
