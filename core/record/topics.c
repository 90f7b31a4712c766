#include "record/topics.h"

#include <ctype.h>
#include <pthread.h>
#include <string.h>

#include "record/record.h"
#include "util/counters.h"
#include "util/log.h"
#include "util/redact.h"

/* The topics that were let through by name. They stay: the files and Kafka topics of their names
 * do, too. */
static struct {
    pthread_mutex_t lock;
    unsigned count;
    char name[FR_TOPICS_MAX][FR_TOPIC_MAX + 1];
} topics = {.lock = PTHREAD_MUTEX_INITIALIZER};
static _Atomic int policy = FR_UNKNOWN_TOPICS_BUCKET;

void fr_topics_set_policy(enum fr_unknown_topics next)
{
    atomic_store(&policy, (int)next);
}

bool fr_topic_valid(const char *topic, size_t len)
{
    if (len == 0 || len > FR_TOPIC_MAX || topic[0] == '.')
        return false;
    for (size_t i = 0; i < len; i++)
        if (!isalnum((unsigned char)topic[i]) && topic[i] != '_' && topic[i] != '-' &&
            topic[i] != '.')
            return false;
    return true;
}

/* The number of a topic; -1: it is a new one and there are too many. */
static int topics_number(const char *topic, size_t len)
{
    int number = -1;

    pthread_mutex_lock(&topics.lock);
    for (unsigned i = 0; i < topics.count && number < 0; i++)
        if (strlen(topics.name[i]) == len && memcmp(topics.name[i], topic, len) == 0)
            number = (int)i;
    if (number < 0 && topics.count < FR_TOPICS_MAX) {
        number = (int)topics.count++;
        memcpy(topics.name[number], topic, len);
        topics.name[number][len] = '\0';
    }
    pthread_mutex_unlock(&topics.lock);
    return number;
}

static bool topics_within_bounds(const char *topic, size_t len, fr_topics_used *used)
{
    uint64_t before = used != NULL ? atomic_load(used) : 0;
    int number;

    /* A vehicle that has used up its share adds nothing to the table. */
    if (used != NULL && __builtin_popcountll(before) >= FR_TOPICS_OF_VEHICLE_MAX) {
        for (number = 0; number < FR_TOPICS_MAX; number++)
            if (before >> number & 1 && strlen(topics.name[number]) == len &&
                memcmp(topics.name[number], topic, len) == 0)
                return true; /* written before its bit was set, and never again */
        return false;
    }
    number = topics_number(topic, len);
    if (number >= 0 && used != NULL)
        atomic_fetch_or(used, UINT64_C(1) << number);
    return number >= 0;
}

bool fr_topics_keep(const char *topic, size_t len, fr_topics_used *used, const char *vin)
{
    static struct fr_log_limit limit, full_limit;
    char shown[FR_REDACTED_VIN_SIZE];
    bool pass = atomic_load(&policy) == FR_UNKNOWN_TOPICS_PASS;

    if (pass && fr_topic_valid(topic, len) && topics_within_bounds(topic, len, used))
        return true;
    fr_count(FR_COUNT_TOPIC_UNKNOWN);
    if (pass)
        fr_log_limited(&full_limit, FR_LOG_WARNING,
                       "%s: records of topic \"%.*s\" get the topic \"" FR_TOPIC_UNKNOWN
                       "\": it is no valid name, or more than %d topics of a vehicle or %d in all "
                       "are not named in the routing; name those that you want under `records:`",
                       fr_shown_vin(vin, shown), (int)len, topic, FR_TOPICS_OF_VEHICLE_MAX,
                       FR_TOPICS_MAX);
    else
        fr_log_limited(&limit, FR_LOG_NOTICE,
                       "%s: records of topic \"%.*s\" get the topic \"" FR_TOPIC_UNKNOWN
                       "\": name it under `records:` in the routing file, or set "
                       "`limits: {unknown_topics: pass}`",
                       fr_shown_vin(vin, shown), (int)len, topic);
    return false;
}
