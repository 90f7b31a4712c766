/* fleetroute status: prints the status of the daemon. */
#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include "tool/commands.h"
#include "tool/control_client.h"
#include "tool/daemon_options.h"
#include "util/plural.h"

static const char help[] =
    "usage: fleetroute status [-s SOCKET] [--json]\n"
    "Prints the status of the daemon: vehicles, records, journal, sinks, sources, and of the\n"
    "upkeep at Tesla.\n"
    "\n"
    "  -s, --socket PATH  the daemon's control socket (" FR_CONTROL_PATH ")\n"
    "      --json         print one JSON object with all counters\n"
    "  -h, --help         print this help and exit\n";

static long long status_number(const json_t *object, const char *key)
{
    return (long long)json_integer_value(json_object_get(object, key));
}

static void status_print_journal(const json_t *journal)
{
    const char *why = json_string_value(json_object_get(journal, "why"));

    if (!json_is_object(journal))
        return;
    printf("journal %-13s %-8s %lld record%s, %.1f of %.1f MB%s%s\n", "",
           json_string_value(json_object_get(journal, "health")), status_number(journal, "records"),
           fr_plural((uint64_t)status_number(journal, "records")),
           (double)status_number(journal, "record_bytes") / 1e6,
           (double)status_number(journal, "size") / 1e6, why != NULL && why[0] != '\0' ? ": " : "",
           why != NULL ? why : "");
}

/* Only while handshakes wait, which is after a restart and after an outage. */
static void status_print_handshakes(const json_t *handshakes)
{
    long long waiting =
        status_number(handshakes, "waiting") + status_number(handshakes, "waiting_in_kernel");

    if (waiting > 0)
        printf("handshakes %-10s %-8s %lld connection%s wait, the longest wait was %.1f s\n", "",
               "busy", waiting, fr_plural((uint64_t)waiting),
               (double)status_number(handshakes, "longest_wait_ms") / 1000);
}

static void status_print_certificate(const json_t *certificate)
{
    if (json_is_object(certificate))
        printf("certificate %-9s %-8s %s\n", "",
               json_string_value(json_object_get(certificate, "health")),
               json_string_value(json_object_get(certificate, "why")));
}

static void status_print_sink(const char *name, const json_t *sink)
{
    const json_t *deleted = json_object_get(sink, "deleted_undelivered");

    printf("sink %-16s %-8s %lld delivered, lag %lld, ", name,
           json_string_value(json_object_get(sink, "health")), status_number(sink, "delivered"),
           json_object_get(sink, "lag") != NULL ? status_number(sink, "lag")
                                                : status_number(sink, "unfinished"));
    if (deleted != NULL)
        printf("%lld deleted undelivered, ", (long long)json_integer_value(deleted));
    printf("%lld dropped, %lld refused, %lld dead-lettered: %s\n", status_number(sink, "dropped"),
           status_number(sink, "refused"), status_number(sink, "dead_letters"),
           json_string_value(json_object_get(sink, "why")));
}

static void status_print_keep(const json_t *keep)
{
    const json_t *vehicles = json_object_get(keep, "vehicles");

    if (!json_is_object(keep))
        return;
    printf("keep %-16s %-8s %lld of %lld vehicle%s with a valid configuration: %s\n", "",
           json_string_value(json_object_get(keep, "health")), status_number(vehicles, "valid"),
           status_number(vehicles, "known"), fr_plural((uint64_t)status_number(vehicles, "known")),
           json_string_value(json_object_get(keep, "why")));
}

static void status_print(const json_t *status)
{
    const json_t *counters = json_object_get(status, "counters"), *sink;
    const char *name;

    printf("fleetrouted %s, up %lld s, %lld kB of memory, %lld vehicle%s connected\n",
           json_string_value(json_object_get(status, "version")),
           status_number(status, "uptime_ms") / 1000, status_number(status, "resident_kb"),
           status_number(status, "connections"),
           fr_plural((uint64_t)status_number(status, "connections")));
    printf("%lld message%s, %lld acknowledged, %lld refused\n", status_number(counters, "messages"),
           fr_plural((uint64_t)status_number(counters, "messages")),
           status_number(counters, "acknowledged"), status_number(counters, "error_replies"));
    status_print_handshakes(json_object_get(status, "handshakes"));
    status_print_certificate(json_object_get(status, "certificate"));
    status_print_journal(json_object_get(status, "journal"));
    json_object_foreach(json_object_get(status, "sinks"), name, sink) status_print_sink(name, sink);
    json_object_foreach(json_object_get(status, "sources"), name, sink)
        printf("source %-14s %-8s %lld submitted, %lld stored, %lld skipped: %s\n", name,
               json_string_value(json_object_get(sink, "health")), status_number(sink, "submitted"),
               status_number(sink, "stored"), status_number(sink, "skipped"),
               json_string_value(json_object_get(sink, "why")));
    status_print_keep(json_object_get(status, "keep"));
}

int fr_cmd_status(int argc, char **argv)
{
    struct fr_daemon_options options;
    json_t *status;

    if (!fr_daemon_options(argc, argv, help, &options))
        return options.status;
    status = fr_control_command("fleetroute status", options.socket, "status");
    if (status == NULL)
        return EXIT_FAILURE;
    if (options.as_json)
        fr_print_json(status);
    else
        status_print(status);
    json_decref(status);
    return EXIT_SUCCESS;
}
