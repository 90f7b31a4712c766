#include "mqtt/teslamate.h"

#include <event2/event.h>
#include <stdlib.h>
#include <string.h>

#include "car_state/car_ids.h"
#include "clock_ms.h"
#include "mqtt/broker.h"
#include "mqtt/record_messages.h"
#include "mqtt/teslamate_values.h"

#define SOURCE_CONNECTION UINT32_MAX /* `source` of a record of the connection; else the field */

_Static_assert(TESLAMATE_TOPICS_MAX <= 128, "struct job has 128 bits");

#define TICK_MS 1000 /* interval of saving numbers and of states that depend on the time */

/* After a start, the last values of a vehicle arrive one after the other. Topics that follow from
 * several of them are published this time after the first. */
#define HOLD_MS 2000

/* What was published of a vehicle. */
struct teslamate_car {
    uint64_t sent[TESLAMATE_TOPICS_MAX]; /* hash of each payload; 0: not in this connection */
    /* The broker has refused the topic in a delivery of this source; 0: it has not. Only another
     * delivery of the source publishes it, so that the others do not fail too. */
    uint32_t refused[TESLAMATE_TOPICS_MAX];
    bool confirmed[TESLAMATE_TOPICS_MAX]; /* by the broker, at some time */
};

struct teslamate {
    const struct topics *topics;
    struct teslamate_settings settings;
    const char *namespace; /* NULL: none */
    struct fr_cars *cars;
    struct fr_car_ids *ids;
    struct fr_text_buffer problem; /* empty: the numbers are saved */
    struct fr_text_buffer payload; /* of the topic that is published; keeps its memory */
    struct event *tick;
    bool holding; /* a derived topic waits for HOLD_MS */

    /* The pass over all vehicles: one vehicle for each step, or a part of one. */
    struct fr_car *pass; /* the next vehicle; NULL: no pass */
};

/* ---- publishing ------------------------------------------------------------------ */

static uint64_t teslamate_hash(const char *text)
{
    uint64_t h = 14695981039346656037ULL; /* FNV-1a */

    for (; *text != '\0'; text++)
        h = (h ^ (unsigned char)*text) * 1099511628211ULL;
    return h != 0 ? h : 1;
}

static void teslamate_topic(const struct teslamate *t, const struct fr_car *car, const char *name,
                            struct fr_text_buffer *topic)
{
    fr_text_buffer_add(topic, t->topics->base);
    if (t->namespace != NULL)
        fr_text_buffer_printf(topic, "/%s", t->namespace);
    fr_text_buffer_printf(topic, "/cars/%u/%s", (unsigned)car->id, name);
}

/* Publish one topic if its payload has changed. `job`: NULL in a pass. */
static void teslamate_publish_topic(struct teslamate *t, const struct fr_car *car, size_t index,
                                    struct job *job)
{
    struct teslamate_car *own = car->own;
    struct fr_text_buffer topic = {0};
    const char *text;
    uint64_t hash;

    fr_text_buffer_clear(&t->payload);
    if (teslamate_value(index, car, &t->settings, &t->payload)) {
        text = fr_text_buffer_string(&t->payload);
        hash = teslamate_hash(text);
        if (hash != own->sent[index]) {
            teslamate_topic(t, car, teslamate_topic_name(index), &topic);
            if (topic.failed && job != NULL)
                job->retry = true;
            else if (!topic.failed) {
                own->sent[index] = hash;
                if (job != NULL)
                    job->published[index / 64] |= (uint64_t)1 << index % 64;
                broker_publish(t->topics->broker, topic.bytes, text, strlen(text), true, job);
            }
        }
    } else if (t->payload.failed && job != NULL)
        job->retry = true;
    fr_text_buffer_free(&topic);
}

/* A pass leaves topics that were never confirmed to their deliveries, which are tried again: a broker
 * that disconnects after a refused message would otherwise end each connection in the pass. */
static bool teslamate_may_publish(const struct fr_car *car, size_t index, const struct job *job)
{
    const struct teslamate_car *own = car->own;

    if (job != NULL)
        return own->refused[index] == 0 || job->source == own->refused[index];
    return own->refused[index] == 0 && (own->confirmed[index] || teslamate_topic_is_derived(index));
}

/* Publish the changes of a vehicle. False: the broker has no capacity; call again. */
static bool teslamate_publish_changes(struct teslamate *t, const struct fr_car *car,
                                      struct job *job)
{
    bool hold = llabs(fr_clock_wall_ms() - car->first_seen_ms) < HOLD_MS;

    t->holding = t->holding || hold;
    for (size_t i = 0; i < teslamate_topic_count(); i++) {
        if (!broker_has_capacity(t->topics->broker))
            return false;
        if ((!hold || !teslamate_topic_is_derived(i)) && teslamate_may_publish(car, i, job))
            teslamate_publish_topic(t, car, i, job);
    }
    return true;
}

/* ---- the pass over all vehicles -------------------------------------------------- */

static void teslamate_begin_pass(struct teslamate *t)
{
    t->pass = fr_cars_first(t->cars);
    if (t->pass != NULL)
        job_queue_wake(t->topics->jobs);
}

bool teslamate_background(struct teslamate *t)
{
    if (t->pass == NULL)
        return false;
    if (t->pass->own == NULL || teslamate_publish_changes(t, t->pass, NULL))
        t->pass = t->pass->next;
    return true;
}

void teslamate_up(struct teslamate *t)
{
    for (struct fr_car *car = fr_cars_first(t->cars); car != NULL; car = car->next) {
        struct teslamate_car *own = car->own;

        if (own != NULL)
            memset(own->sent, 0, sizeof own->sent);
    }
    teslamate_begin_pass(t);
}

void teslamate_down(struct teslamate *t)
{
    t->pass = NULL;
}

/* ---- numbers of vehicles --------------------------------------------------------- */

const char *teslamate_problem(const struct teslamate *t)
{
    return t->problem.len != 0 ? fr_text_buffer_string(&t->problem) : NULL;
}

static void teslamate_save_ids(struct teslamate *t)
{
    struct fr_text_buffer why = {0};
    const char *text;

    (void)fr_car_ids_save(t->ids, &why);
    text = fr_text_buffer_string(&why);
    if (strcmp(text, fr_text_buffer_string(&t->problem)) != 0) {
        fr_text_buffer_clear(&t->problem);
        fr_text_buffer_add(&t->problem, text);
        if (why.len != 0)
            t->topics->host->log(t->topics->sink, FR_LOG_ERROR, "%s; trying again", text);
        broker_report_problem(t->topics->broker);
    }
    fr_text_buffer_free(&why);
}

static int teslamate_configure_id(const char *vin, const char *number, void *ctx)
{
    struct teslamate *t = ctx;
    struct fr_text_buffer why = {0};

    (void)fr_car_ids_configure(t->ids, vin, number, &why);
    fr_text_buffer_free(&why);
    return 0;
}

static void teslamate_load_ids(struct teslamate *t)
{
    const char *folder = t->topics->host->state_dir(t->topics->sink);
    struct fr_text_buffer path = {0}, why = {0};

    t->topics->host->each(t->topics->sink, "car_ids", teslamate_configure_id, t);
    if (folder == NULL)
        return; /* state_dir() has logged the reason and made the sink degraded */
    fr_text_buffer_printf(&path, "%s/car-ids", folder);
    if (!path.failed && !fr_car_ids_load(t->ids, path.bytes, &why))
        t->topics->host->log(t->topics->sink, FR_LOG_ERROR,
                             "%s; vehicles get new numbers, see `car_ids:`",
                             fr_text_buffer_string(&why));
    fr_text_buffer_free(&path);
    fr_text_buffer_free(&why);
}

/* ---- states that depend on the time ---------------------------------------------- */

static void teslamate_tick(evutil_socket_t fd, short what, void *ctx)
{
    struct teslamate *t = ctx;
    int64_t now_ms = fr_clock_wall_ms();
    bool changed = t->holding;

    (void)fd, (void)what;
    teslamate_save_ids(t);
    t->holding = false;
    for (struct fr_car *car = fr_cars_first(t->cars); car != NULL; car = car->next)
        if (car->state == FR_CAR_STATE_UNKNOWN || car->state == FR_CAR_UPDATING)
            changed = fr_car_update(car, now_ms, now_ms) || changed;
    if (changed && broker_is_up(t->topics->broker))
        teslamate_begin_pass(t);
}

/* ---- deliveries ------------------------------------------------------------------ */

/* Give a vehicle its number. False: the limit is reached, or no memory. */
static bool teslamate_prepare_car(struct teslamate *t, struct fr_car *car)
{
    if (car->id == 0)
        car->id = fr_car_ids_get(t->ids, car->vin);
    if (car->own == NULL)
        car->own = calloc(1, sizeof(struct teslamate_car));
    return car->id != 0 && car->own != NULL;
}

static bool teslamate_is_about_state(const struct fr_delivery *d)
{
    return d->kind == FR_DELIVERY_FIELD || strcmp(d->record_type, "presence") == 0 ||
           strcmp(d->record_type, "connectivity") == 0;
}

/* TeslaMate has no topics for records such as alerts; they have those of the layout tesla. Whole
 * records of values have the form of no reader. */
static void teslamate_begin_record(struct job *job)
{
    if (strcmp(job->delivery->record_type, "V") == 0)
        job_fail(job, FR_REFUSED,
                 "the layout teslamate has no topic for whole records of type V; route fields");
    else if ((job->messages = record_messages_new(job->delivery)) == NULL)
        job->retry = true;
}

static void teslamate_begin_job(struct teslamate *t, struct job *job)
{
    struct fr_delivery *d = job->delivery;
    struct fr_car *car;

    job->begun = true;
    job->source = d->kind == FR_DELIVERY_FIELD ? d->field : SOURCE_CONNECTION;
    if (!teslamate_is_about_state(d)) {
        teslamate_begin_record(job);
        return;
    }
    car = fr_cars_receive(t->cars, d, fr_clock_wall_ms());
    if (car != NULL && teslamate_prepare_car(t, car))
        job->car = car;
    else
        job_fail(job, FR_REFUSED,
                 "nothing is published: the limit is %d vehicles; route fewer vehicles to this "
                 "sink",
                 FR_CARS_MAX);
}

bool teslamate_produce(struct teslamate *t, struct job *job)
{
    if (!job->begun)
        teslamate_begin_job(t, job);
    if (job->messages != NULL)
        return record_messages_step(job->messages, t->topics, job);
    return job->car == NULL || teslamate_publish_changes(t, job->car, job);
}

void teslamate_release(const struct job *job)
{
    struct teslamate_car *own = job->car != NULL ? job->car->own : NULL;

    for (size_t i = 0; own != NULL && i < teslamate_topic_count(); i++) {
        if (!(job->published[i / 64] >> i % 64 & 1))
            continue;
        if (job->retry || job->outcome != FR_DONE)
            own->sent[i] = 0;
        if (job->outcome != FR_DONE)
            own->refused[i] = job->source;
        else if (!job->retry) {
            own->refused[i] = 0;
            own->confirmed[i] = true;
        }
    }
}

void teslamate_end(struct teslamate *t)
{
    t->settings.healthy = false;
    for (struct fr_car *car = fr_cars_first(t->cars); car != NULL; car = car->next)
        for (size_t i = 0; car->own != NULL && i < teslamate_topic_count(); i++)
            if (strcmp(teslamate_topic_name(i), "healthy") == 0 &&
                broker_has_capacity(t->topics->broker))
                teslamate_publish_topic(t, car, i, NULL);
}

/* ---- creation -------------------------------------------------------------------- */

struct check {
    struct fr_sink *sink;
    const struct fr_host *host;
    struct fr_car_ids *ids;
};

static int teslamate_check_id(const char *vin, const char *number, void *ctx)
{
    const struct check *c = ctx;
    struct fr_text_buffer why = {0};

    if (!fr_car_ids_configure(c->ids, vin, number, &why))
        c->host->config_error(c->sink, "car_ids", vin, "%s",
                              why.len != 0 ? fr_text_buffer_string(&why)
                                           : "no memory, or too many vehicles");
    fr_text_buffer_free(&why);
    return 0;
}

void teslamate_check(struct fr_sink *sink, const struct fr_host *host)
{
    struct check c = {sink, host, fr_car_ids_new()};
    const char *namespace = host->text(sink, "namespace");

    if (c.ids != NULL)
        host->each(sink, "car_ids", teslamate_check_id, &c);
    fr_car_ids_free(c.ids);
    if (namespace != NULL &&
        (strpbrk(namespace, "+#") != NULL || namespace[0] == '\0' || strlen(namespace) > 100))
        host->config_error(sink, "namespace", NULL,
                           "namespace must be 1 to 100 characters without + and #");
}

void teslamate_free(struct teslamate *t)
{
    struct fr_text_buffer why = {0};

    if (t == NULL)
        return;
    if (t->ids != NULL)
        (void)fr_car_ids_save(t->ids, &why);
    fr_text_buffer_free(&why);
    if (t->tick != NULL)
        event_free(t->tick);
    fr_cars_free(t->cars, free);
    fr_car_ids_free(t->ids);
    fr_text_buffer_free(&t->problem);
    fr_text_buffer_free(&t->payload);
    free(t);
}

struct teslamate *teslamate_new(const struct topics *topics)
{
    static const struct timeval interval = {TICK_MS / 1000, TICK_MS % 1000 * 1000};
    const struct fr_host *host = topics->host;
    struct teslamate *t = calloc(1, sizeof *t);

    if (t == NULL)
        return NULL;
    t->topics = topics;
    t->settings = (struct teslamate_settings){
        .home_name = host->text(topics->sink, "geofence_home"), .healthy = true};
    t->namespace = host->text(topics->sink, "namespace");
    t->cars = fr_cars_new();
    t->ids = fr_car_ids_new();
    t->tick = event_new(host->event_base(topics->sink), -1, EV_PERSIST, teslamate_tick, t);
    if (t->cars == NULL || t->ids == NULL || t->tick == NULL ||
        event_add(t->tick, &interval) != 0) {
        teslamate_free(t);
        return NULL;
    }
    teslamate_load_ids(t);
    return t;
}
