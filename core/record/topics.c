#include "record/topics.h"

#include <ctype.h>
#include <pthread.h>
#include <string.h>

#include "record/record_types.h"
#include "util/counters.h"
#include "util/log.h"
#include "util/redact.h"

/* The unknown topics that keep their name. An entry is never removed, because the files and Kafka
 * topics with its name stay, too. */
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

/* Returns the index of a topic, which is added if it is new; -1: the table is full. */
static int topics_index(const char *topic, size_t len)
{
    int index = -1;

    pthread_mutex_lock(&topics.lock);
    for (unsigned i = 0; i < topics.count && index < 0; i++)
        if (strlen(topics.name[i]) == len && memcmp(topics.name[i], topic, len) == 0)
            index = (int)i;
    if (index < 0 && topics.count < FR_TOPICS_MAX) {
        index = (int)topics.count++;
        memcpy(topics.name[index], topic, len);
        topics.name[index][len] = '\0';
    }
    pthread_mutex_unlock(&topics.lock);
    return index;
}

/* Whether a topic is within the limits in all and of the vehicle; marks it as used by the vehicle.
 */
static bool topics_within_bounds(const char *topic, size_t len, fr_topics_used *used)
{
    uint64_t before = used != NULL ? atomic_load(used) : 0;
    int index;

    /* A vehicle that has used its share can use only the topics that it has used before. Their
     * entries are read without the lock: they were written before their bit was set and never
     * change. */
    if (used != NULL && __builtin_popcountll(before) >= FR_TOPICS_OF_VEHICLE_MAX) {
        for (index = 0; index < FR_TOPICS_MAX; index++)
            if (before >> index & 1 && strlen(topics.name[index]) == len &&
                memcmp(topics.name[index], topic, len) == 0)
                return true;
        return false;
    }
    index = topics_index(topic, len);
    if (index >= 0 && used != NULL)
        atomic_fetch_or(used, UINT64_C(1) << index);
    return index >= 0;
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
                       "\": the name is not valid, or the vehicle has sent more than %d topics, "
                       "or all vehicles more than %d, that the routing does not name; name the "
                       "topics that you need under `records:`",
                       fr_display_vin(vin, shown), (int)len, topic, FR_TOPICS_OF_VEHICLE_MAX,
                       FR_TOPICS_MAX);
    else
        fr_log_limited(&limit, FR_LOG_NOTICE,
                       "%s: records of topic \"%.*s\" get the topic \"" FR_TOPIC_UNKNOWN
                       "\": name it under `records:` in the routing file, or set "
                       "`limits: {unknown_topics: pass}`",
                       fr_display_vin(vin, shown), (int)len, topic);
    return false;
}
