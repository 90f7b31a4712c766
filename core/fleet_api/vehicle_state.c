#include "fleet_api/vehicle_state.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fleet_api/clean_text.h"
#include "fleet_api/config_compare.h"
#include "fleet_api/pairing_link.h"
#include "fleet_api/vehicle_config.h"
#include "record/field_catalogue.h"
#include "util/redact.h"

/* First firmware with which an Intel Atom Model S or X streams. */
#define FIRMWARE_ATOM "2025.20"

static const char *const names[] = {
    [FR_VEHICLE_READY] = "ready",
    [FR_VEHICLE_PAIR] = "pair",
    [FR_VEHICLE_TOGGLE] = "toggle",
    [FR_VEHICLE_NO_HARDWARE] = "no_hardware",
    [FR_VEHICLE_OLD_FIRMWARE] = "old_firmware",
    [FR_VEHICLE_SLOTS_FULL] = "slots_full",
    [FR_VEHICLE_NOT_FOUND] = "not_found",
    [FR_VEHICLE_WAITING] = "waiting",
    [FR_VEHICLE_NO_CONFIG] = "no_config",
    [FR_VEHICLE_OTHER_CONFIG] = "other_config",
    [FR_VEHICLE_STREAMING_CONFIG] = "streaming_config",
    [FR_VEHICLE_REFUSED] = "refused",
    [FR_VEHICLE_UNREACHABLE] = "unreachable",
};

const char *fr_vehicle_state_name(enum fr_vehicle_state state)
{
    return names[state];
}

static void vehicle_cause(struct fr_vehicle_verdict *verdict, enum fr_vehicle_state state,
                          const char *format, ...) __attribute__((format(printf, 3, 4)));
static void vehicle_remedy(struct fr_vehicle_verdict *verdict, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Begin a verdict. The remedy is empty. */
static void vehicle_cause(struct fr_vehicle_verdict *verdict, enum fr_vehicle_state state,
                          const char *format, ...)
{
    va_list ap;

    verdict->state = state;
    verdict->remedy[0] = '\0';
    va_start(ap, format);
    vsnprintf(verdict->cause, sizeof verdict->cause, format, ap);
    va_end(ap);
}

static void vehicle_remedy(struct fr_vehicle_verdict *verdict, const char *format, ...)
{
    va_list ap;

    va_start(ap, format);
    vsnprintf(verdict->remedy, sizeof verdict->remedy, format, ap);
    va_end(ap);
}

/* A text from an answer that may be displayed. */
static const char *vehicle_clean(const char *text, char cleaned[96])
{
    fr_clean_message(cleaned, 96, text, strlen(text));
    return cleaned;
}

/* ---- fleet_status ----------------------------------------------------------------- */

/* The letter of the model: 3, Y, C (Cybertruck), S, X, T (Semi), …; 0: no VIN. */
static char vehicle_model(const char *vin)
{
    return strlen(vin) == 17 ? vin[3] : '\0';
}

static bool vehicle_is_s_or_x(const char *vin)
{
    return vehicle_model(vin) == 'S' || vehicle_model(vin) == 'X';
}

/* Models that always need the key. */
static bool vehicle_needs_key(const char *vin)
{
    char model = vehicle_model(vin);

    return model == '3' || model == 'Y' || model == 'C';
}

static void vehicle_pair_remedy(struct fr_vehicle_verdict *verdict, const char *vin,
                                const char *domain)
{
    struct fr_error error;
    char *link =
        domain != NULL ? fr_pairing_link(domain, fr_redacting() ? NULL : vin, &error) : NULL;

    if (link != NULL)
        vehicle_remedy(verdict,
                       "Run `fleetroute pair`, or open %s on the phone with the Tesla app, and add "
                       "the key. The app must have the account that owns the vehicle.",
                       link);
    else
        vehicle_remedy(verdict, "Run `fleetroute pair` and add the key in the Tesla app. The app "
                                "must have the account that owns the vehicle.");
    free(link);
}

/* Whether the firmware is known and older than `floor`; then the verdict is set. */
static bool vehicle_is_old(const struct fr_api_vehicle_status *status, const char *floor,
                           struct fr_vehicle_verdict *verdict)
{
    char cleaned[96];

    if (!isdigit((unsigned char)status->firmware[0]) ||
        fr_firmware_compare(status->firmware, floor) >= 0)
        return false;
    vehicle_cause(verdict, FR_VEHICLE_OLD_FIRMWARE,
                  "the vehicle has firmware %s; telemetry needs %s or newer",
                  vehicle_clean(status->firmware, cleaned), floor);
    vehicle_remedy(verdict, "Connect the vehicle to Wi-Fi and install the update in the vehicle or "
                            "the Tesla app. An update that is only offered does not count.");
    return true;
}

/* A vehicle whose key is not paired, and that does not need one by its model and its flag. */
static void vehicle_without_key(const struct fr_api_vehicle_status *status,
                                struct fr_vehicle_verdict *verdict)
{
    if (!vehicle_is_s_or_x(status->vin)) {
        if (!vehicle_is_old(status, FR_VEHICLE_FIRMWARE_MIN, verdict))
            vehicle_cause(verdict, FR_VEHICLE_READY, "the vehicle needs no key");
        return;
    }
    if (vehicle_is_old(status, FIRMWARE_ATOM, verdict))
        return;
    if (status->toggle == 0) {
        vehicle_cause(verdict, FR_VEHICLE_TOGGLE,
                      "the vehicle does not allow third-party apps to stream");
        vehicle_remedy(verdict, "In the vehicle open Controls, Safety and switch \"Allow "
                                "Third-Party App Data Streaming\" on. No key is needed.");
        return;
    }
    vehicle_cause(verdict, FR_VEHICLE_READY, "the vehicle needs no key");
}

void fr_vehicle_verdict_status(const struct fr_api_vehicle_status *status, const char *domain,
                               struct fr_vehicle_verdict *verdict)
{
    const char *vin = status->vin;
    bool flag_counts = !vehicle_needs_key(vin);

    if (!status->known) {
        vehicle_cause(verdict, FR_VEHICLE_NOT_FOUND, "Tesla's answer does not name the vehicle");
        vehicle_remedy(verdict,
                       "Check the VIN in `vehicles:`, and that the account owns the vehicle: it "
                       "may be sold, or the account is a driver's, or of another region.");
    } else if (status->key_paired) {
        if (!vehicle_is_old(status, FR_VEHICLE_FIRMWARE_MIN, verdict))
            vehicle_cause(verdict, FR_VEHICLE_READY, "the key is paired");
    } else if (status->protocol_required != 1 && vehicle_is_s_or_x(vin) && status->toggle == -1 &&
               status->telemetry_version[0] == '\0') {
        vehicle_cause(verdict, FR_VEHICLE_NO_HARDWARE,
                      "the vehicle has no telemetry client; its computer (MCU1) cannot stream");
        vehicle_remedy(verdict,
                       "Remove the VIN from `vehicles:`. A vehicle with MCU2 (Intel Atom) streams "
                       "after an update to firmware " FIRMWARE_ATOM ".");
    } else if (flag_counts && (status->protocol_required == 0 ||
                               (status->protocol_required == -1 && vehicle_is_s_or_x(vin) &&
                                status->toggle != -1))) {
        vehicle_without_key(status, verdict);
    } else {
        vehicle_cause(verdict, FR_VEHICLE_PAIR,
                      status->protocol_required == 0
                          ? "the key is not paired; Tesla's answer has "
                            "vehicle_command_protocol_required false, which is wrong for this model"
                          : "the key is not paired with the vehicle");
        vehicle_pair_remedy(verdict, vin, domain);
    }
}

/* ---- skipped_vehicles ------------------------------------------------------------- */

void fr_vehicle_verdict_skip(enum fr_api_skip skip, const char *vin, const char *other,
                             const char *domain, struct fr_vehicle_verdict *verdict)
{
    char cleaned[96];

    switch (skip) {
    case FR_API_SKIP_NONE:
        vehicle_cause(verdict, FR_VEHICLE_READY, "Tesla accepted the configuration");
        return;
    case FR_API_SKIP_MISSING_KEY:
        vehicle_cause(verdict, FR_VEHICLE_PAIR,
                      "missing_key: the key is not paired with the vehicle");
        vehicle_pair_remedy(verdict, vin, domain);
        return;
    case FR_API_SKIP_HARDWARE:
        vehicle_cause(verdict, FR_VEHICLE_NO_HARDWARE,
                      "unsupported_hardware: the vehicle's computer (MCU1) cannot stream");
        vehicle_remedy(verdict, "Remove the VIN from `vehicles:`.");
        return;
    case FR_API_SKIP_FIRMWARE:
        vehicle_cause(verdict, FR_VEHICLE_OLD_FIRMWARE,
                      "unsupported_firmware: telemetry needs firmware %s or newer",
                      vehicle_is_s_or_x(vin) ? FR_VEHICLE_FIRMWARE_MIN
                          " (Intel Atom: " FIRMWARE_ATOM ")"
                                             : FR_VEHICLE_FIRMWARE_MIN);
        vehicle_remedy(verdict, "Install the update in the vehicle or the Tesla app, then push "
                                "again. An update that is only offered does not count.");
        return;
    case FR_API_SKIP_MAX_CONFIGS:
        vehicle_cause(verdict, FR_VEHICLE_SLOTS_FULL,
                      "max_configs: other applications hold all telemetry slots of the vehicle");
        vehicle_remedy(verdict, "Remove an application in the Tesla app (Profile, Security and "
                                "Privacy, Third-Party Apps), then run `fleetroute push` again: a "
                                "free slot is not filled by itself.");
        return;
    case FR_API_SKIP_OTHER:
        break;
    }
    vehicle_cause(verdict, FR_VEHICLE_REFUSED, "Tesla skipped the vehicle: %s",
                  vehicle_clean(other != NULL && other[0] != '\0' ? other : "no reason", cleaned));
    vehicle_remedy(verdict, "Run `fleetroute doctor`; search for the reason in Tesla's "
                            "documentation of Fleet Telemetry.");
}

/* ---- fleet_telemetry_config ------------------------------------------------------- */

static void vehicle_slots_full(struct fr_vehicle_verdict *verdict, const char *cause)
{
    vehicle_cause(verdict, FR_VEHICLE_SLOTS_FULL, "%s", cause);
    vehicle_remedy(verdict,
                   "Remove an application in the Tesla app (Profile, Security and Privacy, "
                   "Third-Party Apps), then run `fleetroute push` again: a free slot is not filled "
                   "by itself.");
}

static void vehicle_without_config(const struct fr_api_config_state *config, bool pushed,
                                   struct fr_vehicle_verdict *verdict)
{
    if (config->limit_reached) {
        vehicle_slots_full(verdict,
                           "limit_reached: other applications hold all telemetry slots of the "
                           "vehicle");
    } else if (pushed && config->synced) {
        vehicle_slots_full(verdict,
                           "the vehicle refused the configuration: synced without a configuration, "
                           "usually because other applications hold all its slots");
    } else if (pushed) {
        vehicle_cause(verdict, FR_VEHICLE_WAITING,
                      "Tesla accepted the configuration, and the "
                      "vehicle has not taken it yet");
        vehicle_remedy(verdict, "Nothing is to be done: the vehicle takes it when it is awake and "
                                "online.");
    } else {
        vehicle_cause(verdict, FR_VEHICLE_NO_CONFIG,
                      "the vehicle has no configuration of this "
                      "application");
        vehicle_remedy(verdict, "Run `fleetroute push`. Tesla removes configurations at the "
                                "billing limit and when consent is revoked.");
    }
}

void fr_vehicle_verdict_config(const struct fr_api_config_state *config, const char *routes,
                               const char *issuer, bool pushed, struct fr_vehicle_verdict *verdict)
{
    char difference[sizeof verdict->cause - 48];

    if (config->config == NULL) {
        vehicle_without_config(config, pushed, verdict);
    } else if (fr_config_is_of_other_key(config->config, issuer)) {
        vehicle_cause(verdict, FR_VEHICLE_OTHER_CONFIG,
                      "the configuration in the vehicle is signed with another key");
        vehicle_remedy(verdict, "Check that no other program pushes for this application, and run "
                                "`fleetroute push`.");
    } else if (!fr_config_equal(config->config, routes, difference, sizeof difference)) {
        vehicle_cause(verdict, FR_VEHICLE_OTHER_CONFIG, "the vehicle has another configuration: %s",
                      difference);
        vehicle_remedy(verdict, "Run `fleetroute push` to replace it.");
    } else if (config->synced) {
        vehicle_cause(verdict, FR_VEHICLE_STREAMING_CONFIG,
                      "the vehicle has the configuration of the routes");
    } else {
        vehicle_cause(verdict, FR_VEHICLE_WAITING,
                      "Tesla has the configuration of the routes, and the vehicle has not taken it "
                      "yet");
        vehicle_remedy(verdict, "Nothing is to be done: the vehicle takes it when it is awake and "
                                "online.");
    }
}

/* ---- fleet_telemetry_errors ------------------------------------------------------- */

/* The first row whose words are in the name or the text of an error gives cause and remedy. */
static const struct {
    const char *words;
    enum fr_vehicle_state state;
    const char *cause, *remedy;
} errors[] = {
    {"NIST-P256", FR_VEHICLE_REFUSED, "the configuration is signed with a key that is not P-256",
     "Make a command key with `fleetroute key`, register and pair it, and push again."},
    {"ecdsa", FR_VEHICLE_REFUSED,
     "the vehicle could not verify the signature: it was made with another algorithm (ES256)",
     "Another program pushed the configuration. Run `fleetroute push`."},
    {"verification error", FR_VEHICLE_REFUSED,
     "the vehicle could not verify the signature of the configuration",
     "Check with `fleetroute doctor` that the registered key is the command key, pair it again and "
     "run `fleetroute push`."},
    {"config_manager_error", FR_VEHICLE_REFUSED,
     "the vehicle rejected the configuration: its signature or key is not accepted",
     "Check with `fleetroute doctor` that the registered key is the command key, pair it again and "
     "run `fleetroute push`."},
    {"unknown authority", FR_VEHICLE_UNREACHABLE,
     "the vehicle does not trust the certificate of this server",
     "The CA changed since the push. Run `fleetroute push`, which sends the CA certificates of the "
     "present chain."},
    {"certificate has expired", FR_VEHICLE_UNREACHABLE,
     "the certificate of this server, or one in its chain, has expired",
     "Renew the certificate and run `fleetroute reload`."},
    {"certificate is valid for", FR_VEHICLE_UNREACHABLE,
     "the certificate of this server is for another host name",
     "Set `tesla: hostname` to a name in the certificate and run `fleetroute push`."},
    {"no such host", FR_VEHICLE_UNREACHABLE,
     "the host name of this server does not resolve for the vehicle",
     "Check the public DNS entry of `tesla: hostname`."},
    {"connection refused", FR_VEHICLE_UNREACHABLE,
     "nothing listens at the host name and port that the vehicle dials",
     "Check that fleetrouted runs, the forwarding of the port, and the public address of the host "
     "name."},
    {"timeout", FR_VEHICLE_UNREACHABLE, "this server does not answer the vehicle",
     "Check the firewall, the forwarding of the port, and the public address of the host name."},
    {"handshake_error", FR_VEHICLE_UNREACHABLE,
     "the TLS handshake between the vehicle and this server failed",
     "Check with `fleetroute doctor`: no proxy may end TLS, the chain must be complete, and the "
     "pushed CA must be the present one."},
    {"cloud_manager_error", FR_VEHICLE_UNREACHABLE, "the vehicle could not connect to this server",
     "Check with `fleetroute doctor`: address, port, certificate chain and pushed CA."},
};

void fr_vehicle_verdict_error(const struct fr_api_vehicle_error *entry,
                              struct fr_vehicle_verdict *verdict)
{
    const char *text = entry->error_name[0] != '\0' ? entry->error_name : entry->error;
    char cleaned[96];

    for (size_t i = 0; i < sizeof errors / sizeof errors[0]; i++) {
        if (strstr(entry->error, errors[i].words) != NULL ||
            strstr(entry->error_name, errors[i].words) != NULL) {
            vehicle_cause(verdict, errors[i].state, "%s", errors[i].cause);
            vehicle_remedy(verdict, "%s", errors[i].remedy);
            return;
        }
    }
    vehicle_cause(verdict, FR_VEHICLE_UNREACHABLE, "the vehicle reports the error \"%s\"",
                  vehicle_clean(text, cleaned));
    vehicle_remedy(verdict, "Check with `fleetroute doctor` whether vehicles can connect.");
}
