#include "kafka_admin.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CREATE_TIMEOUT_MS 10000

bool fr_kafka_admin_create_topic(rd_kafka_t *client, rd_kafka_queue_t *results,
                                 const struct fr_kafka_new_topic *settings, char *why,
                                 size_t why_size)
{
    rd_kafka_NewTopic_t *topic = rd_kafka_NewTopic_new(
        settings->name, settings->partitions > 0 ? settings->partitions : -1,
        settings->replication > 0 ? settings->replication : -1, why, why_size);
    rd_kafka_AdminOptions_t *options;
    char retention[24];

    if (topic == NULL)
        return false;
    snprintf(retention, sizeof retention, "%lld", (long long)settings->retention_ms);
    rd_kafka_NewTopic_set_config(topic, "retention.ms", retention);
    options = rd_kafka_AdminOptions_new(client, RD_KAFKA_ADMIN_OP_CREATETOPICS);
    rd_kafka_AdminOptions_set_request_timeout(options, CREATE_TIMEOUT_MS, why, why_size);
    rd_kafka_AdminOptions_set_operation_timeout(options, CREATE_TIMEOUT_MS, why, why_size);
    rd_kafka_CreateTopics(client, &topic, 1, options, results);
    rd_kafka_AdminOptions_destroy(options);
    rd_kafka_NewTopic_destroy(topic);
    return true;
}

bool fr_kafka_admin_describe_topics(rd_kafka_t *client, rd_kafka_queue_t *results,
                                    const char *const *names, size_t count, int timeout_ms)
{
    rd_kafka_AdminOptions_t *options =
        rd_kafka_AdminOptions_new(client, RD_KAFKA_ADMIN_OP_DESCRIBECONFIGS);
    rd_kafka_ConfigResource_t **resources = calloc(count + 1, sizeof *resources);
    size_t made = 0;
    char why[128];

    for (size_t i = 0; resources != NULL && i < count; i++) {
        resources[made] = rd_kafka_ConfigResource_new(RD_KAFKA_RESOURCE_TOPIC, names[i]);
        made += resources[made] != NULL;
    }
    if (options != NULL && made != 0) {
        rd_kafka_AdminOptions_set_request_timeout(options, timeout_ms, why, sizeof why);
        rd_kafka_DescribeConfigs(client, resources, made, options, results);
    }
    if (made != 0)
        rd_kafka_ConfigResource_destroy_array(resources, made);
    free(resources);
    if (options != NULL)
        rd_kafka_AdminOptions_destroy(options);
    return options != NULL && made != 0;
}

long fr_kafka_admin_max_message_bytes(const rd_kafka_ConfigResource_t *resource)
{
    size_t count;
    const rd_kafka_ConfigEntry_t **entries = rd_kafka_ConfigResource_configs(resource, &count);
    long bytes = 0;

    for (size_t i = 0; i < count; i++) {
        const char *value = rd_kafka_ConfigEntry_value(entries[i]);

        if (value != NULL &&
            strcmp(rd_kafka_ConfigEntry_name(entries[i]), "max.message.bytes") == 0)
            bytes = strtol(value, NULL, 10);
    }
    return bytes;
}
