#include "history/session.h"

#include <math.h>
#include <string.h>
#include <strings.h>

#define MINUTE_MS INT64_C(60000)
#define PARKED_MS (5 * MINUTE_MS) /* in P before a drive has ended */
#define DRIVE_GAP_MS (15 * MINUTE_MS)
#define IDLE_MS (10 * MINUTE_MS) /* interrupted before a charge has ended */
#define CHARGE_GAP_MS (120 * MINUTE_MS)
#define FRESH_MS (10 * MINUTE_MS) /* max age of a value that counts as that of the begin */

/* A shorter drive without a distance is none. */
#define DRIVE_MIN_MS MINUTE_MS
#define DRIVE_MIN_MILES 0.1

/* A drive that is faster, or an energy that is larger, is a faulty counter. */
#define MILES_PER_HOUR_MAX 300.0
#define ENERGY_MAX_KWH 2000.0

static void session_clear(struct fr_session *s, enum fr_session_kind kind)
{
    double *const pairs[] = {s->odometer,  s->soc,       s->remaining, s->lifetime,
                             s->dc_energy, s->ac_energy, s->latitude,  s->longitude};

    *s = (struct fr_session){.kind = kind, .max_speed = NAN, .max_power = NAN};
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++)
        pairs[i][0] = pairs[i][1] = NAN;
}

void fr_session_reset(struct fr_session_state *state)
{
    memset(state, 0, sizeof *state);
    session_clear(&state->drive, FR_SESSION_DRIVE);
    session_clear(&state->charge, FR_SESSION_CHARGE);
}

bool fr_session_wants(uint32_t field)
{
    switch (field) {
    case FR_SESSION_CHARGE_STATE:
    case FR_SESSION_SPEED:
    case FR_SESSION_ODOMETER:
    case FR_SESSION_SOC:
    case FR_SESSION_GEAR:
    case FR_SESSION_LOCATION:
    case FR_SESSION_DC_ENERGY:
    case FR_SESSION_DC_POWER:
    case FR_SESSION_AC_ENERGY:
    case FR_SESSION_AC_POWER:
    case FR_SESSION_LIFETIME_ENERGY:
    case FR_SESSION_ENERGY_REMAINING:
    case FR_SESSION_DETAILED_CHARGE:
        return true;
    default:
        return false;
    }
}

/* ---- results --------------------------------------------------------------------- */

double fr_session_distance(const struct fr_session *s)
{
    double miles = s->odometer[1] - s->odometer[0];
    double hours = (double)(s->end_ms - s->begin_ms) / 3600000;

    if (!(miles >= 0) || miles > 1 + MILES_PER_HOUR_MAX * hours)
        return NAN;
    return miles;
}

/* NAN if one of the numbers is unknown or the difference is impossible. */
static double session_energy_between(double from, double to)
{
    double energy = to - from;

    return fabs(energy) <= ENERGY_MAX_KWH ? energy : NAN;
}

double fr_session_energy(const struct fr_session *s)
{
    double energy;

    if (s->kind == FR_SESSION_DRIVE) {
        energy = session_energy_between(s->lifetime[0], s->lifetime[1]);
        if (!isnan(energy) && energy >= 0)
            return energy;
        return session_energy_between(s->remaining[1], s->remaining[0]);
    }
    energy = session_energy_between(s->dc_energy[0], s->dc_energy[1]);
    if (!isnan(energy) && energy >= 0)
        return energy;
    return session_energy_between(s->remaining[0], s->remaining[1]);
}

double fr_session_charger_energy(const struct fr_session *s)
{
    double energy = session_energy_between(s->ac_energy[0], s->ac_energy[1]);

    return s->kind == FR_SESSION_CHARGE && !s->dc && energy >= 0 ? energy : NAN;
}

/* ---- begin and end --------------------------------------------------------------- */

/* The value of the begin: the latest one, unless it is too old or unknown. */
static void session_take(double pair[2], const struct fr_session_latest *latest, int64_t ms)
{
    pair[0] = pair[1] = latest->ms != 0 && ms - latest->ms <= FRESH_MS ? latest->number : NAN;
}

static void session_begin(const struct fr_session_state *state, struct fr_session *s, int64_t ms)
{
    session_clear(s, s->kind);
    s->open = true;
    s->begin_ms = s->end_ms = ms;
    session_take(s->odometer, &state->odometer, ms);
    session_take(s->soc, &state->soc, ms);
    session_take(s->remaining, &state->remaining, ms);
    session_take(s->lifetime, &state->lifetime, ms);
    session_take(s->latitude, &state->latitude, ms);
    session_take(s->longitude, &state->longitude, ms);
    if (s->kind == FR_SESSION_CHARGE) {
        /* Counters of the vehicle's sessions: the last number is valid however old it is. */
        session_take(s->dc_energy, &state->dc_energy, state->dc_energy.ms);
        session_take(s->ac_energy, &state->ac_energy, state->ac_energy.ms);
    }
}

static void session_end(struct fr_session *s, int64_t ms, fr_session_ended *ended, void *ctx)
{
    double miles;
    bool keep;

    s->open = false;
    s->end_ms = ms > s->begin_ms ? ms : s->begin_ms;
    miles = fr_session_distance(s);
    keep = s->kind == FR_SESSION_CHARGE || s->end_ms - s->begin_ms >= DRIVE_MIN_MS ||
           miles >= DRIVE_MIN_MILES;
    ended(ctx, s, keep);
}

static void session_end_drive(struct fr_session_state *state, int64_t ms, fr_session_ended *ended,
                              void *ctx)
{
    if (state->drive.open)
        session_end(&state->drive, state->parked_ms != 0 ? state->parked_ms : ms, ended, ctx);
    state->parked_ms = 0;
}

static void session_end_charge(struct fr_session_state *state, int64_t ms, fr_session_ended *ended,
                               void *ctx)
{
    if (state->charge.open)
        session_end(&state->charge, state->idle_ms != 0 ? state->idle_ms : ms, ended, ctx);
    state->idle_ms = 0;
}

/* End what has ended before a value of the time `ms`, the next one after last_ms. */
static void session_expire(struct fr_session_state *state, int64_t ms, fr_session_ended *ended,
                           void *ctx)
{
    int64_t gap = ms - state->last_ms;

    if (gap > DRIVE_GAP_MS || (state->parked_ms != 0 && ms - state->parked_ms >= PARKED_MS))
        session_end_drive(state, state->last_ms, ended, ctx);
    if (gap > CHARGE_GAP_MS || (state->idle_ms != 0 && ms - state->idle_ms >= IDLE_MS))
        session_end_charge(state, state->last_ms, ended, ctx);
}

void fr_session_tick(struct fr_session_state *state, int64_t received_ms, fr_session_ended *ended,
                     void *ctx)
{
    /* The vehicle's clock continues as the daemon's does. */
    if (received_ms > state->last_received_ms && state->last_received_ms != 0)
        session_expire(state, state->last_ms + (received_ms - state->last_received_ms), ended, ctx);
}

/* ---- values ---------------------------------------------------------------------- */

static bool session_is_word(const struct fr_value *value, const char *word)
{
    if (value->kind == FR_VALUE_ENUM)
        return value->choice.name != NULL && strcasecmp(value->choice.name, word) == 0;
    return value->kind == FR_VALUE_TEXT && value->text.len == strlen(word) &&
           strncasecmp(value->text.bytes, word, value->text.len) == 0;
}

static void session_read_gear(struct fr_session_state *state, const struct fr_value *value,
                              int64_t ms, fr_session_ended *ended, void *ctx)
{
    bool moves = session_is_word(value, "D") || session_is_word(value, "R");

    if (moves) {
        session_end_charge(state, ms, ended, ctx);
        if (!state->drive.open)
            session_begin(state, &state->drive, ms);
        state->parked_ms = 0;
    } else if (state->drive.open && state->parked_ms == 0 && !session_is_word(value, "N"))
        state->parked_ms = ms;
}

static void session_read_charge(struct fr_session_state *state, uint32_t field,
                                const struct fr_value *value, int64_t ms, fr_session_ended *ended,
                                void *ctx)
{
    bool charging = session_is_word(value, "Charging");

    if (field == FR_SESSION_DETAILED_CHARGE)
        state->detailed = true;
    else if (state->detailed)
        return;
    else
        charging = charging || session_is_word(value, "Enable");
    if (charging && !state->charge.open) {
        if (state->parked_ms != 0) /* what the charge adds is not part of the drive */
            session_end_drive(state, ms, ended, ctx);
        session_begin(state, &state->charge, ms);
    }
    if (charging)
        state->idle_ms = 0;
    else if (session_is_word(value, "Disconnected"))
        session_end_charge(state, ms, ended, ctx);
    else if (state->charge.open && state->idle_ms == 0)
        state->idle_ms = ms;
}

static void session_update(struct fr_session *s, double pair[2], double number)
{
    if (!s->open)
        return;
    if (isnan(pair[0]))
        pair[0] = number;
    pair[1] = number;
}

/* A number of both kinds of sessions. */
static void session_read_number(struct fr_session_state *state, struct fr_session_latest *latest,
                                double drive[2], double charge[2], double number, int64_t ms)
{
    *latest = (struct fr_session_latest){ms, number};
    session_update(&state->drive, drive, number);
    session_update(&state->charge, charge, number);
}

/* A counter of the vehicle's charging session: a lower number than before means that it restarted
 * at 0. */
static void session_read_counter(struct fr_session_state *state, struct fr_session_latest *latest,
                                 double charge[2], double number, int64_t ms)
{
    if (state->charge.open && number < charge[1])
        charge[0] = 0;
    session_update(&state->charge, charge, number);
    *latest = (struct fr_session_latest){ms, number};
}

static void session_max(struct fr_session *s, double *max, double number)
{
    if (s->open && !(number <= *max))
        *max = number;
}

static void session_read_real(struct fr_session_state *state, uint32_t field, double number,
                              int64_t ms)
{
    struct fr_session *drive = &state->drive, *charge = &state->charge;

    switch (field) {
    case FR_SESSION_SPEED:
        session_max(drive, &drive->max_speed, number);
        break;
    case FR_SESSION_DC_POWER:
        charge->dc = charge->dc || (charge->open && number > 0);
        session_max(charge, &charge->max_power, number);
        break;
    case FR_SESSION_AC_POWER:
        session_max(charge, &charge->max_power, number);
        break;
    case FR_SESSION_ODOMETER:
        session_read_number(state, &state->odometer, drive->odometer, charge->odometer, number, ms);
        break;
    case FR_SESSION_SOC:
        session_read_number(state, &state->soc, drive->soc, charge->soc, number, ms);
        break;
    case FR_SESSION_ENERGY_REMAINING:
        session_read_number(state, &state->remaining, drive->remaining, charge->remaining, number,
                            ms);
        break;
    case FR_SESSION_LIFETIME_ENERGY:
        session_read_number(state, &state->lifetime, drive->lifetime, charge->lifetime, number, ms);
        break;
    case FR_SESSION_DC_ENERGY:
        session_read_counter(state, &state->dc_energy, charge->dc_energy, number, ms);
        break;
    case FR_SESSION_AC_ENERGY:
        session_read_counter(state, &state->ac_energy, charge->ac_energy, number, ms);
        break;
    default:
        break;
    }
}

static void session_read_location(struct fr_session_state *state, const struct fr_value *value,
                                  int64_t ms)
{
    session_read_number(state, &state->latitude, state->drive.latitude, state->charge.latitude,
                        value->location.latitude, ms);
    session_read_number(state, &state->longitude, state->drive.longitude, state->charge.longitude,
                        value->location.longitude, ms);
}

void fr_session_feed(struct fr_session_state *state, uint32_t field, const struct fr_value *value,
                     int64_t ms, int64_t received_ms, fr_session_ended *ended, void *ctx)
{
    if (ms < state->last_ms)
        return;
    if (state->last_ms != 0)
        session_expire(state, ms, ended, ctx);
    state->last_ms = ms;
    if (received_ms > state->last_received_ms)
        state->last_received_ms = received_ms;
    if (field == FR_SESSION_GEAR)
        session_read_gear(state, value, ms, ended, ctx);
    else if (field == FR_SESSION_DETAILED_CHARGE || field == FR_SESSION_CHARGE_STATE)
        session_read_charge(state, field, value, ms, ended, ctx);
    else if (field == FR_SESSION_LOCATION && value->kind == FR_VALUE_LOCATION)
        session_read_location(state, value, ms);
    else if (value->kind == FR_VALUE_REAL && isfinite(value->real))
        session_read_real(state, field, value->real, ms);
    if (state->drive.open && state->parked_ms == 0)
        state->drive.end_ms = ms;
    if (state->charge.open && state->idle_ms == 0)
        state->charge.end_ms = ms;
}
