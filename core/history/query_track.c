#include "history/query_track.h"

#include <stdlib.h>

#include "history/query_base.h"
#include "history/track.h"
#include "util/memory.h"

#define TOLERANCE_METRES 4 /* about the accuracy of the vehicle's positions */

struct query_track {
    const struct fr_history_request *request;
    size_t found;  /* positions in the range */
    size_t stride; /* each n-th is kept; 0: they are only counted */
    size_t count;
    struct fr_position positions[FR_TRACK_MAX];
};

static void query_add_positions(void *ctx, const struct fr_chunk *c)
{
    struct query_track *t = ctx;

    for (size_t i = 0; i < c->count; i++) {
        const struct fr_position *p = &c->positions[i];

        if (p->ms < t->request->from_ms || p->ms >= t->request->to_ms)
            continue;
        if (t->stride != 0 && t->found % t->stride == 0 && t->count < FR_TRACK_MAX)
            t->positions[t->count++] = *p;
        t->found++;
    }
}

static void query_put_track(struct fr_buffer *out, const struct query_track *t)
{
    fr_buffer_text(out, ",\"t\":[");
    for (size_t i = 0; i < t->count; i++)
        fr_buffer_printf(out, "%s%lld", i == 0 ? "" : ",", (long long)t->positions[i].ms);
    fr_buffer_text(out, "],\"lat\":[");
    for (size_t i = 0; i < t->count; i++) {
        fr_buffer_text(out, i == 0 ? "" : ",");
        fr_query_put_degrees(out, t->positions[i].latitude / 1e6);
    }
    fr_buffer_text(out, "],\"lon\":[");
    for (size_t i = 0; i < t->count; i++) {
        fr_buffer_text(out, i == 0 ? "" : ",");
        fr_query_put_degrees(out, t->positions[i].longitude / 1e6);
    }
    fr_buffer_byte(out, ']');
}

/* Counts first, so that the memory does not depend on the number of positions. */
int fr_query_positions(struct fr_history_query *q, uint32_t field)
{
    struct query_track *t = fr_calloc(1, sizeof *t);
    size_t max = q->request->points < 2 ? 2 : q->request->points;
    int status;

    t->request = q->request;
    status =
        fr_query_each_chunk(q, field, FR_CHUNK_POSITIONS, FR_LEVEL_RAW, query_add_positions, t);
    t->stride = t->found / FR_TRACK_MAX + 1;
    t->found = 0;
    if (status == 0)
        status =
            fr_query_each_chunk(q, field, FR_CHUNK_POSITIONS, FR_LEVEL_RAW, query_add_positions, t);
    t->count = fr_track_reduce(t->positions, t->count, TOLERANCE_METRES, max);
    query_put_track(q->out, t);
    free(t);
    return status;
}
