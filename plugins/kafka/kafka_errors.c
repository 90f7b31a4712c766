#include "kafka_errors.h"

#include <ctype.h>
#include <string.h>

#define TOPIC_NAME_MAX 249

bool fr_kafka_topic_is_missing(rd_kafka_resp_err_t err)
{
    return err == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART ||
           err == RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC || err == RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION;
}

enum fr_outcome fr_kafka_outcome(rd_kafka_resp_err_t err)
{
    switch (err) {
    case RD_KAFKA_RESP_ERR_NO_ERROR:
        return FR_DONE;
    case RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION: /* the name is not valid */
    case RD_KAFKA_RESP_ERR_INVALID_MSG_SIZE:
    case RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE:
    case RD_KAFKA_RESP_ERR_INVALID_RECORD:
        return FR_REFUSED;
    case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART:
    case RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC:
    case RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION:
    case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_POLICY_VIOLATION:
    case RD_KAFKA_RESP_ERR_INVALID_REQUIRED_ACKS:
    case RD_KAFKA_RESP_ERR_UNSUPPORTED_FOR_MESSAGE_FORMAT:
        return FR_FAILED;
    default:
        return FR_RETRY;
    }
}

const char *fr_kafka_remedy(rd_kafka_resp_err_t err)
{
    if (fr_kafka_topic_is_missing(err))
        return " (create the topic, or set create_topics: true)";
    switch (err) {
    case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED:
        return " (give this user the right to write to the topic)";
    case RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE:
    case RD_KAFKA_RESP_ERR_INVALID_MSG_SIZE:
        return " (raise max.message.bytes of the topic)";
    case RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION:
        return " (Kafka does not accept this topic name)";
    default:
        return "";
    }
}

bool fr_kafka_broker_answered(rd_kafka_resp_err_t err)
{
    return err >= 0 || fr_kafka_topic_is_missing(err);
}

bool fr_kafka_topic_name_is_valid(const char *name)
{
    size_t len = strlen(name);

    if (len == 0 || len > TOPIC_NAME_MAX || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
        return false;
    for (; *name != '\0'; name++)
        if (!isalnum((unsigned char)*name) && strchr("._-", *name) == NULL)
            return false;
    return true;
}
