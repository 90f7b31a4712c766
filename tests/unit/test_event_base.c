#include "unit.h"

#include <stdbool.h>

#include "util/event_base.h"

#define ACTIVATIONS_MAX 1000000

static struct event *self_activating;
static long activations;
static bool timer_fired;

static void activate_again(evutil_socket_t fd, short what, void *ctx)
{
    (void)fd, (void)what;
    if (++activations < ACTIVATIONS_MAX)
        event_active(self_activating, EV_TIMEOUT, 1);
    else
        event_base_loopbreak(ctx);
}

static void timer_due(evutil_socket_t fd, short what, void *ctx)
{
    (void)fd, (void)what;
    timer_fired = true;
    event_base_loopbreak(ctx);
}

START_TEST(self_activating_event_does_not_starve_timers)
{
    struct event_base *base = fr_event_base_new();
    struct event *timer = event_new(base, -1, 0, timer_due, base);
    const struct timeval delay = {0, 1000};

    self_activating = event_new(base, -1, 0, activate_again, base);
    event_add(timer, &delay);
    event_active(self_activating, EV_TIMEOUT, 1);
    event_base_dispatch(base);
    ck_assert(timer_fired);
    event_free(timer);
    event_free(self_activating);
    event_base_free(base);
}
END_TEST

Suite *suite_event_base(void)
{
    Suite *suite = suite_create("event_base");
    TCase *tests = tcase_create("event_base");

    tcase_add_test(tests, self_activating_event_does_not_starve_timers);
    suite_add_tcase(suite, tests);
    return suite;
}
