#include "report.h"

#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

static struct {
    FILE *file;
    char commit[80], date[32], machine[256];
} report;

/* The first line that a command prints; "unknown" if it prints none. */
static void report_read_command(const char *command, char *line, int size)
{
    FILE *pipe = popen(command, "r");

    if (pipe == NULL || fgets(line, size, pipe) == NULL)
        snprintf(line, (size_t)size, "unknown");
    if (pipe != NULL)
        pclose(pipe);
    line[strcspn(line, "\n")] = '\0';
}

static void report_read_machine(void)
{
    char model[160];
    struct utsname system;

    report_read_command("sed -n 's/^model name[^:]*: //p' /proc/cpuinfo", model, sizeof model);
    uname(&system);
    snprintf(report.machine, sizeof report.machine, "%ld x %.120s, Linux %.60s",
             sysconf(_SC_NPROCESSORS_ONLN), model, system.release);
}

int report_open(const char *path)
{
    time_t now = time(NULL);
    struct tm utc;

    if (path == NULL)
        return 0;
    report.file = fopen(path, "ae");
    if (report.file == NULL) {
        perror(path);
        return -1;
    }
    report_read_command("git describe --always --dirty --abbrev=10 --exclude '*' 2>/dev/null",
                        report.commit, sizeof report.commit);
    strftime(report.date, sizeof report.date, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&now, &utc));
    report_read_machine();
    return 0;
}

void report_json(const char *group, const char *load, const char *name, json_t *values)
{
    json_t *row;

    if (report.file != NULL) {
        row = json_pack("{s:s,s:s,s:s,s:s,s:s,s:s}", "commit", report.commit, "date", report.date,
                        "machine", report.machine, "group", group, "load", load, "name", name);
        json_object_update(row, values);
        json_dumpf(row, report.file, JSON_COMPACT | JSON_REAL_PRECISION(6));
        fputc('\n', report.file);
        fflush(report.file);
        json_decref(row);
    }
    json_decref(values);
}

void report_heading(bool from_due)
{
    printf(
        "\nDelays are from the time at which a message was %s to its acknowledgement, measured by "
        "the generator.\nCPU time of the server counts until every record is delivered. late: "
        "p99 by which the generator sent after\nthe due time. silent: seconds without an "
        "acknowledgement. gap: longest time without one.\n",
        from_due ? "due" : "sent");
    printf("%-42s %8s %9s %8s %7s %8s %8s %7s %6s %8s %7s %7s\n", "", "ack/s", "ack/CPU-s",
           "of floor", "p50 ms", "p99 ms", "max ms", "late ms", "silent", "gap ms", "drain s",
           "max MB");
}

static void report_print_faults(const struct report_row *row)
{
    const struct fr_load_result *r = &row->result;

    if (r->unanswered != 0 || r->disconnects != 0 || r->dropped != 0 || r->refused != 0)
        printf("%-42s %llu never acknowledged, %llu refused, %llu dropped by vehicles, %llu "
               "disconnects\n",
               "", (unsigned long long)r->unanswered, (unsigned long long)r->refused,
               (unsigned long long)r->dropped, (unsigned long long)r->disconnects);
    if (!row->delivered)
        printf("%-42s not all records were delivered: the CPU time is too small\n", "");
}

void report_row(const struct report_row *row)
{
    const struct fr_load_result *r = &row->result;
    double per_cpu = row->cpu_s > 0 ? (double)r->acknowledged / row->cpu_s : 0;
    double per_s = r->seconds > 0 ? (double)r->acknowledged / r->seconds : 0;
    char label[96], floor[16] = "";

    snprintf(label, sizeof label, "%s: %s", row->load, row->name);
    if (row->of_floor > 0)
        snprintf(floor, sizeof floor, "%.2f", row->of_floor);
    printf("%-42s %8.0f %9.0f %8s %7.2f %8.2f %8.1f %7.2f %6u %8.0f %7.1f %7.1f\n", label, per_s,
           per_cpu, floor, r->p50_ms, r->p99_ms, r->max_ms, r->late_p99_ms, r->silent_seconds,
           r->max_gap_ms, row->drain_s, row->max_mb);
    report_print_faults(row);
    fflush(stdout);
    report_json(row->group, row->load, row->name,
                json_pack("{s:f,s:f,s:f,s:s,s:f,s:f,s:f,s:f,s:i,s:f,s:f,s:f,s:f,s:I,s:I,s:b}",
                          "ack_s", per_s, "ack_cpu_s", per_cpu, "of_floor", row->of_floor,
                          "delays_from", row->from_due ? "due" : "sent", "p50_ms", r->p50_ms,
                          "p99_ms", r->p99_ms, "max_ms", r->max_ms, "late_p99_ms", r->late_p99_ms,
                          "silent_s", (int)r->silent_seconds, "max_gap_ms", r->max_gap_ms,
                          "drain_s", row->drain_s, "cpu_s", row->cpu_s, "max_mb", row->max_mb,
                          "unanswered", (json_int_t)r->unanswered, "disconnects",
                          (json_int_t)r->disconnects, "delivered", (int)row->delivered));
}
