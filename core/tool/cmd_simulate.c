/* fleetroute simulate: be a vehicle on a trip, or many under load. */
#include <event2/event.h>
#include <getopt.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sim/load.h"
#include "sim/trip.h"
#include "sim/vehicle_client.h"
#include "tool/commands.h"
#include "util/clock.h"
#include "util/memory.h"
#include "util/redact.h"

static const char help[] =
    "usage: fleetroute simulate --pki DIR [--connect HOST:PORT] [OPTIONS]\n"
    "Plays a vehicle: parked, unlocked, driven into the home zone, parked, charged. Or, with\n"
    "--vehicles, many of them under load. Certificates come from a test CA in DIR, which is\n"
    "made when it is not there: vehicle-ca.pem is for the daemon's tls.vehicle_ca, server.pem\n"
    "and server.key for tls.certificate and tls.key.\n"
    "\n"
    "      --pki DIR            where the test CA lives\n"
    "      --pki-only           make it and exit\n"
    "      --host NAME          put NAME into a server certificate that is made\n"
    "      --export VIN         write VIN.pem and VIN.key for another client and exit\n"
    "      --flaw FLAW          of that certificate: expired, foreign, no-identity, server-only\n"
    "      --connect HOST:PORT  the daemon (127.0.0.1:8443)\n"
    "  a trip:\n"
    "      --vin VIN            whose (5YJ3E1EA7KF000001)\n"
    "      --home LAT,LON       where it ends (37.4,-122.1)\n"
    "      --speed X            play it X times as fast (1)\n"
    "      --tunnel AT,FOR      lose the connection AT seconds into the trip, FOR so long\n"
    "      --overlap            change from LTE to Wi-Fi at home with both connections up\n"
    "  load:\n"
    "      --vehicles N         how many\n"
    "      --rate R             messages a second of each (1); 0: as fast as the window allows\n"
    "      --window W           unacknowledged messages of each, at most (5000)\n"
    "      --data N             data in a message (8)\n"
    "      --first N            number of the first vehicle; its VIN ends in it (0)\n"
    "      --sequence FIELD     the field with this number counts a vehicle's messages\n"
    "      --reconnect S        each loses its connection about every S seconds (0: never)\n"
    "      --duration S         how long, in seconds (10)\n"
    "      --patience S         how long to wait for acknowledgements afterwards (30)\n"
    "      --acknowledged FILE  write each acknowledged txid to FILE\n"
    "  -q, --quiet              no progress line\n"
    "      --redact             show no VINs\n"
    "  -h, --help               show this\n";

struct arguments {
    const char *pki, *host, *export, *flaw, *connect, *vin, *acknowledged;
    bool pki_only, quiet, overlap;
    double home[2], speed, rate, tunnel[2];
    size_t vehicles, window, data, first;
    uint32_t sequence_field;
    double duration, patience, reconnect;
};

/* ---- a trip ---------------------------------------------------------------------- */

struct ride {
    const struct arguments *arguments;
    struct fr_garage *garage;
    struct fr_car *car, *second; /* the second is the Wi-Fi connection at home */
    struct fr_trip *trip;
    struct event *bucket, *interrupt;
    int64_t begun_ms, next_ms; /* trip time of the next bucket */
    uint64_t messages, acknowledged, refused;
    bool tunnelled, overlaps, ended;
    char problem[160];
};

static void ride_acknowledged(void *ctx, struct fr_car *car, const char *txid, int64_t waited_us)
{
    struct ride *ride = ctx;

    (void)car, (void)txid, (void)waited_us;
    ride->acknowledged++;
}

static void ride_refused(void *ctx, struct fr_car *car, const char *txid)
{
    struct ride *ride = ctx;

    (void)car, (void)txid;
    ride->refused++;
}

static void ride_closed(void *ctx, struct fr_car *car, const char *why)
{
    struct ride *ride = ctx;

    (void)car;
    snprintf(ride->problem, sizeof ride->problem, "%s", why);
    if (!ride->arguments->quiet)
        fprintf(stderr, "\nnot connected: %s\n", why);
}

static void send_bucket(struct ride *ride, int64_t ms)
{
    struct fr_sim_datum data[FR_TRIP_DATA_MAX];
    size_t count = fr_trip_bucket(ride->trip, ms, data);
    struct fr_buffer payload = {0};
    struct fr_car *car =
        ride->second != NULL && fr_car_is_open(ride->second) ? ride->second : ride->car;

    if (count == 0)
        return;
    fr_sim_payload(&payload, data, count, ride->arguments->vin, fr_wall_ns(), false);
    fr_car_send(car, "V", payload.bytes, payload.len);
    ride->messages++;
    fr_buffer_free(&payload);
}

static void show_progress(const struct ride *ride)
{
    char shown[FR_REDACTED_VIN_SIZE];

    if (ride->arguments->quiet)
        return;
    fprintf(stderr, "\r%s  %3lld s  %-16s %llu messages, %llu acknowledged ",
            fr_shown_vin(ride->arguments->vin, shown), (long long)ride->next_ms / 1000,
            fr_trip_phase(ride->next_ms), (unsigned long long)ride->messages,
            (unsigned long long)ride->acknowledged);
    fflush(stderr);
}

/* At home the car finds its Wi-Fi; the LTE connection stays up a while beside it. */
static void change_network(struct ride *ride)
{
    if (ride->arguments->overlap && ride->second != NULL &&
        strcmp(fr_trip_phase(ride->next_ms), "parked at home") == 0 && !ride->overlaps) {
        ride->overlaps = true;
        fr_car_connect(ride->second); /* it tries again by itself until it is open */
    }
    if (ride->arguments->overlap && ride->second != NULL &&
        strcmp(fr_trip_phase(ride->next_ms), "charging") == 0 && fr_car_is_open(ride->car) &&
        fr_car_is_open(ride->second) && fr_car_waiting(ride->car) == 0)
        fr_car_leave(ride->car);
}

static void drive_tunnel(struct ride *ride)
{
    const double *tunnel = ride->arguments->tunnel;

    if (ride->tunnelled || !(tunnel[1] > 0) || (double)ride->next_ms < tunnel[0] * 1000)
        return;
    ride->tunnelled = true;
    fr_car_lose_connection(ride->car, (int64_t)(tunnel[1] * 1000 / ride->arguments->speed));
}

static void bucket_due(evutil_socket_t fd, short what, void *ctx)
{
    struct ride *ride = ctx;
    int64_t now = fr_monotonic_ms(), trip_ms;
    size_t waiting =
        fr_car_waiting(ride->car) + (ride->second != NULL ? fr_car_waiting(ride->second) : 0);

    (void)fd, (void)what;
    if (ride->begun_ms == 0 && !fr_car_is_open(ride->car))
        return;
    if (ride->begun_ms == 0)
        ride->begun_ms = now;
    trip_ms = (int64_t)((double)(now - ride->begun_ms) * ride->arguments->speed);
    while (ride->next_ms <= trip_ms && ride->next_ms <= fr_trip_duration_ms()) {
        send_bucket(ride, ride->next_ms);
        drive_tunnel(ride);
        change_network(ride);
        show_progress(ride);
        ride->next_ms += FR_TRIP_BUCKET_MS;
    }
    if (ride->next_ms > fr_trip_duration_ms() && waiting == 0) {
        ride->ended = true;
        event_base_loopbreak(fr_garage_base(ride->garage));
    }
}

static void interrupted(evutil_socket_t fd, short what, void *ctx)
{
    struct ride *ride = ctx;

    (void)fd, (void)what;
    event_base_loopbreak(fr_garage_base(ride->garage));
}

static int run_trip(const struct arguments *a, struct fr_pki *pki, const char *host, uint16_t port,
                    struct fr_error *error)
{
    struct ride ride = {.arguments = a};
    struct fr_car_settings settings = {
        .vin = a->vin,
        .server_name = "localhost",
        .network_interface = "cellular",
        .window = a->window,
        .acknowledged = ride_acknowledged,
        .refused = ride_refused,
        .closed = ride_closed,
        .ctx = &ride,
    };
    struct timeval interval = {0, 20000};

    settings.context = fr_pki_vehicle(pki, a->vin, FR_PKI_GOOD, error);
    if (settings.context == NULL ||
        fr_load_resolve(host, port, &settings.address, &settings.address_len, error) != 0)
        return -1;
    ride.garage = fr_garage_new();
    ride.trip = fr_trip_new(a->home[0], a->home[1]);
    ride.car = fr_car_new(ride.garage, &settings);
    settings.network_interface = "wifi";
    if (a->overlap)
        ride.second = fr_car_new(ride.garage, &settings);
    SSL_CTX_free(settings.context);
    ride.bucket = event_new(fr_garage_base(ride.garage), -1, EV_PERSIST, bucket_due, &ride);
    ride.interrupt = evsignal_new(fr_garage_base(ride.garage), SIGINT, interrupted, &ride);
    event_add(ride.bucket, &interval);
    event_add(ride.interrupt, NULL);
    fr_car_connect(ride.car);
    event_base_dispatch(fr_garage_base(ride.garage));
    if (!a->quiet)
        fputc('\n', stderr);
    printf("%llu messages, %llu acknowledged, %llu refused\n", (unsigned long long)ride.messages,
           (unsigned long long)ride.acknowledged, (unsigned long long)ride.refused);
    fr_car_leave(ride.car);
    fr_car_free(ride.car);
    if (ride.second != NULL) {
        fr_car_leave(ride.second);
        fr_car_free(ride.second);
    }
    event_free(ride.bucket);
    event_free(ride.interrupt);
    fr_trip_free(ride.trip);
    fr_garage_free(ride.garage);
    if (!ride.ended)
        return fr_error_set(error, "the trip was not finished%s%s", ride.problem[0] ? ": " : "",
                            ride.problem);
    return 0;
}

/* ---- load ------------------------------------------------------------------------ */

static int run_load(const struct arguments *a, struct fr_pki *pki, const char *host, uint16_t port,
                    struct fr_error *error)
{
    struct fr_load_settings settings = {
        .host = host,
        .port = port,
        .vehicles = a->vehicles,
        .rate = a->rate,
        .window = a->window,
        .data = a->data,
        .first = a->first,
        .sequence_field = a->sequence_field,
        .reconnect_ms = (int64_t)(a->reconnect * 1000),
        .duration_ms = (int64_t)(a->duration * 1000),
        .patience_ms = (int64_t)(a->patience * 1000),
        .progress = a->quiet ? NULL : stderr,
    };
    struct fr_load_result r;
    int status;

    if (a->acknowledged != NULL) {
        settings.acknowledged = fopen(a->acknowledged, "w");
        if (settings.acknowledged == NULL)
            return fr_error_set(error, "%s cannot be written", a->acknowledged);
    }
    status = fr_load_run(&settings, pki, &r, error);
    if (settings.acknowledged != NULL && fclose(settings.acknowledged) != 0 && status == 0)
        status = fr_error_set(error, "%s could not be written whole", a->acknowledged);
    if (status == 0)
        printf("%llu sent, %llu acknowledged, %llu refused, %llu unanswered, %llu dropped by "
               "vehicles, %llu disconnects, p50 %.2f ms, p99 %.2f ms, most %.2f ms\n",
               (unsigned long long)r.sent, (unsigned long long)r.acknowledged,
               (unsigned long long)r.refused, (unsigned long long)r.unanswered,
               (unsigned long long)r.dropped, (unsigned long long)r.disconnects, r.p50_ms, r.p99_ms,
               r.most_ms);
    return status;
}

/* ---- the command line ------------------------------------------------------------ */

static int split_address(const char *text, char *host, size_t size, uint16_t *port,
                         struct fr_error *error)
{
    const char *colon = strrchr(text, ':');
    char *end;
    unsigned long number;

    if (colon == NULL || colon == text || (size_t)(colon - text) >= size)
        return fr_error_set(error, "--connect wants HOST:PORT, not \"%s\"", text);
    number = strtoul(colon + 1, &end, 10);
    if (*end != '\0' || number == 0 || number > 65535)
        return fr_error_set(error, "--connect: \"%s\" is no port", colon + 1);
    memcpy(host, text, (size_t)(colon - text));
    host[colon - text] = '\0';
    *port = (uint16_t)number;
    return 0;
}

static int flaw_of(const char *word, struct fr_error *error)
{
    static const char *const words[] = {"good", "expired", "foreign", "no-identity", "server-only"};

    for (int i = 0; i < 5; i++)
        if (strcmp(words[i], word) == 0)
            return i;
    return fr_error_set(error, "--flaw is one of expired, foreign, no-identity, server-only");
}

static int run(const struct arguments *a, struct fr_error *error)
{
    char host[256];
    uint16_t port = 0;
    struct fr_pki *pki;
    int status = -1, flaw;

    if (a->pki == NULL)
        return fr_error_set(error, "--pki DIR is needed: where the test CA lives or will live");
    if (split_address(a->connect, host, sizeof host, &port, error) != 0)
        return -1;
    pki = fr_pki_open(a->pki, a->host, error);
    if (pki == NULL)
        return -1;
    if (a->export != NULL) {
        flaw = flaw_of(a->flaw, error);
        if (flaw >= 0)
            status = fr_pki_export(pki, a->export, (enum fr_pki_flaw)flaw, a->pki, error);
    } else if (a->pki_only)
        status = 0;
    else if (a->vehicles > 0)
        status = run_load(a, pki, host, port, error);
    else
        status = run_trip(a, pki, host, port, error);
    fr_pki_free(pki);
    return status;
}

static bool pair(const char *text, double two[2])
{
    return sscanf(text, "%lf,%lf", &two[0], &two[1]) == 2;
}

static const struct option longs[] = {
    {"pki", required_argument, NULL, 'p'},
    {"pki-only", no_argument, NULL, 'P'},
    {"host", required_argument, NULL, 'H'},
    {"export", required_argument, NULL, 'e'},
    {"flaw", required_argument, NULL, 'F'},
    {"connect", required_argument, NULL, 'c'},
    {"vin", required_argument, NULL, 'v'},
    {"home", required_argument, NULL, 'o'},
    {"speed", required_argument, NULL, 's'},
    {"tunnel", required_argument, NULL, 't'},
    {"overlap", no_argument, NULL, 'O'},
    {"vehicles", required_argument, NULL, 'n'},
    {"rate", required_argument, NULL, 'r'},
    {"window", required_argument, NULL, 'w'},
    {"data", required_argument, NULL, 'd'},
    {"duration", required_argument, NULL, 'D'},
    {"patience", required_argument, NULL, 'Q'},
    {"acknowledged", required_argument, NULL, 'a'},
    {"first", required_argument, NULL, 'f'},
    {"sequence", required_argument, NULL, 'S'},
    {"reconnect", required_argument, NULL, 'C'},
    {"quiet", no_argument, NULL, 'q'},
    {"redact", no_argument, NULL, 'R'},
    {"help", no_argument, NULL, 'h'},
    {NULL, 0, NULL, 0},
};

/* 0: go on; 1: done, -1: wrong. */
static int take_option(struct arguments *a, int option, struct fr_error *error)
{
    switch (option) {
    case 'p':
        a->pki = optarg;
        return 0;
    case 'P':
        a->pki_only = true;
        return 0;
    case 'H':
        a->host = optarg;
        return 0;
    case 'e':
        a->export = optarg;
        return 0;
    case 'F':
        a->flaw = optarg;
        return 0;
    case 'c':
        a->connect = optarg;
        return 0;
    case 'v':
        a->vin = optarg;
        return 0;
    case 'O':
        a->overlap = true;
        return 0;
    case 'n':
        a->vehicles = strtoul(optarg, NULL, 10);
        return 0;
    case 'r':
        a->rate = strtod(optarg, NULL);
        return 0;
    case 'w':
        a->window = strtoul(optarg, NULL, 10);
        return 0;
    case 'd':
        a->data = strtoul(optarg, NULL, 10);
        return 0;
    case 'f':
        a->first = strtoul(optarg, NULL, 10);
        return 0;
    case 'S':
        a->sequence_field = (uint32_t)strtoul(optarg, NULL, 10);
        return 0;
    case 'C':
        a->reconnect = strtod(optarg, NULL);
        return 0;
    case 'D':
        a->duration = strtod(optarg, NULL);
        return 0;
    case 'Q':
        a->patience = strtod(optarg, NULL);
        return 0;
    case 'a':
        a->acknowledged = optarg;
        return 0;
    case 'q':
        a->quiet = true;
        return 0;
    case 'R':
        fr_redact_set(true);
        return 0;
    case 'h':
        fputs(help, stdout);
        return 1;
    case 's':
        a->speed = strtod(optarg, NULL);
        return a->speed > 0 ? 0 : fr_error_set(error, "--speed must be more than 0");
    case 'o':
        return pair(optarg, a->home) ? 0 : fr_error_set(error, "--home wants LAT,LON in degrees");
    case 't':
        return pair(optarg, a->tunnel) ? 0 : fr_error_set(error, "--tunnel wants AT,FOR in s");
    default:
        return fr_error_set(error, "try `fleetroute simulate --help`");
    }
}

int fr_cmd_simulate(int argc, char **argv)
{
    struct arguments a = {
        .flaw = "good",
        .connect = "127.0.0.1:8443",
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
    int option, status = 0;

    while (status == 0 && (option = getopt_long(argc, argv, "qh", longs, NULL)) != -1)
        status = take_option(&a, option, &error);
    if (status == 0)
        status = run(&a, &error);
    if (status < 0)
        fprintf(stderr, "fleetroute simulate: %s\n", error.text);
    return status < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
