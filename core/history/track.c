#include "history/track.h"

#include <assert.h>
#include <math.h>
#include <string.h>

#define METRES_PER_E6 0.1111949 /* of latitude, for 1e-6 degrees */

/* Metres east and north of an origin, on a plane. */
struct point {
    double x, y;
};

static struct point track_project(const struct fr_position *p, const struct fr_position *origin,
                                  double scale)
{
    int64_t east = (int64_t)p->longitude - origin->longitude;

    if (east > 180000000) /* across the date line */
        east -= 360000000;
    else if (east < -180000000)
        east += 360000000;
    return (struct point){(double)east * METRES_PER_E6 * scale,
                          ((double)p->latitude - origin->latitude) * METRES_PER_E6};
}

/* The square of the distance from a point to the line from the origin to `end`. */
static double track_distance2(struct point p, struct point end)
{
    double length2 = end.x * end.x + end.y * end.y;
    double t = length2 > 0 ? (p.x * end.x + p.y * end.y) / length2 : 0;
    double x, y;

    t = t < 0 ? 0 : t > 1 ? 1 : t;
    x = p.x - t * end.x;
    y = p.y - t * end.y;
    return x * x + y * y;
}

/* The position between first and last that is farthest from their line; 0: none is farther than
 * `metres`. */
static size_t track_farthest(const struct fr_position *positions, size_t first, size_t last,
                             double metres)
{
    const struct fr_position *origin = &positions[first];
    double scale = cos(origin->latitude * 1e-6 * acos(-1) / 180), max = metres * metres;
    struct point end = track_project(&positions[last], origin, scale);
    size_t farthest = 0;

    for (size_t i = first + 1; i < last; i++) {
        double distance = track_distance2(track_project(&positions[i], origin, scale), end);

        if (distance > max) {
            max = distance;
            farthest = i;
        }
    }
    return farthest;
}

/* Mark the positions that are kept, with a stack of ranges instead of recursion. Each range on the
 * stack has an inner position of its own, so there are never more than `count`. */
static void track_mark(const struct fr_position *positions, size_t count, double metres, bool *keep)
{
    uint16_t stack[FR_TRACK_MAX + 1][2];
    size_t depth = 0;

    stack[depth][0] = 0;
    stack[depth++][1] = (uint16_t)(count - 1);
    while (depth != 0) {
        uint16_t first = stack[--depth][0], last = stack[depth][1];
        uint16_t middle = (uint16_t)track_farthest(positions, first, last, metres);

        if (middle == 0)
            continue;
        keep[middle] = true;
        stack[depth][0] = first;
        stack[depth++][1] = middle;
        stack[depth][0] = middle;
        stack[depth++][1] = last;
    }
}

size_t fr_track_reduce(struct fr_position *positions, size_t count, double metres, size_t max)
{
    bool keep[FR_TRACK_MAX] = {false};
    size_t n = 0, thinned;

    assert(count <= FR_TRACK_MAX && max >= 2);
    if (count <= 2)
        return count;
    keep[0] = keep[count - 1] = true;
    track_mark(positions, count, metres, keep);
    for (size_t i = 0; i < count; i++)
        if (keep[i])
            positions[n++] = positions[i];
    if (n <= max)
        return n;
    for (thinned = 0; thinned < max; thinned++)
        positions[thinned] = positions[thinned * (n - 1) / (max - 1)];
    return max;
}
