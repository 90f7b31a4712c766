/* fleetroute status: what the daemon says of itself. */
#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include "tool/commands.h"
#include "tool/control_client.h"
#include "tool/daemon_options.h"

static const char help[] =
    "usage: fleetroute status [-s SOCKET] [--json]\n"
    "Shows how the daemon is: vehicles, records, sinks.\n"
    "\n"
    "  -s, --socket PATH  the daemon's control socket (" FR_CONTROL_PATH ")\n"
    "      --json         one JSON object with every counter\n"
    "  -h, --help         show this\n";

static long long number(const json_t *object, const char *key)
{
    return (long long)json_integer_value(json_object_get(object, key));
}

static void show_journal(const json_t *journal)
{
    const char *why = json_string_value(json_object_get(journal, "why"));

    if (!json_is_object(journal))
        return;
    printf("journal %-13s %-8s %lld records, %.1f of %.1f MB%s%s\n", "",
           json_string_value(json_object_get(journal, "health")), number(journal, "records"),
           (double)number(journal, "record_bytes") / 1e6, (double)number(journal, "size") / 1e6,
           why != NULL && why[0] != '\0' ? ": " : "", why != NULL ? why : "");
}

static void show_sink(const char *name, const json_t *sink)
{
    const json_t *deleted = json_object_get(sink, "deleted_undelivered");

    printf("sink %-16s %-8s %lld delivered, %lld behind, ", name,
           json_string_value(json_object_get(sink, "health")), number(sink, "delivered"),
           json_object_get(sink, "behind") != NULL ? number(sink, "behind")
                                                   : number(sink, "unfinished"));
    if (deleted != NULL)
        printf("%lld deleted undelivered, ", (long long)json_integer_value(deleted));
    printf("%lld dropped, %lld refused, %lld set aside: %s\n", number(sink, "dropped"),
           number(sink, "refused"), number(sink, "dead_letters"),
           json_string_value(json_object_get(sink, "why")));
}

static void show(const json_t *status)
{
    const json_t *counters = json_object_get(status, "counters"), *sink;
    const char *name;

    printf("fleetrouted %s, up %lld s, %lld kB of memory, %lld vehicles connected\n",
           json_string_value(json_object_get(status, "version")),
           number(status, "uptime_ms") / 1000, number(status, "resident_kb"),
           number(status, "connections"));
    printf("%lld messages, %lld acknowledged, %lld refused\n", number(counters, "messages"),
           number(counters, "acknowledged"), number(counters, "error_replies"));
    show_journal(json_object_get(status, "journal"));
    json_object_foreach(json_object_get(status, "sinks"), name, sink) show_sink(name, sink);
    json_object_foreach(json_object_get(status, "sources"), name, sink)
        printf("source %-14s %-8s %lld submitted, %lld stored, %lld left out: %s\n", name,
               json_string_value(json_object_get(sink, "health")), number(sink, "submitted"),
               number(sink, "stored"), number(sink, "left_out"),
               json_string_value(json_object_get(sink, "why")));
}

int fr_cmd_status(int argc, char **argv)
{
    struct fr_daemon_options options;
    json_t *status;

    if (!fr_daemon_options(argc, argv, help, &options))
        return options.status;
    status = fr_control_order("fleetroute status", options.socket, "status");
    if (status == NULL)
        return EXIT_FAILURE;
    if (options.as_json)
        fr_show_json(status);
    else
        show(status);
    json_decref(status);
    return EXIT_SUCCESS;
}
