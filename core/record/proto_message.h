/* Reads encoded protobuf messages by the descriptors of protobuf-c, with the semantics of proto3 as
 * protobuf-go implements them, which Tesla's server uses: a known field with another wire type is an
 * unknown field, of a field that occurs again the last value counts, messages that occur again are
 * merged, and texts must be UTF-8 and may contain NUL. protobuf-c's own decoder differs in all four.
 * For the messages of record_types.h only: fields of type bool, enum, int32, int64, float, double,
 * string and message; repeated fields are enums, messages or maps from text to text. Any thread may
 * call these functions. */
#ifndef FR_PROTO_MESSAGE_H
#define FR_PROTO_MESSAGE_H

#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "record/wire.h"
#include "util/buffer.h"

/* Max number of fields of a message type. */
#define FR_PROTO_FIELDS_MAX 64

/* The value of one field that is not repeated. */
struct fr_proto_value {
    bool present;
    uint64_t bits;        /* of numbers, bools and enums, as on the wire */
    const uint8_t *bytes; /* of texts and messages */
    size_t len;
};

/* A message whose fields, except repeated ones, have been read. */
struct fr_proto_message {
    const ProtobufCMessageDescriptor *descriptor;
    const uint8_t *bytes; /* points to the input */
    size_t len;
    int oneof; /* index of the set member of the message's oneof; -1: none */
    struct {
        int field; /* index; -1: unused */
        struct fr_buffer bytes;
    } merged[2]; /* message fields that occur more than once; no type has more than two */
    struct fr_proto_value values[FR_PROTO_FIELDS_MAX]; /* in the order of descriptor->fields */
};

/* Returns the field's descriptor; NULL: the message has no such field, or its type on the wire is
 * another one. Then the field is unknown. */
const ProtobufCFieldDescriptor *fr_proto_field(const ProtobufCMessageDescriptor *descriptor,
                                               const struct fr_wire_field *f);

/* Check a message with all messages in it. Returns 0; -1: malformed. */
int fr_proto_check(const ProtobufCMessageDescriptor *descriptor, const uint8_t *bytes, size_t len);

/* Read the fields of a message, which must stay valid. Messages in it are not read. The caller calls
 * fr_proto_release() in each case. Returns 0; -1: malformed, or memory is exhausted. */
int fr_proto_read(struct fr_proto_message *message, const ProtobufCMessageDescriptor *descriptor,
                  const uint8_t *bytes, size_t len);
void fr_proto_release(struct fr_proto_message *message);

/* Returns the value of the field with this name, which the message type must have. */
const struct fr_proto_value *fr_proto_named(const struct fr_proto_message *message,
                                            const char *name);

/* Find the next occurrence of a repeated field. `wire` is a reader of message->bytes. Returns false
 * at the end. */
bool fr_proto_next(const struct fr_proto_message *message, const ProtobufCFieldDescriptor *field,
                   struct fr_wire *wire, struct fr_wire_field *f);

/* Whether a type is google.protobuf.Timestamp. */
bool fr_proto_is_time(const ProtobufCMessageDescriptor *descriptor);

/* A google.protobuf.Timestamp. */
struct fr_proto_time {
    int64_t seconds;
    int32_t nanos;
};

/* Read a google.protobuf.Timestamp; malformed parts count as absent. */
struct fr_proto_time fr_proto_time(const uint8_t *bytes, size_t len);

/* One entry of a map from text to text. Points into the message. */
struct fr_proto_entry {
    const uint8_t *key, *value;
    size_t key_len, value_len;
    size_t index; /* in the message */
};

/* Whether a repeated field is a map. */
bool fr_proto_is_map(const ProtobufCFieldDescriptor *field);

/* Read a map, sorted by key; of several entries with one key the last is kept. Returns the number of
 * entries, or SIZE_MAX if memory is exhausted. The caller frees *entries; NULL: there are none. */
size_t fr_proto_entries(const struct fr_proto_message *message,
                        const ProtobufCFieldDescriptor *field, struct fr_proto_entry **entries);

#endif
