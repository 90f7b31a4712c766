#include "sink_rows.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"
#include "report.h"
#include "util/memory.h"

#define SINKS_MS 8000
#define LINE_SIZE 4096

static double sink_number(const json_t *row, const char *key)
{
    return json_number_value(json_object_get(row, key));
}

/* Print a row of sinks.py and store it. */
static void sink_row(json_t *row)
{
    const char *load = json_string_value(json_object_get(row, "load"));
    const char *name = json_string_value(json_object_get(row, "name"));
    const char *fault = json_string_value(json_object_get(row, "error"));

    if (load == NULL || name == NULL || fault != NULL) {
        printf("%-18s %s\n", name != NULL ? name : "", fault != NULL ? fault : "no row");
        json_decref(row);
        return;
    }
    printf("%-18s %10.0f %10.2f %10.2f %10.2f %8.1f %8.0f %8.0f %8.2f\n", name,
           sink_number(row, "messages_s"), sink_number(row, "cpu_us"),
           sink_number(row, "sink_cpu_us"), sink_number(row, "server_cpu_us"),
           sink_number(row, "max_mb"), sink_number(row, "lag"), sink_number(row, "lag_left"),
           sink_number(row, "drain_s"));
    fflush(stdout);
    report_json("sinks", load, name, row);
}

void sink_rows(void)
{
    char *command =
        fr_asprintf("python3 %s/tests/bench/sinks.py --seconds %.3f%s%s", TOP_SRCDIR,
                    (double)bench_ms(SINKS_MS) / 1000, bench.kafka != NULL ? " --kafka " : "",
                    bench.kafka != NULL ? bench.kafka : "");
    FILE *pipe = popen(command, "r");
    char line[LINE_SIZE];

    printf(
        "\nMicroseconds of CPU time for a message of 8 values: of the daemon, of the sink's thread "
        "and its library's, of\nthe server. lag: records that were not delivered when the last "
        "message was acknowledged. left: %d s later.\n"
        "%-18s %10s %10s %10s %10s %8s %8s %8s %8s\n",
        60, "", "messages/s", "daemon us", "sink us", "server us", "max MB", "lag", "left",
        "drain s");
    while (pipe != NULL && fgets(line, sizeof line, pipe) != NULL) {
        json_t *row = json_loads(line, 0, NULL);

        if (row != NULL)
            sink_row(row);
    }
    if (pipe == NULL || pclose(pipe) != 0)
        printf("%s has failed\n", command);
    free(command);
}
