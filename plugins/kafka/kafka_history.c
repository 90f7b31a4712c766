#include "kafka_history.h"

#include <stdlib.h>
#include <string.h>

#define TIMEOUT_MS 3000
#define PARTITIONS_MAX 65536 /* of a topic; the history of further ones is not read */

static const char *const types[] = {"presence", "connectivity"};

/* The index of the topic in `topics`, or -1. */
static int history_index(const struct fr_kafka_history *h, const char *topic)
{
    if (strlen(topic) <= h->prefix_len)
        return -1;
    for (int i = 0; i < 2; i++)
        if (strcmp(topic + h->prefix_len, types[i]) == 0)
            return i;
    return -1;
}

bool fr_kafka_history_concerns(const struct fr_kafka_history *h, const char *topic)
{
    return history_index(h, topic) >= 0;
}

static void history_set_end(struct fr_kafka_history *h, const char *topic, int32_t partition,
                            int64_t end)
{
    struct fr_kafka_history_topic *t = &h->topics[history_index(h, topic)];
    size_t index = (size_t)partition;

    if (partition < 0 || partition >= PARTITIONS_MAX)
        return;
    if (index >= t->count) {
        int64_t *ends = realloc(t->ends, (index + 1) * sizeof *ends);

        if (ends == NULL)
            return;
        memset(ends + t->count, 0, (index + 1 - t->count) * sizeof *ends);
        t->ends = ends;
        t->count = index + 1;
    }
    t->ends[index] = end;
}

bool fr_kafka_history_has(const struct fr_kafka_history *h, const rd_kafka_message_t *m)
{
    int index = history_index(h, rd_kafka_topic_name(m->rkt));

    return index >= 0 && m->partition >= 0 && (size_t)m->partition < h->topics[index].count &&
           m->offset < h->topics[index].ends[m->partition];
}

/* Begin at the offset of the time `then` if that is before the committed one. Without a committed
 * offset the group is new, and nothing is history. */
static void history_rewind_partition(struct fr_kafka_history *h,
                                     rd_kafka_topic_partition_list_t *partitions,
                                     const rd_kafka_topic_partition_t *committed,
                                     const rd_kafka_topic_partition_t *then)
{
    rd_kafka_topic_partition_t *partition =
        rd_kafka_topic_partition_list_find(partitions, committed->topic, committed->partition);
    bool usable = committed->err == RD_KAFKA_RESP_ERR_NO_ERROR && committed->offset >= 0 &&
                  then != NULL && then->err == RD_KAFKA_RESP_ERR_NO_ERROR && then->offset >= 0 &&
                  then->offset < committed->offset;

    if (partition == NULL)
        return;
    history_set_end(h, committed->topic, committed->partition, usable ? committed->offset : 0);
    if (usable)
        partition->offset = then->offset;
}

rd_kafka_resp_err_t fr_kafka_history_rewind(struct fr_kafka_history *h, rd_kafka_t *consumer,
                                            rd_kafka_topic_partition_list_t *partitions,
                                            int64_t now_ms)
{
    rd_kafka_topic_partition_list_t *committed = rd_kafka_topic_partition_list_new(8), *then;
    rd_kafka_resp_err_t err = RD_KAFKA_RESP_ERR_NO_ERROR;

    for (int i = 0; i < partitions->cnt; i++) {
        const rd_kafka_topic_partition_t *p = &partitions->elems[i];

        if (!fr_kafka_history_concerns(h, p->topic))
            continue;
        history_set_end(h, p->topic, p->partition, 0);
        rd_kafka_topic_partition_list_add(committed, p->topic, p->partition);
    }
    then = rd_kafka_topic_partition_list_copy(committed);
    for (int i = 0; i < then->cnt; i++)
        then->elems[i].offset = now_ms - FR_KAFKA_HISTORY_MS;
    if (committed->cnt != 0)
        err = rd_kafka_committed(consumer, committed, TIMEOUT_MS);
    if (committed->cnt != 0 && err == RD_KAFKA_RESP_ERR_NO_ERROR)
        err = rd_kafka_offsets_for_times(consumer, then, TIMEOUT_MS);
    for (int i = 0; i < committed->cnt && err == RD_KAFKA_RESP_ERR_NO_ERROR; i++) {
        const rd_kafka_topic_partition_t *p = &committed->elems[i];

        history_rewind_partition(h, partitions, p,
                                 rd_kafka_topic_partition_list_find(then, p->topic, p->partition));
    }
    rd_kafka_topic_partition_list_destroy(committed);
    rd_kafka_topic_partition_list_destroy(then);
    return err;
}

void fr_kafka_history_free(struct fr_kafka_history *h)
{
    for (int i = 0; i < 2; i++)
        free(h->topics[i].ends);
}
