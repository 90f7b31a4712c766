#include "tool/doctor_local.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "util/buffer.h"
#include "util/redact.h"

#define DIAGNOSTICS_MAX 10 /* lines; `fleetroute check` prints all */

/* ---- config ---------------------------------------------------------------------- */

static void local_report_diagnostics(struct fr_doctor *doctor)
{
    const struct fr_diagnostics *diagnostics = &doctor->setup->diagnostics;

    for (size_t i = 0; i < diagnostics->count && i < DIAGNOSTICS_MAX; i++)
        fr_doctor_report_diagnostic(doctor, &diagnostics->list[i]);
    if (diagnostics->count > DIAGNOSTICS_MAX)
        fr_doctor_report(doctor, diagnostics->errors != 0 ? FR_DOCTOR_FAILURE : FR_DOCTOR_WARNING,
                         NULL, "run `fleetroute check`, which prints all", "%zu more lines",
                         diagnostics->count - DIAGNOSTICS_MAX);
}

static bool local_has_vehicle(const struct fr_doctor *doctor)
{
    if (doctor->options.vin == NULL || doctor->routing == NULL)
        return true;
    for (size_t i = 0; i < doctor->routing->vehicle_count; i++)
        if (strcmp(doctor->routing->vehicles[i].vin, doctor->options.vin) == 0)
            return true;
    return false;
}

static void local_check_config(struct fr_doctor *doctor)
{
    const char *path = doctor->options.path;

    doctor->setup = fr_setup_load(path);
    doctor->server = doctor->setup->server;
    doctor->routing = doctor->setup->routing;
    if (doctor->server != NULL)
        fr_redact_set(fr_redacting() || doctor->server->redact);
    local_report_diagnostics(doctor);
    if (!local_has_vehicle(doctor))
        fr_doctor_report(doctor, FR_DOCTOR_FAILURE, doctor->options.vin,
                         "correct --vin, or add the vehicle", "is not in routing.yaml");
    if (doctor->setup->diagnostics.count == 0)
        fr_doctor_report(doctor, FR_DOCTOR_OK, NULL, NULL, "%s and %s are valid", path,
                         doctor->server->routing);
}

/* ---- name ------------------------------------------------------------------------ */

/* The names of `tesla:` or, without them, the only name of the certificate. */
static void local_find_names(struct fr_doctor *doctor)
{
    const struct fr_tesla_config *tesla = &doctor->server->tesla;
    const char *certificate = doctor->server->certificate;

    fr_error_set(&doctor->chain_error, "the configuration names no certificate");
    if (certificate != NULL)
        fr_server_chain_load(&doctor->chain, certificate, &doctor->chain_error);
    doctor->domain = tesla->domain != NULL ? tesla->domain : doctor->chain.host;
    doctor->public_name = tesla->hostname != NULL ? tesla->hostname : doctor->domain;
}

static void local_report_addresses(struct fr_doctor *doctor)
{
    const struct fr_doctor_addresses *addresses = &doctor->addresses;
    struct fr_buffer list = {0};
    bool is_private = false;

    for (size_t i = 0; i < addresses->count; i++) {
        char text[FR_DOCTOR_ADDRESS_SIZE];

        fr_doctor_address_text(&addresses->list[i], text);
        fr_buffer_printf(&list, "%s%s", i == 0 ? "" : ", ", text);
        is_private = is_private || fr_doctor_address_is_private(&addresses->list[i]);
        if (fr_doctor_address_is_own(&addresses->list[i]))
            doctor->is_own_address = true;
    }
    fr_doctor_report(doctor, is_private ? FR_DOCTOR_WARNING : FR_DOCTOR_OK, NULL,
                     is_private ? "vehicles use public DNS: check from outside that the name has "
                                  "your public address there, and correct its DNS record if not"
                                : NULL,
                     "%s resolves to %s, %s%s", doctor->public_name, fr_buffer_string(&list),
                     doctor->is_own_address ? "an address of this machine"
                                            : "not an address of this machine, e.g. of a router",
                     is_private ? ", and other networks cannot reach a private address" : "");
    fr_buffer_free(&list);
}

static void local_check_name(struct fr_doctor *doctor)
{
    struct fr_error error;

    local_find_names(doctor);
    if (doctor->public_name == NULL) {
        fr_doctor_report(doctor, FR_DOCTOR_SKIPPED, NULL, "set `tesla: domain:` in fleetroute.yaml",
                         "the public name is not known: %s",
                         doctor->chain.certificate == NULL
                             ? doctor->chain_error.text
                             : "the certificate does not have exactly one host name");
        return;
    }
    if (fr_doctor_resolve(doctor->public_name, doctor->server->tesla.port, FR_DOCTOR_STEP_MS,
                          &doctor->addresses, &error) == 0)
        local_report_addresses(doctor);
    else
        fr_doctor_report(doctor, FR_DOCTOR_FAILURE, NULL,
                         "add an A or AAAA record of your public address to the DNS of this name, "
                         "or correct the name in `tesla:`",
                         "%s does not resolve: %s", doctor->public_name, error.text);
}

/* ---- port ------------------------------------------------------------------------ */

/* Connect to the first address that answers. The limit is for all addresses together. */
static int local_connect(const struct fr_doctor *doctor, char text[FR_DOCTOR_ADDRESS_SIZE])
{
    const struct fr_doctor_addresses *addresses = &doctor->addresses;
    int64_t limit_ms = FR_DOCTOR_STEP_MS / (int64_t)addresses->count;
    int fd = -1;

    for (size_t i = 0; i < addresses->count && fd < 0; i++) {
        fr_doctor_address_text(&addresses->list[i], text);
        fd = fr_doctor_connect(&addresses->list[i], limit_ms);
    }
    return fd;
}

static void local_report_port(struct fr_doctor *doctor, const char *address, int code)
{
    const char *name = doctor->public_name;
    unsigned port = doctor->server->tesla.port;

    if (doctor->is_own_address)
        fr_doctor_report(doctor, FR_DOCTOR_FAILURE, NULL,
                         "start fleetrouted, and check `listen:` and the firewall of this machine",
                         "%s:%u (%s) cannot be reached: %s", name, port, address, strerror(code));
    else if (code == ECONNREFUSED)
        fr_doctor_report(doctor, FR_DOCTOR_FAILURE, NULL,
                         "forward this port of the router to fleetrouted; a router without NAT "
                         "hairpin refuses connections from inside: then try from another network",
                         "%s:%u (%s) refuses connections", name, port, address);
    else
        fr_doctor_report(doctor, FR_DOCTOR_WARNING, NULL,
                         "try from another network, e.g. a phone without Wi-Fi; if it fails there "
                         "too, forward the port of the router and open the firewall",
                         "%s:%u (%s) cannot be reached from here: %s; a router without NAT "
                         "hairpin has this effect",
                         name, port, address, strerror(code));
}

static void local_check_port(struct fr_doctor *doctor)
{
    char address[FR_DOCTOR_ADDRESS_SIZE] = "";
    int fd = local_connect(doctor, address);

    if (fd < 0) {
        local_report_port(doctor, address, errno);
        return;
    }
    close(fd);
    fr_doctor_report(doctor, FR_DOCTOR_OK, NULL, NULL, "%s:%u (%s) accepts connections%s",
                     doctor->public_name, doctor->server->tesla.port, address,
                     doctor->is_own_address ? ", from this machine; the way through a router is "
                                              "not checked"
                                            : "");
}

const struct fr_doctor_check fr_doctor_local[] = {
    {"config", "the configuration is valid", {NULL}, false, local_check_config},
    {"name", "the public name resolves", {"config"}, true, local_check_name},
    {"port", "the port is reachable under the public name", {"name"}, true, local_check_port},
    {0},
};
