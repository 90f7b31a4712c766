/* fleetroute history: prints what the daemon has stored of a vehicle. */
#include <getopt.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "config/yaml_values.h"
#include "tool/commands.h"
#include "tool/control_client.h"
#include "tool/value_text.h"
#include "util/memory.h"

static const char help[] =
    "usage: fleetroute history [OPTIONS] VIN FIELD...\n"
    "       fleetroute history [OPTIONS] --sessions|--track|--alerts|--connections|--signals VIN\n"
    "Prints the values of fields in the last day; or drives and charges, the track of the last\n"
    "drive, alerts, connections, or signals by field with Tesla's price.\n"
    "\n"
    "  -l, --last TIME    begin this long ago: \"1 h\", \"7 d\"\n"
    "  -n, --points N     print at most N lines of each field (50)\n"
    "      --sessions     print drives and charges, newest first\n"
    "      --track        print the track of the last drive, or of --last\n"
    "      --alerts       print alerts, newest first\n"
    "      --connections  print connections, newest first\n"
    "      --signals      print the number of signals by field\n"
    "  -s, --socket PATH  the daemon's control socket (" FR_CONTROL_PATH ")\n"
    "      --json         print one JSON object\n"
    "  -h, --help         print this help and exit\n";

struct history_options {
    const char *socket, *what;
    int64_t last_ms; /* 0: the default of the daemon */
    const char *points;
    bool as_json;
};

/* ---- output ---------------------------------------------------------------------- */

/* Print a time in ms since 1970 as local time. */
static void history_print_time(const json_t *ms)
{
    time_t seconds = (time_t)(json_number_value(ms) / 1000);
    struct tm local;
    char text[32] = "-";

    if (json_is_number(ms) && localtime_r(&seconds, &local) != NULL)
        strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S", &local);
    printf("%-19s", text);
}

static const json_t *history_cell(const json_t *object, const char *column, size_t row)
{
    return json_array_get(json_object_get(object, column), row);
}

static void history_print_number(const char *before, const json_t *number, const char *unit)
{
    if (json_is_number(number))
        printf("%s%.6g%s", before, json_number_value(number), unit);
}

static void history_print_track(const json_t *track)
{
    for (size_t i = 0; i < json_array_size(json_object_get(track, "t")); i++) {
        history_print_time(history_cell(track, "t", i));
        printf("  %.6f, %.6f\n", json_number_value(history_cell(track, "lat", i)),
               json_number_value(history_cell(track, "lon", i)));
    }
}

static void history_print_series(const json_t *series)
{
    const char *unit = json_string_value(json_object_get(series, "unit"));
    const char *kind = json_string_value(json_object_get(series, "kind"));
    bool states = kind != NULL && strcmp(kind, "states") == 0;

    printf("%s%s%s\n", json_string_value(json_object_get(series, "field")),
           unit != NULL && unit[0] != '\0' ? ", " : "", unit != NULL ? unit : "");
    if (kind != NULL && strcmp(kind, "positions") == 0) {
        history_print_track(series);
        return;
    }
    for (size_t i = 0; i < json_array_size(json_object_get(series, "t")); i++) {
        history_print_time(history_cell(series, "t", i));
        fputs("  ", stdout);
        if (states)
            fr_value_print(history_cell(series, "v", i));
        else {
            double min = json_number_value(history_cell(series, "min", i));
            double max = json_number_value(history_cell(series, "max", i));

            printf("%.6g", json_number_value(history_cell(series, "avg", i)));
            if (min < max)
                printf("  (%.6g to %.6g)", min, max);
        }
        putchar('\n');
    }
}

static void history_print_session(const json_t *s)
{
    printf("%-7s", json_string_value(json_object_get(s, "kind")));
    history_print_time(json_object_get(s, "begin"));
    fputs(" to ", stdout);
    if (json_is_true(json_object_get(s, "open")))
        fputs("now", stdout);
    else
        history_print_time(json_object_get(s, "end"));
    history_print_number("  ", json_object_get(s, "distance_mi"), " mi");
    history_print_number("  ", json_object_get(s, "energy_kwh"), " kWh");
    history_print_number("  ", json_object_get(s, "soc_begin"), "");
    history_print_number(" to ", json_object_get(s, "soc_end"), " %");
    putchar('\n');
}

static void history_print_alert(const json_t *alert)
{
    history_print_time(json_object_get(alert, "begin"));
    fputs(" to ", stdout);
    history_print_time(json_object_get(alert, "end"));
    fputs("  ", stdout);
    fr_text_print(json_string_value(json_object_get(alert, "name")));
    putchar('\n');
}

static void history_print_connection(const json_t *c)
{
    history_print_time(json_object_get(c, "at"));
    printf("  %s %s ", json_string_value(json_object_get(c, "of")),
           json_is_true(json_object_get(c, "connected")) ? "connected" : "disconnected");
    fr_text_print(json_string_value(json_object_get(c, "network")));
    putchar('\n');
}

static void history_print_signals(const json_t *field)
{
    const char *name = json_string_value(json_object_get(field, "field"));

    printf("%-40s %10.0f  US$ %.4f\n", name != NULL ? name : "(not in the catalogue)",
           json_number_value(json_object_get(field, "signals")),
           json_number_value(json_object_get(field, "usd")));
}

static void history_print(const json_t *reply)
{
    static const struct {
        const char *key;
        void (*print)(const json_t *row);
    } lists[] = {{"series", history_print_series},
                 {"sessions", history_print_session},
                 {"alerts", history_print_alert},
                 {"connections", history_print_connection},
                 {"fields", history_print_signals}};

    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
        const json_t *list = json_object_get(reply, lists[i].key);

        for (size_t row = 0; row < json_array_size(list); row++)
            lists[i].print(json_array_get(list, row));
    }
    history_print_track(reply);
    if (json_object_get(reply, "fields") != NULL)
        printf("%-40s %10.0f  US$ %.4f\n", "all",
               json_number_value(json_object_get(reply, "signals")),
               json_number_value(json_object_get(reply, "usd")));
}

/* ---- the command line ------------------------------------------------------------ */

enum { OPTION_JSON = 256, OPTION_WHAT };

static bool history_read_option(struct history_options *o, int option, const char *name)
{
    switch (option) {
    case 's':
        o->socket = optarg;
        return true;
    case 'n':
        o->points = optarg;
        return true;
    case OPTION_JSON:
        o->as_json = true;
        return true;
    case OPTION_WHAT:
        o->what = name;
        return true;
    case 'l':
        if (fr_parse_duration(optarg, &o->last_ms) && o->last_ms > 0)
            return true;
        fprintf(stderr, "fleetroute history: --last must be a time such as \"1 h\" or \"7 d\"\n");
        return false;
    default:
        return false;
    }
}

/* Read the options. Returns -1 to continue, or the exit status. */
static int history_read_options(int argc, char **argv, struct history_options *o)
{
    static const struct option longs[] = {
        {"last", required_argument, NULL, 'l'},
        {"points", required_argument, NULL, 'n'},
        {"socket", required_argument, NULL, 's'},
        {"json", no_argument, NULL, OPTION_JSON},
        {"sessions", no_argument, NULL, OPTION_WHAT},
        {"track", no_argument, NULL, OPTION_WHAT},
        {"alerts", no_argument, NULL, OPTION_WHAT},
        {"connections", no_argument, NULL, OPTION_WHAT},
        {"signals", no_argument, NULL, OPTION_WHAT},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    int option, index = 0;

    while ((option = getopt_long(argc, argv, "l:n:s:h", longs, &index)) != -1) {
        if (option == 'h') {
            fputs(help, stdout);
            return EXIT_SUCCESS;
        }
        if (!history_read_option(o, option, longs[index].name))
            return EXIT_FAILURE;
    }
    return -1;
}

/* The control command "history WHAT VIN QUERY". The caller frees it. */
static char *history_request(const struct history_options *o, int count, char **arguments)
{
    char *request = fr_asprintf("history %s %s points=%s", o->what, arguments[0], o->points), *more;

    if (o->last_ms > 0) {
        more = fr_asprintf("%s&from=-%lld", request, (long long)o->last_ms);
        free(request);
        request = more;
    }
    for (int i = 1; i < count; i++) {
        more = fr_asprintf("%s%s%s", request, i == 1 ? "&fields=" : ",", arguments[i]);
        free(request);
        request = more;
    }
    return request;
}

int fr_cmd_history(int argc, char **argv)
{
    struct history_options options = {FR_CONTROL_PATH, "fields", 0, "50", false};
    int status = history_read_options(argc, argv, &options);
    bool fields = strcmp(options.what, "fields") == 0;
    json_t *reply;
    char *request;

    if (status >= 0)
        return status;
    if (fields ? optind + 1 >= argc : optind + 1 != argc) {
        fprintf(stderr, "fleetroute history: %s\n",
                fields ? "a VIN and a field are required" : "one VIN is required");
        return EXIT_FAILURE;
    }
    request = history_request(&options, argc - optind, argv + optind);
    reply = fr_control_command("fleetroute history", options.socket, request);
    free(request);
    if (reply == NULL)
        return EXIT_FAILURE;
    if (options.as_json) {
        json_dumpf(reply, stdout, JSON_INDENT(2));
        putchar('\n');
    } else
        history_print(reply);
    json_decref(reply);
    return EXIT_SUCCESS;
}
