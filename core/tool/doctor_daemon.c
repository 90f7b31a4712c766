#include "tool/doctor_daemon.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "tool/control_client.h"
#include "util/buffer.h"
#include "util/clock.h"
#include "util/memory.h"
#include "util/redact.h"

#define VEHICLE_SILENT_S (3 * FR_DOCTOR_DAY_S) /* longer than a parked vehicle sleeps at a time */
#define DISK_MIN_BYTES 67108864

static json_t *daemon_ask(const struct fr_doctor *doctor, const char *request,
                          struct fr_error *error)
{
    return fr_control_ask(doctor->server->control, request, FR_DOCTOR_STEP_MS, error);
}

static const char *daemon_text(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));

    return text != NULL ? text : "";
}

int64_t fr_doctor_number(const json_t *object, const char *key)
{
    int64_t number = json_integer_value(json_object_get(object, key));

    if (number < 0)
        return 0;
    return number < FR_DOCTOR_NUMBER_MAX ? number : FR_DOCTOR_NUMBER_MAX;
}

/* ---- daemon ---------------------------------------------------------------------- */

/* For a socket that this user may not use, the error has the remedy. */
static const char *daemon_start_remedy(const char *socket)
{
    if (access(socket, F_OK) == 0 && access(socket, W_OK) != 0)
        return NULL;
    return "start it: systemctl restart fleetroute; its log has the reason if it ends";
}

static void daemon_check_running(struct fr_doctor *doctor)
{
    struct fr_error error;
    const char *version;

    doctor->status = daemon_ask(doctor, "status", &error);
    if (doctor->status == NULL) {
        fr_doctor_report(doctor, FR_DOCTOR_FAILURE, NULL,
                         daemon_start_remedy(doctor->server->control),
                         "fleetrouted does not answer: %s", error.text);
        return;
    }
    version = daemon_text(doctor->status, "version");
    if (strcmp(version, PACKAGE_VERSION) != 0)
        fr_doctor_report(doctor, FR_DOCTOR_WARNING, NULL,
                         "restart it: systemctl restart fleetroute",
                         "fleetrouted %s runs, and this program is %s", version, PACKAGE_VERSION);
    else
        fr_doctor_report(doctor, FR_DOCTOR_OK, NULL, NULL, "fleetrouted %s runs, up %" PRId64 " s",
                         version, fr_doctor_number(doctor->status, "uptime_ms") / 1000);
}

/* ---- vehicles -------------------------------------------------------------------- */

/* "5 s", "3 min", "7 h" or "12 d". */
static const char *daemon_duration(int64_t seconds, char text[32])
{
    if (seconds < 0)
        seconds = 0;
    if (seconds < 120)
        snprintf(text, 32, "%" PRId64 " s", seconds);
    else if (seconds < 7200)
        snprintf(text, 32, "%" PRId64 " min", seconds / 60);
    else if (seconds < 2 * FR_DOCTOR_DAY_S)
        snprintf(text, 32, "%" PRId64 " h", seconds / 3600);
    else
        snprintf(text, 32, "%" PRId64 " d", seconds / FR_DOCTOR_DAY_S);
    return text;
}

int64_t fr_doctor_last_record_ms(const struct fr_doctor *doctor, const char *vin)
{
    char request[128];
    struct fr_error error;
    json_t *vehicle;
    int64_t last_ms;

    if (doctor->status == NULL)
        return 0;
    snprintf(request, sizeof request, "vehicle %.64s", vin);
    vehicle = daemon_ask(doctor, request, &error);
    last_ms = fr_doctor_number(vehicle, "last_ms");
    json_decref(vehicle);
    return last_ms;
}

static void daemon_report_vehicle(struct fr_doctor *doctor, const char *vin, const json_t *vehicle)
{
    int64_t last_ms = fr_doctor_number(vehicle, "last_ms"), age_s;
    bool is_connected = json_is_true(json_object_get(vehicle, "connected"));
    char age[32];

    age_s = (fr_wall_ms() - last_ms) / 1000;
    daemon_duration(age_s, age);
    if (last_ms == 0)
        fr_doctor_report(doctor, FR_DOCTOR_WARNING, vin,
                         "wake the vehicle with the Tesla app and wait up to half an hour; then "
                         "see the link vehicle_errors",
                         "%s, and has sent no record yet",
                         is_connected ? "connected" : "not connected");
    else if (is_connected || age_s < VEHICLE_SILENT_S)
        fr_doctor_report(doctor, FR_DOCTOR_OK, vin, NULL, "%s; last record %s ago",
                         is_connected ? "connected" : "not connected, as while it sleeps", age);
    else
        fr_doctor_report(doctor, FR_DOCTOR_WARNING, vin,
                         "wake the vehicle with the Tesla app; check its mobile network, and the "
                         "links vehicle_config and vehicle_errors",
                         "not connected; last record %s ago", age);
}

static void daemon_check_vehicles(struct fr_doctor *doctor)
{
    const struct fr_routing *routing = doctor->routing;
    bool is_any = false;

    for (size_t i = 0; routing != NULL && i < routing->vehicle_count; i++) {
        const char *vin = routing->vehicles[i].vin;
        char request[128];
        struct fr_error error;
        json_t *vehicle;

        if (!fr_doctor_wants_vehicle(doctor, i))
            continue;
        is_any = true;
        snprintf(request, sizeof request, "vehicle %.64s", vin);
        vehicle = daemon_ask(doctor, request, &error);
        if (vehicle != NULL)
            daemon_report_vehicle(doctor, vin, vehicle);
        else
            fr_doctor_report(doctor, FR_DOCTOR_WARNING, vin, NULL, "%s", error.text);
        json_decref(vehicle);
    }
    if (!is_any)
        fr_doctor_report(doctor, FR_DOCTOR_OK, NULL, NULL,
                         "%" PRId64 " of %" PRId64 " known vehicles are connected",
                         fr_doctor_number(doctor->status, "vehicles_connected"),
                         fr_doctor_number(doctor->status, "vehicles_known"));
}

/* ---- journal, disk --------------------------------------------------------------- */

static void daemon_check_journal(struct fr_doctor *doctor)
{
    const json_t *journal = json_object_get(doctor->status, "journal");

    if (!json_is_object(journal))
        fr_doctor_report(doctor, FR_DOCTOR_OK, NULL, NULL,
                         "off: records of a sink that is down are lost beyond its queue");
    else if (strcmp(daemon_text(journal, "health"), "up") == 0)
        fr_doctor_report(doctor, FR_DOCTOR_OK, NULL, NULL,
                         "up: %" PRId64 " records, %.1f of %.1f MB",
                         fr_doctor_number(journal, "records"),
                         (double)fr_doctor_number(journal, "record_bytes") / 1e6,
                         (double)fr_doctor_number(journal, "size") / 1e6);
    else
        fr_doctor_report(doctor, FR_DOCTOR_FAILURE, NULL,
                         "free disk space or correct the disk; vehicles keep their records until "
                         "then, and resend them",
                         "%s: %s", daemon_text(journal, "health"), daemon_text(journal, "why"));
}

/* Bytes that the journal may still grow by. */
static double daemon_journal_growth(const struct fr_doctor *doctor)
{
    const json_t *journal = json_object_get(doctor->status, "journal");
    double growth = (double)fr_doctor_number(journal, "size") -
                    (double)fr_doctor_number(journal, "record_bytes");

    return json_is_object(journal) && growth > 0 ? growth : 0;
}

static void daemon_check_disk(struct fr_doctor *doctor)
{
    const struct fr_server_config *server = doctor->server;
    const char *path =
        server->journal_on && server->journal_path != NULL ? server->journal_path : server->state;
    double growth = daemon_journal_growth(doctor), available;
    struct statvfs disk;

    if (path == NULL || statvfs(path, &disk) != 0) {
        fr_doctor_report(doctor, FR_DOCTOR_WARNING, NULL,
                         "run the command as root, or correct the path in fleetroute.yaml",
                         "%s: %s", path != NULL ? path : "state", strerror(errno));
        return;
    }
    available = (double)disk.f_bavail * (double)disk.f_frsize;
    if (available < DISK_MIN_BYTES)
        fr_doctor_report(doctor, FR_DOCTOR_FAILURE, NULL, "free disk space",
                         "%s: only %.1f MB are free", path, available / 1e6);
    else if (available < growth)
        fr_doctor_report(doctor, FR_DOCTOR_WARNING, NULL,
                         "free disk space, or lower `journal: size:`",
                         "%s: %.1f MB are free, and the journal may grow by %.1f MB", path,
                         available / 1e6, growth / 1e6);
    else
        fr_doctor_report(doctor, FR_DOCTOR_OK, NULL, NULL, "%s: %.1f MB are free", path,
                         available / 1e6);
}

/* ---- sinks, sources -------------------------------------------------------------- */

static enum fr_doctor_level daemon_level(const char *health)
{
    return strcmp(health, "up") == 0         ? FR_DOCTOR_OK
           : strcmp(health, "degraded") == 0 ? FR_DOCTOR_WARNING
                                             : FR_DOCTOR_FAILURE;
}

static void daemon_report_health(struct fr_doctor *doctor, const char *name, const json_t *part,
                                 const char *count)
{
    const char *health = daemon_text(part, "health"), *why = daemon_text(part, "why");
    enum fr_doctor_level level = daemon_level(health);

    fr_doctor_report(doctor, level, name,
                     level == FR_DOCTOR_OK ? NULL
                                           : "correct the cause; the daemon tries again by itself",
                     "%s %s, %" PRId64 " %s%s%s", daemon_text(part, "plugin"), health,
                     fr_doctor_number(part, count), count, why[0] != '\0' ? ": " : "", why);
}

static void daemon_check_parts(struct fr_doctor *doctor, const char *kind, const char *count)
{
    const json_t *part;
    const char *name;
    bool is_any = false;

    json_object_foreach(json_object_get(doctor->status, kind), name, part)
    {
        daemon_report_health(doctor, name, part, count);
        is_any = true;
    }
    if (!is_any)
        fr_doctor_report(doctor, FR_DOCTOR_OK, NULL, NULL, "no %s are configured", kind);
}

static void daemon_check_sinks(struct fr_doctor *doctor)
{
    daemon_check_parts(doctor, "sinks", "delivered");
}

static void daemon_check_sources(struct fr_doctor *doctor)
{
    daemon_check_parts(doctor, "sources", "stored");
}

const struct fr_doctor_check fr_doctor_daemon[] = {
    {"daemon", "fleetrouted runs", {"config"}, false, daemon_check_running},
    {"vehicle_records", "the vehicle sends records", {"daemon"}, false, daemon_check_vehicles},
    {"journal", "the journal stores records", {"daemon"}, false, daemon_check_journal},
    {"disk", "the disk has space", {"config"}, false, daemon_check_disk},
    {"sinks", "sinks deliver", {"daemon"}, false, daemon_check_sinks},
    {"sources", "sources work", {"daemon"}, false, daemon_check_sources},
    {0},
};
