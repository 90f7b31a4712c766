/*
 * What the checks of `fleetroute doctor` share: the table of links, the results of earlier links
 * that later ones use, and the report of a line.
 */
#ifndef FR_DOCTOR_STATE_H
#define FR_DOCTOR_STATE_H

#include <jansson.h>
#include <openssl/evp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config/routing_config.h"
#include "config/server_config.h"
#include "daemon/setup.h"
#include "fleet_api/api.h"
#include "fleet_api/push_plan.h"
#include "fleet_api/server_chain.h"
#include "fleet_api/state.h"
#include "tool/doctor.h"
#include "tool/doctor_address.h"
#include "tool/doctor_handshake.h"

/* Limits of one network step and of all checks together, in ms. */
#define FR_DOCTOR_STEP_MS 5000
#define FR_DOCTOR_TOTAL_MS 40000

/* Max vehicles that are checked; the others need --vin. */
#define FR_DOCTOR_VEHICLES_MAX 20

#define FR_DOCTOR_DAY_S 86400

/* A need: the section `tesla:` exists, complete or not. */
#define FR_DOCTOR_SECTION_TESLA "tesla:"

/* A link. Each group of links has a table, in a file of its own; a row without id ends it. */
struct fr_doctor_check {
    const char *id;    /* stable: in --json, in the man page and in tests */
    const char *title; /* what is ok */
    /* Ids of links without which this one cannot be checked: those that failed or were skipped.
     * "config" is needed only as far as fleetroute.yaml can be read. */
    const char *needs[3];
    bool network; /* skipped when FR_DOCTOR_TOTAL_MS is over */
    void (*run)(struct fr_doctor *doctor);
};

struct fr_doctor_line {
    const struct fr_doctor_check *check;
    enum fr_doctor_level level;
    char *subject; /* a vehicle, sink or source; NULL: the link as a whole */
    char *text;    /* what was found, with the cause */
    char *remedy;  /* what to do; "": nothing */
};

struct fr_doctor {
    struct fr_doctor_options options;
    int64_t run_ms;      /* wall clock: of the begin */
    int64_t deadline_ms; /* monotonic; of all network steps */
    struct fr_doctor_line *lines;
    size_t line_count;
    size_t link_begin;                   /* the first line of the last link */
    const struct fr_doctor_check *check; /* that runs */

    /* Results of links for later links. NULL, 0: not known. */
    struct fr_setup *setup;                /* config */
    const struct fr_server_config *server; /* config; part of `setup` */
    const struct fr_routing *routing;      /* config; part of `setup` */
    struct fr_server_chain chain;          /* name; of the certificate's file */
    struct fr_error chain_error;           /* name; if chain.certificate is NULL */
    const char *public_name;               /* name; that vehicles dial */
    const char *domain;                    /* name; that serves the public key */
    struct fr_doctor_addresses addresses;  /* name; of public_name */
    bool is_own_address;                   /* name; one of them is of this machine */
    struct fr_doctor_handshake handshake;  /* chain; handshake.chain NULL: none */
    char endpoint[320];                    /* chain; "NAME:PORT" of the handshake, for texts */
    EVP_PKEY *command_key;                 /* command_key */
    struct fr_state state;                 /* tokens; what `fleetroute keep` has recorded */
    struct fr_error state_error;           /* tokens; "": none */
    struct fr_api *api;                    /* scopes */
    struct fr_push_plan plan;              /* plan; plan.json NULL: not complete */
    char *issuer;                          /* vehicle_config; of command_key */
    json_t *status;                        /* daemon; the reply of the control command */
};

/* Report a line of the link that runs. `subject` and `remedy` may be NULL. The text is a printf(3)
 * format without a full stop. Control characters and invalid UTF-8 are replaced, and VINs if the
 * configuration redacts. */
void fr_doctor_report(struct fr_doctor *doctor, enum fr_doctor_level level, const char *subject,
                      const char *remedy, const char *format, ...)
    __attribute__((format(printf, 5, 6)));

/* Report a mistake in a configuration file with its position. */
void fr_doctor_report_diagnostic(struct fr_doctor *doctor, const struct fr_diagnostic *diagnostic);

/* The worst level of a link that has run; FR_DOCTOR_SKIPPED for another one. */
enum fr_doctor_level fr_doctor_level_of(const struct fr_doctor *doctor, const char *id);

/* "ok", "skipped", "warning" or "failure". */
const char *fr_doctor_level_word(enum fr_doctor_level level);

/* Count the lines of each level. */
void fr_doctor_count(const struct fr_doctor *doctor, size_t counts[FR_DOCTOR_LEVELS]);

/* Whether another network step may begin. */
bool fr_doctor_has_time(const struct fr_doctor *doctor);

/* Whether a vehicle of the routes is to be checked, by its index. */
bool fr_doctor_wants_vehicle(const struct fr_doctor *doctor, size_t index);

#endif
