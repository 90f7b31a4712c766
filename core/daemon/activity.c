#include "daemon/activity.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "config/routing_types.h"
#include "util/json_text.h"
#include "util/memory.h"

struct step {
    int64_t at_ms; /* wall clock: its end */
    float records, acknowledged;
    uint32_t connected;
    int32_t p50_ms, p99_ms; /* -1: nothing was acknowledged */
};

struct sink_steps {
    char *name;
    uint64_t delivered;                      /* at the end of the last step */
    float delivered_rate[FR_ACTIVITY_STEPS]; /* NAN: the sink did not exist */
    uint64_t lag[FR_ACTIVITY_STEPS];
};

struct fr_activity {
    uint64_t count; /* steps that were ever added; a step's index is its number modulo the ring */
    int64_t monotonic_ms;
    uint64_t records, acknowledged, delays[FR_ACK_DELAY_CLASSES]; /* of the last sample */
    struct step steps[FR_ACTIVITY_STEPS];
    struct sink_steps *sinks[FR_SINKS_MAX];
    size_t sink_count;
};

struct fr_activity *fr_activity_new(int64_t monotonic_ms)
{
    struct fr_activity *activity = fr_calloc(1, sizeof *activity);

    activity->monotonic_ms = monotonic_ms;
    return activity;
}

static void activity_free_sink(struct sink_steps *sink)
{
    free(sink->name);
    free(sink);
}

void fr_activity_free(struct fr_activity *activity)
{
    if (activity == NULL)
        return;
    for (size_t i = 0; i < activity->sink_count; i++)
        activity_free_sink(activity->sinks[i]);
    free(activity);
}

/* ---- adding ---------------------------------------------------------------------- */

static float activity_rate(uint64_t *before, uint64_t now, int64_t elapsed_ms)
{
    uint64_t counted = now >= *before ? now - *before : now;

    *before = now;
    return (float)((double)counted * 1000 / (double)elapsed_ms);
}

static void activity_set_delays(struct fr_activity *activity, struct step *step,
                                const uint64_t delays[FR_ACK_DELAY_CLASSES])
{
    uint64_t counts[FR_ACK_DELAY_CLASSES];

    for (size_t i = 0; i < FR_ACK_DELAY_CLASSES; i++)
        counts[i] = delays[i] - activity->delays[i];
    memcpy(activity->delays, delays, sizeof activity->delays);
    step->p50_ms = (int32_t)fr_ack_delays_percentile(counts, 50);
    step->p99_ms = (int32_t)fr_ack_delays_percentile(counts, 99);
}

/* Free the sinks that are not in the sample. */
static void activity_forget_sinks(struct fr_activity *activity,
                                  const struct fr_activity_sample *sample)
{
    size_t kept = 0;

    for (size_t i = 0; i < activity->sink_count; i++) {
        bool present = false;

        for (size_t k = 0; k < sample->sink_count && !present; k++)
            present = strcmp(sample->sinks[k].name, activity->sinks[i]->name) == 0;
        if (present)
            activity->sinks[kept++] = activity->sinks[i];
        else
            activity_free_sink(activity->sinks[i]);
    }
    activity->sink_count = kept;
}

/* The steps of a sink, which are made for a new one; NULL: there are too many. */
static struct sink_steps *activity_find_sink(struct fr_activity *activity, const char *name)
{
    struct sink_steps *sink;

    for (size_t i = 0; i < activity->sink_count; i++)
        if (strcmp(activity->sinks[i]->name, name) == 0)
            return activity->sinks[i];
    if (activity->sink_count == FR_SINKS_MAX)
        return NULL;
    sink = fr_calloc(1, sizeof *sink);
    sink->name = fr_strdup(name);
    for (size_t i = 0; i < FR_ACTIVITY_STEPS; i++)
        sink->delivered_rate[i] = NAN;
    activity->sinks[activity->sink_count++] = sink;
    return sink;
}

void fr_activity_add(struct fr_activity *activity, const struct fr_activity_sample *sample)
{
    size_t index = activity->count % FR_ACTIVITY_STEPS;
    struct step *step = &activity->steps[index];
    int64_t elapsed_ms = sample->monotonic_ms - activity->monotonic_ms;

    if (elapsed_ms <= 0)
        return;
    activity->monotonic_ms = sample->monotonic_ms;
    step->at_ms = sample->wall_ms;
    step->records = activity_rate(&activity->records, sample->records, elapsed_ms);
    step->acknowledged = activity_rate(&activity->acknowledged, sample->acknowledged, elapsed_ms);
    step->connected = (uint32_t)sample->connected;
    activity_set_delays(activity, step, sample->delays);
    activity_forget_sinks(activity, sample);
    for (size_t i = 0; i < sample->sink_count; i++) {
        const struct fr_activity_sink *from = &sample->sinks[i];
        struct sink_steps *sink = activity_find_sink(activity, from->name);

        if (sink == NULL)
            continue;
        sink->delivered_rate[index] = activity_rate(&sink->delivered, from->delivered, elapsed_ms);
        sink->lag[index] = from->lag;
    }
    activity->count++;
}

/* ---- output ---------------------------------------------------------------------- */

/* Two decimals are enough for a chart, and halve the answer. */
static void activity_put_rate(struct fr_buffer *out, float rate)
{
    fr_json_number(out, isnan(rate) ? NAN : round((double)rate * 100) / 100);
}

static void activity_put_delay(struct fr_buffer *out, int32_t ms)
{
    if (ms < 0)
        fr_buffer_text(out, "null");
    else
        fr_buffer_printf(out, "%d", ms);
}

enum column { AT_MS, RECORDS, ACKNOWLEDGED, CONNECTED, P50, P99, COLUMNS };

static void activity_put_cell(struct fr_buffer *out, const struct step *step, enum column column)
{
    switch (column) {
    case AT_MS:
        fr_buffer_printf(out, "%lld", (long long)step->at_ms);
        break;
    case RECORDS:
        activity_put_rate(out, step->records);
        break;
    case ACKNOWLEDGED:
        activity_put_rate(out, step->acknowledged);
        break;
    case CONNECTED:
        fr_buffer_printf(out, "%u", step->connected);
        break;
    case P50:
        activity_put_delay(out, step->p50_ms);
        break;
    case P99:
    case COLUMNS:
        activity_put_delay(out, step->p99_ms);
        break;
    }
}

static void activity_put_sink(struct fr_buffer *out, const struct sink_steps *sink, uint64_t first,
                              uint64_t end)
{
    fr_json_string(out, sink->name, strlen(sink->name));
    fr_buffer_text(out, ":{\"delivered\":[");
    for (uint64_t i = first; i < end; i++) {
        if (i != first)
            fr_buffer_byte(out, ',');
        activity_put_rate(out, sink->delivered_rate[i % FR_ACTIVITY_STEPS]);
    }
    fr_buffer_text(out, "],\"lag\":[");
    for (uint64_t i = first; i < end; i++) {
        if (i != first)
            fr_buffer_byte(out, ',');
        if (isnan(sink->delivered_rate[i % FR_ACTIVITY_STEPS]))
            fr_buffer_text(out, "null");
        else
            fr_buffer_printf(out, "%llu", (unsigned long long)sink->lag[i % FR_ACTIVITY_STEPS]);
    }
    fr_buffer_text(out, "]}");
}

void fr_activity_put(const struct fr_activity *activity, size_t steps, struct fr_buffer *out)
{
    static const char *const names[COLUMNS] = {"at_ms",     "records",    "acknowledged",
                                               "connected", "ack_p50_ms", "ack_p99_ms"};
    uint64_t end = activity->count, kept = end < FR_ACTIVITY_STEPS ? end : FR_ACTIVITY_STEPS;
    uint64_t first = end - (steps < kept ? steps : kept);

    fr_buffer_text(out, "\"series\":{");
    for (int column = 0; column < COLUMNS; column++) {
        fr_buffer_printf(out, "%s\"%s\":[", column != 0 ? "," : "", names[column]);
        for (uint64_t i = first; i < end; i++) {
            if (i != first)
                fr_buffer_byte(out, ',');
            activity_put_cell(out, &activity->steps[i % FR_ACTIVITY_STEPS], (enum column)column);
        }
        fr_buffer_byte(out, ']');
    }
    fr_buffer_text(out, "},\"sinks\":{");
    for (size_t i = 0; i < activity->sink_count; i++) {
        if (i != 0)
            fr_buffer_byte(out, ',');
        activity_put_sink(out, activity->sinks[i], first, end);
    }
    fr_buffer_byte(out, '}');
}
