#include "crowd.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench.h"

#define PATIENCE_MS 20000

/* In the crowd's process. */
static struct {
    int orders, reports;
} own;

static void crowd_report(const struct crowd_report *report)
{
    if (write(own.reports, report, sizeof *report) != (ssize_t)sizeof *report)
        _exit(EXIT_FAILURE);
}

static void crowd_report_begin(void *ctx)
{
    const struct crowd_report begun = {.failed = false};

    (void)ctx;
    crowd_report(&begun);
}

static void crowd_execute(struct fr_load *load, const struct crowd_order *order,
                          struct crowd_report *report)
{
    struct fr_error error;

    switch (order->action) {
    case CROWD_CONNECT:
        report->failed = fr_load_connect(load, &error) != 0;
        if (report->failed)
            snprintf(report->text, sizeof report->text, "%.159s", error.text);
        break;
    case CROWD_SEND:
        fr_load_send(load, &order->phase, &report->result);
        break;
    case CROWD_STORM:
        fr_load_storm(load, order->limit_ms, &report->storm);
        break;
    }
}

static void crowd_run(struct fr_load_settings settings)
{
    struct fr_error error;
    struct fr_load *load;
    struct crowd_order order;

    settings.connected = crowd_report_begin;
    load = fr_load_new(&settings, bench.pki, &error);
    if (load == NULL)
        fprintf(stderr, "%s\n", error.text);
    while (load != NULL && read(own.orders, &order, sizeof order) == (ssize_t)sizeof order) {
        struct crowd_report report = {.failed = false};

        crowd_execute(load, &order, &report);
        crowd_report(&report);
    }
    _exit(EXIT_SUCCESS);
}

struct crowd crowd_start(const struct fr_load_settings *settings, int nice_value)
{
    struct crowd crowd;
    int orders[2], reports[2];

    fflush(stdout);
    if (pipe2(orders, O_CLOEXEC) != 0 || pipe2(reports, O_CLOEXEC) != 0 ||
        (crowd.pid = fork()) < 0) {
        perror("a process for vehicles");
        exit(EXIT_FAILURE);
    }
    if (crowd.pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        setpriority(PRIO_PROCESS, 0, nice_value);
        close(orders[1]);
        close(reports[0]);
        own.orders = orders[0];
        own.reports = reports[1];
        crowd_run(*settings);
    }
    close(orders[0]);
    close(reports[1]);
    crowd.orders = orders[1];
    crowd.reports = reports[0];
    return crowd;
}

void crowd_order(const struct crowd *crowd, const struct crowd_order *order)
{
    if (write(crowd->orders, order, sizeof *order) != (ssize_t)sizeof *order)
        fputs("a process with vehicles has ended\n", stderr);
}

void crowd_send(const struct crowd *crowd, double rate, int64_t duration_ms)
{
    crowd_order(crowd, &(struct crowd_order){.action = CROWD_SEND,
                                             .phase = {rate, duration_ms, PATIENCE_MS}});
}

void crowd_wait(const struct crowd *crowd, struct crowd_report *report)
{
    memset(report, 0, sizeof *report);
    if (read(crowd->reports, report, sizeof *report) == (ssize_t)sizeof *report)
        return;
    report->failed = true;
    snprintf(report->text, sizeof report->text, "a process with vehicles has ended");
}

void crowd_end_sending(const struct crowd *crowd)
{
    kill(crowd->pid, SIGINT);
}

void crowd_kill(struct crowd *crowd)
{
    kill(crowd->pid, SIGKILL);
    waitpid(crowd->pid, NULL, 0);
    close(crowd->orders);
    close(crowd->reports);
}
