#include "kafka_consumer_conf.h"

#include <string.h>

struct setter {
    rd_kafka_conf_t *conf;
    struct fr_source *source;
    const struct fr_source_host *host;
    int mistakes;
};

static int consumer_conf_set_property(const char *key, const char *text, void *context)
{
    struct setter *s = context;
    char why[256];

    if (rd_kafka_conf_set(s->conf, key, text, why, sizeof why) != RD_KAFKA_CONF_OK) {
        s->host->config_error(s->source, "properties", key, "librdkafka: %s", why);
        s->mistakes++;
    }
    return 0;
}

static void consumer_conf_set(rd_kafka_conf_t *conf, const char *key, const char *value)
{
    char why[256];

    rd_kafka_conf_set(conf, key, value, why, sizeof why);
}

rd_kafka_conf_t *fr_kafka_consumer_conf(struct fr_source *source, const struct fr_source_host *host,
                                        int *mistakes)
{
    struct setter s = {rd_kafka_conf_new(), source, host, 0};

    consumer_conf_set(s.conf, "client.id", "fleetroute");
    /* After a crash the group reassigns the partitions when this time is over. */
    consumer_conf_set(s.conf, "session.timeout.ms", "10000");
    consumer_conf_set(s.conf, "bootstrap.servers", host->text(source, "brokers"));
    consumer_conf_set(s.conf, "group.id", host->text(source, "group"));
    consumer_conf_set(s.conf, "auto.offset.reset",
                      host->number(source, "from") == 0 ? "earliest" : "latest");
    /* Offsets are stored after the journal has the record, and committed in the background. */
    consumer_conf_set(s.conf, "enable.auto.offset.store", "false");
    consumer_conf_set(s.conf, "enable.auto.commit", "true");
    consumer_conf_set(s.conf, "auto.commit.interval.ms", "1000");
    /* The journal is the buffer: prefetching many messages only costs memory. */
    consumer_conf_set(s.conf, "queued.max.messages.kbytes", "8192");
    consumer_conf_set(s.conf, "queued.min.messages", "10000");
    consumer_conf_set(s.conf, "fetch.message.max.bytes", "2097152");
    consumer_conf_set(s.conf, "topic.metadata.refresh.interval.ms", "5000"); /* finds new topics */
    consumer_conf_set(s.conf, "allow.auto.create.topics", "false");
    consumer_conf_set(s.conf, "log.queue", "true");
    host->each(source, "properties", consumer_conf_set_property, &s);
    *mistakes = s.mistakes;
    return s.conf;
}

void fr_kafka_consumer_check(struct fr_source *source, const struct fr_source_host *host)
{
    const char *topic = host->text(source, "topic");
    const char *type = strstr(topic, "%{type}");
    char text[256];
    int mistakes;
    rd_kafka_conf_t *conf = fr_kafka_consumer_conf(source, host, &mistakes);
    rd_kafka_t *trial;

    if (type == NULL || type[strlen("%{type}")] != '\0')
        host->config_error(source, "topic", NULL,
                           "topic must end in %%{type}: tesla_%%{type} reads "
                           "tesla_V, tesla_alerts, …");
    if (mistakes != 0) {
        rd_kafka_conf_destroy(conf);
        return;
    }
    consumer_conf_set(conf, "bootstrap.servers", "127.0.0.1:1"); /* a check must not connect */
    trial = rd_kafka_new(RD_KAFKA_CONSUMER, conf, text, sizeof text);
    if (trial == NULL) {
        host->config_error(source, "properties", NULL, "librdkafka: %s", text);
        rd_kafka_conf_destroy(conf);
    } else
        rd_kafka_destroy(trial);
}
