#include "history/session_row.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "history/history_key.h"

#define FORMAT 1
#define TIME_MAX_MS (INT64_C(1) << 53)

enum { FLAG_OPEN = 1, FLAG_DC = 2, FLAG_DETAILED = 4 };

/* ---- a session ------------------------------------------------------------------- */

#define PAIRS 8

static void session_list_pairs(struct fr_session *s, double *pairs[PAIRS])
{
    double *const list[PAIRS] = {s->odometer,  s->soc,       s->remaining, s->lifetime,
                                 s->dc_energy, s->ac_energy, s->latitude,  s->longitude};

    memcpy(pairs, list, sizeof list);
}

static void session_pack(const struct fr_session *session, struct fr_buffer *out)
{
    struct fr_session copy = *session;
    double *pairs[PAIRS];

    session_list_pairs(&copy, pairs);
    fr_pack_unsigned(out, session->kind);
    fr_pack_unsigned(out, (session->open ? FLAG_OPEN : 0U) | (session->dc ? FLAG_DC : 0U));
    fr_pack_signed(out, session->begin_ms);
    fr_pack_signed(out, session->end_ms);
    for (size_t i = 0; i < PAIRS; i++) {
        fr_pack_double(out, pairs[i][0]);
        fr_pack_double(out, pairs[i][1]);
    }
    fr_pack_double(out, session->max_speed);
    fr_pack_double(out, session->max_power);
}

static int64_t session_unpack_time(struct fr_unpack *in)
{
    int64_t ms = fr_unpack_signed(in);

    if (ms < 0 || ms > TIME_MAX_MS)
        in->failed = true;
    return in->failed ? 0 : ms;
}

/* An infinite number counts as unknown. */
static double session_unpack_number(struct fr_unpack *in)
{
    double number = fr_unpack_double(in);

    return isfinite(number) ? number : NAN;
}

static void session_unpack(struct fr_session *s, struct fr_unpack *in)
{
    uint64_t kind = fr_unpack_unsigned(in), flags = fr_unpack_unsigned(in);
    double *pairs[PAIRS];

    memset(s, 0, sizeof *s);
    s->kind = kind == FR_SESSION_DRIVE ? FR_SESSION_DRIVE : FR_SESSION_CHARGE;
    s->open = (flags & FLAG_OPEN) != 0;
    s->dc = (flags & FLAG_DC) != 0;
    s->begin_ms = session_unpack_time(in);
    s->end_ms = session_unpack_time(in);
    session_list_pairs(s, pairs);
    for (size_t i = 0; i < PAIRS; i++) {
        pairs[i][0] = session_unpack_number(in);
        pairs[i][1] = session_unpack_number(in);
    }
    s->max_speed = session_unpack_number(in);
    s->max_power = session_unpack_number(in);
    if ((kind != FR_SESSION_DRIVE && kind != FR_SESSION_CHARGE) || s->end_ms < s->begin_ms)
        in->failed = true;
}

void fr_session_encode(const struct fr_session *session, struct fr_buffer *out)
{
    fr_pack_begin(out, FR_HISTORY_SESSION);
    fr_pack_unsigned(out, FORMAT);
    session_pack(session, out);
    fr_pack_end(out);
}

bool fr_session_decode(struct fr_session *session, const void *bytes, size_t len)
{
    struct fr_unpack in;

    if (!fr_unpack_begin(&in, bytes, len, FR_HISTORY_SESSION) || fr_unpack_unsigned(&in) != FORMAT)
        return false;
    session_unpack(session, &in);
    return fr_unpack_end(&in);
}

/* ---- the state of a vehicle ------------------------------------------------------ */

#define LATEST 8

static void session_list_latest(struct fr_session_state *s, struct fr_session_latest *list[LATEST])
{
    struct fr_session_latest *const all[LATEST] = {&s->odometer, &s->soc,       &s->remaining,
                                                   &s->lifetime, &s->dc_energy, &s->ac_energy,
                                                   &s->latitude, &s->longitude};

    memcpy(list, all, sizeof all);
}

void fr_session_state_pack(const struct fr_session_state *state, struct fr_buffer *out)
{
    struct fr_session_state copy = *state;
    struct fr_session_latest *latest[LATEST];

    fr_pack_unsigned(out, FORMAT);
    session_pack(&state->drive, out);
    session_pack(&state->charge, out);
    fr_pack_signed(out, state->parked_ms);
    fr_pack_signed(out, state->idle_ms);
    fr_pack_signed(out, state->last_ms);
    fr_pack_signed(out, state->last_received_ms);
    fr_pack_unsigned(out, state->detailed ? FLAG_DETAILED : 0U);
    session_list_latest(&copy, latest);
    for (size_t i = 0; i < LATEST; i++) {
        fr_pack_signed(out, latest[i]->ms);
        fr_pack_double(out, latest[i]->number);
    }
}

void fr_session_state_unpack(struct fr_session_state *s, struct fr_unpack *in)
{
    struct fr_session_latest *latest[LATEST];

    memset(s, 0, sizeof *s);
    if (fr_unpack_unsigned(in) != FORMAT)
        in->failed = true;
    session_unpack(&s->drive, in);
    session_unpack(&s->charge, in);
    if (s->drive.kind != FR_SESSION_DRIVE || s->charge.kind != FR_SESSION_CHARGE)
        in->failed = true;
    s->parked_ms = session_unpack_time(in);
    s->idle_ms = session_unpack_time(in);
    s->last_ms = session_unpack_time(in);
    s->last_received_ms = session_unpack_time(in);
    s->detailed = fr_unpack_unsigned(in) == FLAG_DETAILED;
    session_list_latest(s, latest);
    for (size_t i = 0; i < LATEST; i++) {
        latest[i]->ms = session_unpack_time(in);
        latest[i]->number = session_unpack_number(in);
        if (isnan(latest[i]->number))
            latest[i]->ms = 0;
    }
    if (in->failed)
        fr_session_reset(s);
}
