/* fleetroute simulate: simulates a vehicle on a trip, or many vehicles under load. */
#include <errno.h>
#include <getopt.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sim/load.h"
#include "sim/load_data.h"
#include "sim/vehicle_buffer.h"
#include "tool/commands.h"
#include "tool/simulate_trip.h"
#include "util/redact.h"

static const char help[] =
    "usage: fleetroute simulate --pki DIR [--connect HOST:PORT] [OPTIONS]\n"
    "Simulates a vehicle that is parked, unlocked, driven to the home zone, parked and charged;\n"
    "with --vehicles, many vehicles under load. Certificates are signed by a test CA in DIR, "
    "which\n"
    "is made if it does not exist. Set tls.vehicle_ca of the daemon to its vehicle-ca.pem,\n"
    "tls.certificate to its server.pem and tls.key to its server.key.\n"
    "\n"
    "      --pki DIR            the folder of the test CA\n"
    "      --pki-only           make the test CA, print the lines for fleetroute.yaml, and exit\n"
    "      --host NAME          a new server certificate is also valid for NAME\n"
    "      --export VIN         write VIN.pem and VIN.key to DIR for another client, and exit\n"
    "      --flaw FLAW          the defect of that certificate: expired, foreign, no-identity,\n"
    "                           server-only\n"
    "      --connect HOST:PORT  the address of the daemon (127.0.0.1:8443)\n"
    "  a trip:\n"
    "      --vin VIN            the vehicle (5YJ3E1EA7KF000001)\n"
    "      --home LAT,LON       the end of the trip, in degrees (37.4,-122.1)\n"
    "      --speed X            drive X times as fast (1)\n"
    "      --tunnel AT,FOR      lose the connection AT s after the start, for FOR s of the trip\n"
    "      --config FILE        behave as the telemetry configuration in FILE requires: the "
    "server,\n"
    "                           its CA, the fields and their intervals. --connect then replaces\n"
    "                           only the address\n"
    "      --overlap            change from LTE to Wi-Fi at home; both are connected for a while\n"
    "  load:\n"
    "      --vehicles N         the number of vehicles\n"
    "      --rate R             messages per second of each (1); 0: as many as the window allows\n"
    "      --window W           max unacknowledged messages of each (5000)\n"
    "      --data N             data in a message, each of another field (8)\n"
    "      --first N            the number of the first vehicle, the end of its VIN (0)\n"
    "      --sequence FIELD     the field with this number counts the messages of a vehicle\n"
    "      --reconnect S        mean time between two lost connections of each, in s (0: none)\n"
    "      --duration S         duration in s (10)\n"
    "      --patience S         max wait for acknowledgements after the duration, in s (30)\n"
    "      --acknowledged FILE  write each acknowledged txid to FILE\n"
    "  -q, --quiet              do not print the progress, which only a terminal gets\n"
    "      --redact             redact VINs\n"
    "  -h, --help               print this help and exit\n";

/* ---- load ------------------------------------------------------------------------ */

static int simulate_run_load(const struct simulate_arguments *a, struct fr_pki *pki,
                             const char *host, uint16_t port, struct fr_error *error)
{
    struct fr_load_settings settings = {
        .host = host,
        .port = port,
        .vehicles = a->vehicles,
        .rate = a->rate,
        .window = a->window,
        .data = a->data,
        .first = a->first,
        .sequence_field = (uint32_t)a->sequence_field,
        .reconnect_ms = (int64_t)(a->reconnect * 1000),
        .duration_ms = (int64_t)(a->duration * 1000),
        .patience_ms = (int64_t)(a->patience * 1000),
        .progress = a->quiet || !isatty(STDERR_FILENO) ? NULL : stderr,
    };
    struct fr_load_result r;
    int status;

    if (a->acknowledged != NULL) {
        settings.acknowledged = fopen(a->acknowledged, "w");
        if (settings.acknowledged == NULL)
            return fr_error_set(error, "cannot write %s", a->acknowledged);
    }
    status = fr_load_run(&settings, pki, &r, error);
    if (settings.acknowledged != NULL && fclose(settings.acknowledged) != 0 && status == 0)
        status = fr_error_set(error, "cannot write all of %s", a->acknowledged);
    if (status == 0)
        printf("%llu sent, %llu acknowledged, %llu refused, %llu unanswered, %llu dropped by "
               "vehicles, %llu disconnects, p50 %.2f ms, p99 %.2f ms, max %.2f ms\n",
               (unsigned long long)r.sent, (unsigned long long)r.acknowledged,
               (unsigned long long)r.refused, (unsigned long long)r.unanswered,
               (unsigned long long)r.dropped, (unsigned long long)r.disconnects, r.p50_ms, r.p99_ms,
               r.max_ms);
    return status;
}

/* ---- a trip ---------------------------------------------------------------------- */

static int simulate_run_trip(const struct simulate_arguments *a, struct fr_pki *pki,
                             const char *host, uint16_t port, struct fr_error *error)
{
    struct fr_pushed_config *config;
    int status;

    if (a->config == NULL)
        return fr_simulate_trip(a, pki, NULL, host, port, error);
    config = fr_pushed_config_read(a->config, error);
    if (config == NULL)
        return -1;
    if (a->connect == NULL) {
        host = config->hostname;
        port = config->port;
    }
    status = fr_simulate_trip(a, pki, config, host, port, error);
    fr_pushed_config_free(config);
    return status;
}

/* ---- the command line ------------------------------------------------------------ */

static int simulate_split_address(const char *text, char *host, size_t size, uint16_t *port,
                                  struct fr_error *error)
{
    const char *colon = strrchr(text, ':');
    char *end;
    unsigned long number;

    if (colon == NULL || colon == text || (size_t)(colon - text) >= size)
        return fr_error_set(error, "--connect must be HOST:PORT, not \"%s\"", text);
    number = strtoul(colon + 1, &end, 10);
    if (*end != '\0' || number == 0 || number > 65535)
        return fr_error_set(error, "--connect: \"%s\" is not a port", colon + 1);
    memcpy(host, text, (size_t)(colon - text));
    host[colon - text] = '\0';
    *port = (uint16_t)number;
    return 0;
}

static int simulate_parse_flaw(const char *word, struct fr_error *error)
{
    static const char *const words[] = {"good", "expired", "foreign", "no-identity", "server-only"};

    for (int i = 0; i < 5; i++)
        if (strcmp(words[i], word) == 0)
            return i;
    return fr_error_set(error, "--flaw must be expired, foreign, no-identity or server-only");
}

/* Print the lines of fleetroute.yaml that name the files of the test CA. */
static int simulate_print_tls(const char *folder, struct fr_error *error)
{
    char *path = realpath(folder, NULL);

    if (path == NULL)
        return fr_error_set(error, "%s: %s", folder, strerror(errno));
    printf("tls:\n"
           "  certificate: %s/server.pem\n"
           "  key: %s/server.key\n"
           "  vehicle_ca: %s/vehicle-ca.pem\n",
           path, path, path);
    free(path);
    return 0;
}

static int simulate_run(const struct simulate_arguments *a, struct fr_error *error)
{
    char host[256];
    uint16_t port = 0;
    struct fr_pki *pki;
    int status = -1, flaw;

    if (a->pki == NULL)
        return fr_error_set(error, "--pki DIR is required: the folder of the test CA");
    if (a->config != NULL && a->vehicles > 0)
        return fr_error_set(error, "--config is for a trip: leave --vehicles out");
    if (simulate_split_address(a->connect != NULL ? a->connect : "127.0.0.1:8443", host,
                               sizeof host, &port, error) != 0)
        return -1;
    pki = fr_pki_open(a->pki, a->host, error);
    if (pki == NULL)
        return -1;
    if (a->export != NULL) {
        flaw = simulate_parse_flaw(a->flaw, error);
        if (flaw >= 0)
            status = fr_pki_export(pki, a->export, (enum fr_pki_flaw)flaw, a->pki, error);
    } else if (a->pki_only)
        status = simulate_print_tls(a->pki, error);
    else if (a->vehicles > 0)
        status = simulate_run_load(a, pki, host, port, error);
    else
        status = simulate_run_trip(a, pki, host, port, error);
    fr_pki_free(pki);
    return status;
}

enum value_kind { VALUE_TEXT, VALUE_FLAG, VALUE_COUNT, VALUE_REAL, VALUE_PAIR };

struct simulate_option {
    const char *name;
    enum value_kind kind;
    size_t member;       /* offset in struct simulate_arguments */
    const char *must_be; /* of VALUE_COUNT, VALUE_REAL and VALUE_PAIR: the valid values */
};

#define COUNT "a whole number from 0 to 4294967295"
#define REAL "a number from 0 to 1e9"
#define MEMBER(name) offsetof(struct simulate_arguments, name)

static const struct simulate_option options[] = {
    {"pki", VALUE_TEXT, MEMBER(pki), NULL},
    {"pki-only", VALUE_FLAG, MEMBER(pki_only), NULL},
    {"host", VALUE_TEXT, MEMBER(host), NULL},
    {"export", VALUE_TEXT, MEMBER(export), NULL},
    {"flaw", VALUE_TEXT, MEMBER(flaw), NULL},
    {"connect", VALUE_TEXT, MEMBER(connect), NULL},
    {"vin", VALUE_TEXT, MEMBER(vin), NULL},
    {"home", VALUE_PAIR, MEMBER(home), "LAT,LON in degrees"},
    {"speed", VALUE_REAL, MEMBER(speed), REAL},
    {"tunnel", VALUE_PAIR, MEMBER(tunnel), "AT,FOR in s"},
    {"config", VALUE_TEXT, MEMBER(config), NULL},
    {"overlap", VALUE_FLAG, MEMBER(overlap), NULL},
    {"vehicles", VALUE_COUNT, MEMBER(vehicles), COUNT},
    {"rate", VALUE_REAL, MEMBER(rate), REAL},
    {"window", VALUE_COUNT, MEMBER(window), COUNT},
    {"data", VALUE_COUNT, MEMBER(data), COUNT},
    {"duration", VALUE_REAL, MEMBER(duration), REAL},
    {"patience", VALUE_REAL, MEMBER(patience), REAL},
    {"acknowledged", VALUE_TEXT, MEMBER(acknowledged), NULL},
    {"first", VALUE_COUNT, MEMBER(first), COUNT},
    {"sequence", VALUE_COUNT, MEMBER(sequence_field), COUNT},
    {"reconnect", VALUE_REAL, MEMBER(reconnect), REAL},
    {"quiet", VALUE_FLAG, MEMBER(quiet), NULL},
    {"redact", VALUE_FLAG, MEMBER(redact), NULL},
    {"help", VALUE_FLAG, MEMBER(help), NULL},
};

#define OPTIONS (sizeof options / sizeof *options)
#define FIRST_OPTION 256 /* getopt_long() returns this plus the row of `options` */

static bool simulate_parse_count(const char *text, size_t *count)
{
    char *end;
    unsigned long long number = strtoull(text, &end, 10);

    *count = (size_t)number;
    return *text >= '0' && *text <= '9' && *end == '\0' && number <= UINT32_MAX;
}

static bool simulate_parse_real(const char *text, double *real)
{
    char *end;

    *real = strtod(text, &end);
    return end != text && *end == '\0' && *real >= 0 && *real <= 1e9;
}

static bool simulate_parse_pair(const char *text, double two[2])
{
    char more;

    return sscanf(text, "%lf,%lf%c", &two[0], &two[1], &more) == 2;
}

static int simulate_read_option(struct simulate_arguments *a, const struct simulate_option *option,
                                const char *text, struct fr_error *error)
{
    void *member = (char *)a + option->member;
    bool valid = true;

    switch (option->kind) {
    case VALUE_TEXT:
        *(const char **)member = text;
        break;
    case VALUE_FLAG:
        *(bool *)member = true;
        break;
    case VALUE_COUNT:
        valid = simulate_parse_count(text, member);
        break;
    case VALUE_REAL:
        valid = simulate_parse_real(text, member);
        break;
    case VALUE_PAIR:
        valid = simulate_parse_pair(text, member);
        break;
    }
    return valid ? 0
                 : fr_error_set(error, "--%s must be %s, not \"%s\"", option->name, option->must_be,
                                text);
}

static int simulate_read_options(struct simulate_arguments *a, int argc, char **argv,
                                 struct fr_error *error)
{
    struct option longs[OPTIONS + 1] = {{NULL, 0, NULL, 0}};
    int option;

    for (size_t i = 0; i < OPTIONS; i++) {
        bool is_flag = options[i].kind == VALUE_FLAG;

        longs[i] = (struct option){options[i].name, is_flag ? no_argument : required_argument, NULL,
                                   FIRST_OPTION + (int)i};
    }
    while ((option = getopt_long(argc, argv, "qh", longs, NULL)) != -1) {
        if (option == 'q')
            a->quiet = true;
        else if (option == 'h')
            a->help = true;
        else if (option < FIRST_OPTION)
            return fr_error_set(error, "see `fleetroute simulate --help`");
        else if (simulate_read_option(a, &options[option - FIRST_OPTION], optarg, error) != 0)
            return -1;
    }
    if (!(a->speed > 0))
        return fr_error_set(error, "--speed must be more than 0");
    return 0;
}

int fr_cmd_simulate(int argc, char **argv)
{
    struct simulate_arguments a = {
        .flaw = "good",
        .vin = "5YJ3E1EA7KF000001",
        .home = {37.4, -122.1},
        .speed = 1,
        .rate = 1,
        .window = FR_CAR_BUFFER,
        .data = 8,
        .duration = 10,
        .patience = 30,
    };
    struct fr_error error;
    int status = simulate_read_options(&a, argc, argv, &error);

    if (status == 0 && a.help) {
        fputs(help, stdout);
        return EXIT_SUCCESS;
    }
    fr_redact_set(a.redact);
    if (status == 0 && a.data > fr_load_data_max())
        status = fr_error_set(&error,
                              "--data must be a whole number from 0 to %zu, the number of fields "
                              "with a simulated value",
                              fr_load_data_max());
    if (status == 0)
        status = simulate_run(&a, &error);
    if (status != 0)
        fprintf(stderr, "fleetroute simulate: %s\n", error.text);
    return status == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
