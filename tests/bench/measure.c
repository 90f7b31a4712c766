#include "measure.h"

#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "util/clock.h"

#define POLL_US 50000

double measure_cpu_seconds(pid_t pid)
{
    struct timespec t;
    clockid_t clock;

    if (clock_getcpuclockid(pid, &clock) != 0 || clock_gettime(clock, &t) != 0)
        return 0;
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* The value of one line of /proc/PID/status, in kB. */
static long measure_status_line(pid_t pid, const char *name)
{
    char path[64], line[256];
    size_t len = strlen(name);
    long kb = 0;
    FILE *file;

    snprintf(path, sizeof path, "/proc/%d/status", (int)pid);
    file = fopen(path, "r");
    while (file != NULL && fgets(line, sizeof line, file) != NULL)
        if (strncmp(line, name, len) == 0 && line[len] == ':')
            sscanf(line + len + 1, "%ld", &kb);
    if (file != NULL)
        fclose(file);
    return kb;
}

long measure_resident_kb(pid_t pid)
{
    return measure_status_line(pid, "VmRSS");
}

long measure_anonymous_kb(pid_t pid)
{
    return measure_status_line(pid, "RssAnon");
}

static bool measure_is_delivered(json_t *status)
{
    const char *name;
    json_t *sink;

    json_object_foreach(json_object_get(status, "sinks"), name,
                        sink) if (json_integer_value(json_object_get(sink, "lag")) != 0 ||
                                  json_integer_value(json_object_get(sink, "unfinished")) !=
                                      0) return false;
    return status != NULL;
}

bool measure_wait_delivered(struct server server, int64_t limit_ms)
{
    int64_t end_ms = fr_monotonic_ms() + limit_ms;
    bool delivered = server.is_floor;

    while (!delivered && fr_monotonic_ms() < end_ms) {
        json_t *status = server_status(server);

        delivered = measure_is_delivered(status);
        json_decref(status);
        if (!delivered)
            usleep(POLL_US);
    }
    return delivered;
}

uint64_t measure_counter(struct server server, const char *name)
{
    json_t *status = server_status(server);
    json_int_t count =
        json_integer_value(json_object_get(json_object_get(status, "counters"), name));

    json_decref(status);
    return (uint64_t)count;
}
