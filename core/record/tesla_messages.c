#include "record/tesla_messages.h"

#include <stdlib.h>
#include <string.h>

#include "record/tesla_record_json.h"
#include "record/wire.h"

/* An alert or error: one encoded message of the record. */
struct entry {
    struct fr_tesla_text name;
    const uint8_t *bytes;
    size_t len;
};

/* One message to publish: an error, the connectivity, or alerts of one name. */
struct message {
    const char *part;
    size_t first, count; /* in `entries` */
};

static const char part_current[] = "current", part_history[] = "history";

struct fr_tesla_messages {
    enum fr_record_type type;
    struct entry *entries; /* alerts: those of one name follow each other */
    size_t entry_count;
    struct message *messages;
    size_t message_count;
};

enum { RECORD_ENTRIES = 1 }; /* number of VehicleAlerts.alerts and of VehicleErrors.errors */
enum { ALERT_NAME = 1, ERROR_NAME = 2 };

/* ---- messages -------------------------------------------------------------------- */

/* Nanoseconds that are no fraction of a second are carried to the seconds. */
static struct fr_tesla_time messages_carried(struct fr_tesla_time time)
{
    const int64_t ns_per_s = 1000000000;
    int64_t carry = time.nanos / ns_per_s - (time.nanos % ns_per_s < 0);

    time.nanos = (int32_t)(time.nanos - carry * ns_per_s);
    if (time.seconds > INT64_MIN + 3 && time.seconds < INT64_MAX - 3)
        time.seconds += carry;
    return time;
}

static bool messages_is_later(const struct fr_tesla_time *a, const struct fr_tesla_time *b)
{
    return a->seconds > b->seconds || (a->seconds == b->seconds && a->nanos > b->nanos);
}

/* The alert of a name that started last, the first one of several with the same start; NULL: none
 * has a start. */
static const struct entry *messages_current(const struct entry *alerts, size_t count)
{
    const struct entry *current = NULL;
    struct fr_tesla_time latest = {0};

    for (size_t i = 0; i < count; i++) {
        struct fr_tesla_time start =
            messages_carried(fr_tesla_alert_start(alerts[i].bytes, alerts[i].len));

        if (start.is_set && (current == NULL || messages_is_later(&start, &latest))) {
            current = &alerts[i];
            latest = start;
        }
    }
    return current;
}

static void messages_put_history(struct fr_buffer *out, const struct entry *alerts, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        fr_buffer_byte(out, i == 0 ? '[' : ',');
        fr_tesla_alert_json(out, alerts[i].bytes, alerts[i].len);
    }
    fr_buffer_byte(out, ']');
}

bool fr_tesla_messages_get(struct fr_tesla_messages *m, size_t index, struct fr_buffer *out,
                           struct fr_tesla_topic *topic)
{
    const struct message *message;
    const struct entry *first;

    if (index >= m->message_count)
        return false;
    message = &m->messages[index];
    first = &m->entries[message->first];
    *topic = (struct fr_tesla_topic){first->name.bytes, first->name.len, message->part};
    if (m->type == FR_RECORD_ERRORS)
        fr_tesla_error_json(out, first->bytes, first->len);
    else if (m->type != FR_RECORD_ALERTS)
        fr_tesla_connectivity_json(out, first->bytes, first->len);
    else if (message->part == part_history)
        messages_put_history(out, first, message->count);
    else {
        const struct entry *current = messages_current(first, message->count);

        fr_tesla_alert_json(out, current->bytes, current->len);
    }
    return true;
}

/* ---- creation -------------------------------------------------------------------- */

bool fr_tesla_messages_has(enum fr_record_type type)
{
    return type == FR_RECORD_ALERTS || type == FR_RECORD_ERRORS || type == FR_RECORD_CONNECTIVITY ||
           type == FR_RECORD_PRESENCE;
}

/* Alerts of one name keep their order: their bytes are in one payload. */
static int messages_compare_entries(const void *a, const void *b)
{
    const struct entry *x = a, *y = b;
    int order = fr_tesla_text_compare(&x->name, &y->name);

    return order != 0 ? order : (x->bytes > y->bytes) - (x->bytes < y->bytes);
}

/* Whether a field of the record is an alert or error. */
static bool messages_is_entry(const struct fr_wire_field *f)
{
    return f->type == FR_WIRE_BYTES && f->number == RECORD_ENTRIES;
}

static size_t messages_count_entries(const struct fr_record *record)
{
    struct fr_wire wire = fr_wire_over(record->payload, record->payload_len);
    struct fr_wire_field f;
    size_t count = 0;

    while (fr_wire_next(&wire, &f) > 0)
        count += messages_is_entry(&f);
    return count;
}

static struct entry messages_read_entry(const struct fr_wire_field *field, uint32_t name_number)
{
    struct fr_wire wire = fr_wire_over(field->bytes, field->len);
    struct entry entry = {{"", 0}, field->bytes, field->len};
    struct fr_wire_field f;

    while (fr_wire_next(&wire, &f) > 0)
        if (f.type == FR_WIRE_BYTES && f.number == name_number)
            entry.name = (struct fr_tesla_text){(const char *)f.bytes, f.len};
    return entry;
}

static void messages_read_entries(struct fr_tesla_messages *m, const struct fr_record *record)
{
    struct fr_wire wire = fr_wire_over(record->payload, record->payload_len);
    uint32_t name_number = m->type == FR_RECORD_ALERTS ? ALERT_NAME : ERROR_NAME;
    struct fr_wire_field f;

    while (fr_wire_next(&wire, &f) > 0)
        if (messages_is_entry(&f))
            m->entries[m->entry_count++] = messages_read_entry(&f, name_number);
}

static void messages_add(struct fr_tesla_messages *m, const char *part, size_t first, size_t count)
{
    m->messages[m->message_count++] = (struct message){part, first, count};
}

static void messages_group_alerts(struct fr_tesla_messages *m)
{
    size_t end;

    qsort(m->entries, m->entry_count, sizeof *m->entries, messages_compare_entries);
    for (size_t first = 0; first < m->entry_count; first = end) {
        end = first + 1;
        while (end < m->entry_count &&
               fr_tesla_text_compare(&m->entries[first].name, &m->entries[end].name) == 0)
            end++;
        if (messages_current(&m->entries[first], end - first) != NULL)
            messages_add(m, part_current, first, end - first);
        messages_add(m, part_history, first, end - first);
    }
}

struct fr_tesla_messages *fr_tesla_messages_new(const struct fr_record *record)
{
    bool has_entries = record->type == FR_RECORD_ALERTS || record->type == FR_RECORD_ERRORS;
    size_t count = has_entries ? messages_count_entries(record) : 1;
    struct fr_tesla_messages *m = calloc(1, sizeof *m);

    if (m == NULL)
        return NULL;
    m->type = record->type;
    m->entries = calloc(count + 1, sizeof *m->entries);
    m->messages = calloc(2 * count + 1, sizeof *m->messages);
    if (m->entries == NULL || m->messages == NULL) {
        fr_tesla_messages_free(m);
        return NULL;
    }
    if (has_entries)
        messages_read_entries(m, record);
    else
        m->entries[m->entry_count++] =
            (struct entry){{NULL, 0}, record->payload, record->payload_len};
    if (m->type == FR_RECORD_ALERTS)
        messages_group_alerts(m);
    else
        for (size_t i = 0; i < m->entry_count; i++)
            messages_add(m, NULL, i, 1);
    return m;
}

void fr_tesla_messages_free(struct fr_tesla_messages *m)
{
    if (m == NULL)
        return;
    free(m->entries);
    free(m->messages);
    free(m);
}
