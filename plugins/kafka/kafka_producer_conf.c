#include "kafka_producer_conf.h"

#include "path_pattern.h"

struct setter {
    rd_kafka_conf_t *conf;
    struct fr_sink *sink;
    const struct fr_host *host;
    int mistakes;
};

static int producer_conf_set_property(const char *key, const char *text, void *context)
{
    struct setter *s = context;
    char why[256];

    if (rd_kafka_conf_set(s->conf, key, text, why, sizeof why) != RD_KAFKA_CONF_OK) {
        s->host->config_error(s->sink, "properties", key, "librdkafka: %s", why);
        s->mistakes++;
    }
    return 0;
}

rd_kafka_conf_t *fr_kafka_producer_conf(struct fr_sink *sink, const struct fr_host *host,
                                        int *mistakes)
{
    static const char *const properties[][2] = {
        {"client.id", "fleetroute"},
        {"enable.idempotence", "true"},
        {"acks", "all"},
        {"message.timeout.ms", "0"}, /* no limit: an unreachable broker loses no record */
        {"topic.metadata.propagation.max.ms", "3000"}, /* delay until a missing topic is reported */
        {"queue.buffering.max.messages", "1000000"},   /* fleetroute's own queue is the limit */
        {"linger.ms", "5"},
        {"log.queue", "true"},
        /* With sparse connections, librdkafka 2.0 connects thousands of times a second while a
         * request waits for a broker. */
        {"enable.sparse.connections", "false"},
    };
    struct setter s = {rd_kafka_conf_new(), sink, host, 0};
    const char *brokers = host->text(sink, "brokers");
    char why[256];

    for (size_t i = 0; i < sizeof properties / sizeof *properties; i++)
        rd_kafka_conf_set(s.conf, properties[i][0], properties[i][1], why, sizeof why);
    if (brokers != NULL && rd_kafka_conf_set(s.conf, "bootstrap.servers", brokers, why,
                                             sizeof why) != RD_KAFKA_CONF_OK)
        host->config_error(sink, "brokers", NULL, "librdkafka: %s", why);
    host->each(sink, "properties", producer_conf_set_property, &s);
    *mistakes = s.mistakes;
    return s.conf;
}

void fr_kafka_producer_check(struct fr_sink *sink, const struct fr_host *host)
{
    const char *topic = host->text(sink, "topic");
    const char *mistake = topic != NULL ? fr_pattern_mistake(topic) : NULL;
    char text[256];
    int mistakes;
    rd_kafka_conf_t *conf = fr_kafka_producer_conf(sink, host, &mistakes);
    rd_kafka_t *trial;

    if (mistake != NULL)
        host->config_error(sink, "topic", NULL, "topic: %s", mistake);
    if (mistakes != 0) {
        rd_kafka_conf_destroy(conf);
        return;
    }
    /* Contradicting properties are detected only when a producer is created. The producer gets an
     * address without a broker, because a check must not connect to one. */
    rd_kafka_conf_set(conf, "bootstrap.servers", "127.0.0.1:1", text, sizeof text);
    trial = rd_kafka_new(RD_KAFKA_PRODUCER, conf, text, sizeof text);
    if (trial == NULL) {
        host->config_error(sink, "properties", NULL, "librdkafka: %s", text);
        rd_kafka_conf_destroy(conf);
    } else
        rd_kafka_destroy(trial);
}
